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

namespace weft::distributed {

/// That each row of this rank's part of a table lies on the rank of its key: table::RankOfHash of table::HashRows over
/// some columns is this rank. A claim about this rank's rows alone, so any choice of them keeps it, on every
/// communicator in which this rank has the same number in a world of the same size. The default claims nothing.
class Placement {
 public:
  Placement() = default;
  /// Of a table whose rows were sent by exchange::ByHash(keys, nan_is_null, ...).
  Placement(const Communicator& communicator, const std::vector<int>& keys, bool nan_is_null);
  /// As `like` has it, for other columns: for each place in the hash, the columns that hold its values. Nothing is
  /// known where a place has none.
  Placement(const Placement& like, std::vector<std::vector<int>> columns);

  bool known() const { return !columns_.empty(); }
  /// The same claim.
  bool operator==(const Placement& other) const = default;
  /// For each place in the hash, the columns whose values it takes; any one of a place does.
  const std::vector<std::vector<int>>& columns() const { return columns_; }

  /// For each place in the hash, which of `keys` is a column of it: rows equal in these keys lie on one rank. Empty
  /// where that is not known.
  std::vector<int> KeyOrder(const Communicator& communicator, const std::vector<int>& keys, bool nan_is_null) const;

  /// What is known of `to`, which has rows of `from` as they were, in some order, and columns of `from` as they are:
  /// those that are the same object.
  Placement CarriedTo(const arrow::Table& from, const arrow::Table& to) const;

 private:
  int world_size_ = 0;
  Rank rank_ = 0;
  bool nan_is_null_ = false;
  std::vector<std::vector<int>> columns_;
};

/// Collective: of each of this rank's orders, whether all ranks have the same one and it is not empty. One allreduce.
arrow::Result<std::vector<bool>> AgreeOrders(Communicator& communicator, const std::vector<std::vector<int>>& orders);

/// Collective: whether rows equal in `keys` lie on one rank, by what `lies` (nullptr: nothing) says on each.
arrow::Result<bool> Together(Communicator& communicator, const Placement* lies, const std::vector<int>& keys,
                             bool nan_is_null);

/// keys[order[0]], keys[order[1]], ...
std::vector<int> InOrder(const std::vector<int>& keys, const std::vector<int>& order);

}  // namespace weft::distributed
