// Distinct rows, on one rank.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

struct UniqueOptions {
  /// Rows that agree in these columns are duplicates; empty means all columns.
  std::vector<int> columns;
  /// NaN is null. Nulls are equal to each other.
  bool nan_is_null = false;
};

/// The first row of each set of duplicates, in row order.
arrow::Result<std::shared_ptr<arrow::Table>> Unique(const std::shared_ptr<arrow::Table>& table,
                                                    const UniqueOptions& options, const Context& context);

/// How many different values a column has. Missing values (null, NaN) are one value, or with `drop_missing` none.
arrow::Result<int64_t> CountDistinct(const arrow::Table& table, int column, bool drop_missing, const Context& context);

}  // namespace weft::kernels
