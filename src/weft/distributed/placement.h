// Where rows lie after an operator has moved them, so that the next one need not, and what was chosen because of it.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/sort.h"

namespace weft::distributed {

/// That the rows of a table are in order over all ranks: each rank's sorted, and none of rank r after any of rank r
/// + 1. Any choice of rows that stay in order keeps it. What a sort made on one rank says nothing about what another
/// sort made on the next, so a claim has the sort's number, which is the same on all ranks and no other sort's; it
/// holds where all ranks have the same claim. The default claims nothing.
class RowOrder {
 public:
  RowOrder() = default;
  /// Of a table that was sorted over `communicator`.
  RowOrder(const Communicator& communicator, const kernels::SortOptions& options, uint64_t sort);

  bool known() const { return !keys_.empty(); }
  bool operator==(const RowOrder& other) const = default;

  /// What ranks are to agree on (AgreeOrders) before they take rows to be in the order of `options`; empty where they
  /// are not.
  std::vector<int> Claim(const Communicator& communicator, const kernels::SortOptions& options) const;
  /// The first keys of the order, as far as they are among `keys`: rows equal in `keys` are equal in these. None where
  /// that is not known.
  kernels::SortOptions Leading(const Communicator& communicator, const std::vector<int>& keys, bool nan_is_null) const;
  /// Placement::CarriedTo.
  RowOrder CarriedTo(const arrow::Table& from, const arrow::Table& to) const;

 private:
  struct Key {
    /// Any of these, which hold the same.
    std::vector<int> columns;
    bool ascending = true;
    bool operator==(const Key& other) const = default;
  };

  bool Over(const Communicator& communicator) const {
    return communicator.world_size() == world_size_ && communicator.rank() == rank_;
  }

  int world_size_ = 0;
  Rank rank_ = 0;
  uint64_t sort_ = 0;
  bool nulls_first_ = false;
  bool nan_is_null_ = false;
  std::vector<Key> keys_;
};

/// That each row of this rank's part of a table lies on the rank of its key: table::RankOfHash of table::HashRows over
/// some columns is this rank. A claim about this rank's rows alone, so any choice of them keeps it, on every
/// communicator in which this rank has the same number in a world of the same size. The default claims nothing.
class Placement {
 public:
  Placement() = default;
  /// Of a table whose rows were sent by exchange::ByHash(keys, nan_is_null, ...).
  Placement(const Communicator& communicator, const std::vector<int>& keys, bool nan_is_null);
  /// Of a table in order, of whose hashes nothing is known.
  explicit Placement(RowOrder order) : order_(std::move(order)) {}
  /// As `like` has it, in any order, for other columns: for each place in the hash, the columns that hold its values.
  /// Nothing is known where a place has none.
  Placement(const Placement& like, std::vector<std::vector<int>> columns);

  bool known() const { return !columns_.empty() || order_.known(); }
  /// The same claim.
  bool operator==(const Placement& other) const = default;
  /// For each place in the hash, the columns whose values it takes; any one of a place does.
  const std::vector<std::vector<int>>& columns() const { return columns_; }

  const RowOrder& order() const { return order_; }
  /// The same of rows in any order.
  Placement InAnyOrder() const { return {*this, columns_}; }

  /// For each place in the hash, which of `keys` is a column of it: rows equal in these keys lie on one rank. Empty
  /// where that is not known.
  std::vector<int> KeyOrder(const Communicator& communicator, const std::vector<int>& keys, bool nan_is_null) const;

  /// What is known of `to`, which has rows of `from` as they were, in their order, and columns of `from` as they are:
  /// those that are the same object.
  Placement CarriedTo(const arrow::Table& from, const arrow::Table& to) const;

 private:
  int world_size_ = 0;
  Rank rank_ = 0;
  bool nan_is_null_ = false;
  std::vector<std::vector<int>> columns_;
  RowOrder order_;
};

/// Collective: of each of this rank's orders, whether all ranks have the same one and it is not empty. One allreduce.
arrow::Result<std::vector<bool>> AgreeOrders(Communicator& communicator, const std::vector<std::vector<int>>& orders);

/// Collective: whether rows equal in `keys` lie on one rank, by what `lies` (nullptr: nothing) says on each.
arrow::Result<bool> Together(Communicator& communicator, const Placement* lies, const std::vector<int>& keys,
                             bool nan_is_null);

/// keys[order[0]], keys[order[1]], ...
std::vector<int> InOrder(const std::vector<int>& keys, const std::vector<int>& order);

}  // namespace weft::distributed
