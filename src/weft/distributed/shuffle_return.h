// Rows to the rank that owns their key, and an answer a row back to where it came from: the pattern of what needs all
// rows of a key together and gives something to every row (ranks and running sums within groups, duplicated, ...).
//
//     ShuffleReturn trip(communicator, options);
//     ARROW_ASSIGN_OR_RAISE(auto rows, trip.Out(table, context));   // all rows of this rank's keys, by (rank, row)
//     auto answers = Kernel(rows);                                  // one row a row of `rows`, in their order
//     ARROW_ASSIGN_OR_RAISE(auto mine, trip.Back(answers, context)); // one row a row of `table`, in its order
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/pool_array.h"

namespace weft::distributed {

/// One trip out and back. Both ways are collective. No row numbers travel: rows keep their order by source, so an
/// answer finds its row by the rank it came from. Keeps 4 bytes a row between the two (nothing in a world of one).
class ShuffleReturn {
 public:
  /// `keys`: columns of the table that goes out. `operation` names what is done in errors.
  ShuffleReturn(Communicator& communicator, std::vector<int> keys, bool nan_is_null, std::string operation)
      : ShuffleReturn(communicator, exchange::ByHash(std::move(keys), nan_is_null, communicator.world_size()),
                      std::move(operation)) {}
  /// The same where `owner` names the rank that each row goes to.
  ShuffleReturn(Communicator& communicator, exchange::Partitioner owner, std::string operation)
      : communicator_(communicator), owner_(std::move(owner)), operation_(std::move(operation)) {}

  /// The rows whose keys are this rank's, ordered by (source rank, row). Schemas must have been agreed.
  arrow::Result<std::shared_ptr<arrow::Table>> Out(std::shared_ptr<arrow::Table> table, const Context& context);

  /// `answers` has one row a row that Out gave, in that order, and the same columns on all ranks; gives one row a row
  /// of the table that went out, in its order. An error here is every rank's error. Called once, after Out.
  arrow::Result<std::shared_ptr<arrow::Table>> Back(arrow::Result<std::shared_ptr<arrow::Table>> answers,
                                                    const Context& context);

 private:
  Communicator& communicator_;
  const exchange::Partitioner owner_;
  const std::string operation_;
  /// The rank that each row went to, and how many came from each rank.
  kernels::PoolArray<uint32_t> targets_;
  std::vector<int64_t> rows_from_;
};

/// The columns of a table that are needed elsewhere, each once, in the order in which they were taken.
class ColumnPlaces {
 public:
  /// Where the column is among those that travel.
  int Take(int column);
  std::vector<int> Take(const std::vector<int>& columns);
  const std::vector<int>& columns() const { return columns_; }

 private:
  std::vector<int> columns_;
};

/// What is computed of rows that lie together by key: a table with one row a row of its argument, in that order.
using RowKernel = std::function<arrow::Result<std::shared_ptr<arrow::Table>>(const std::shared_ptr<arrow::Table>&)>;

/// Collective: Out, `kernel`, Back.
arrow::Result<std::shared_ptr<arrow::Table>> ComputeByKey(Communicator& communicator,
                                                          std::shared_ptr<arrow::Table> table, std::vector<int> keys,
                                                          bool nan_is_null, const RowKernel& kernel,
                                                          const std::string& operation, const Context& context);

}  // namespace weft::distributed
