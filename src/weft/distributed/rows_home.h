// Rows that go elsewhere to be worked on and come back to their rank and place.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Where the rows of a table lie: row numbers over all ranks, rank order being row order.
class RowsHome {
 public:
  /// Collective: ranks tell how many rows they have.
  static arrow::Result<RowsHome> Make(Communicator& communicator, int64_t rows);

  /// The number of this rank's first row.
  int64_t first() const { return first_; }

  /// Local. The table with a last column of its rows' numbers, int64.
  arrow::Result<std::shared_ptr<arrow::Table>> AppendNumbers(const std::shared_ptr<arrow::Table>& table,
                                                             const Context& context) const;

  /// Collective. Rows to the rank that had the number in their column `numbers`, ordered by it, without that column.
  /// Numbers may be missing, or be there several times.
  arrow::Result<std::shared_ptr<arrow::Table>> BringBack(Communicator& communicator,
                                                         std::shared_ptr<arrow::Table> table, int numbers,
                                                         const Context& context) const;

 private:
  int64_t first_ = 0;
  /// By rank: one more than its last row's number.
  std::vector<int64_t> ends_;
};

}  // namespace weft::distributed
