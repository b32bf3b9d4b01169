// Missing values filled in with the value before or after.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

struct FillOptions {
  /// Positions; other columns stay.
  std::vector<int> columns;
  /// With the value before (pandas' ffill), else after (bfill).
  bool forward = true;
  /// At most so many missing ones in a row are filled; -1: all.
  int64_t limit = -1;
};

/// What lies beyond the table's border in the direction from which values come, of one column.
struct Border {
  /// The nearest value that is not missing, one row; nullptr for none.
  std::shared_ptr<arrow::ChunkedArray> value;
  /// How many missing values lie between it and the table.
  int64_t gap = 0;
};

/// Of each of the columns, what a table on the far side sees of this one: its last value that is not missing (its first
/// one where values go backward), and the missing ones beyond it, all rows where there is none.
arrow::Result<std::vector<Border>> FillBorders(const arrow::Table& table, const FillOptions& options,
                                               const Context& context);

/// The table with missing values (null and NaN) filled in; what has no value before (after) it stays as it is.
/// `borders` has one entry a column of the options, or is empty where the table stands alone.
arrow::Result<std::shared_ptr<arrow::Table>> Fill(const std::shared_ptr<arrow::Table>& table,
                                                  const FillOptions& options, const std::vector<Border>& borders,
                                                  const Context& context);

}  // namespace weft::kernels
