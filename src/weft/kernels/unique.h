// Distinct rows, on one rank.
#pragma once

#include <arrow/array/array_base.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// Which row of a set of duplicates stays.
enum class Keep : uint8_t {
  kFirst,
  kLast,
  /// No row that has a duplicate.
  kNone,
};

struct UniqueOptions {
  /// Rows that agree in these columns are duplicates; empty means all columns.
  std::vector<int> columns;
  /// NaN is null. Nulls are equal to each other.
  bool nan_is_null = false;
  Keep keep = Keep::kFirst;
  /// Over ranks: rows stay where they are, in their order. On one rank they always do.
  bool maintain_order = false;
};

/// The numbers of the rows that stay, ascending. Status::TypeError for a column that cannot be a key.
arrow::Result<PoolArray<int64_t>> KeptRows(const arrow::Table& table, const UniqueOptions& options,
                                           const Context& context);

/// The rows that stay, in row order.
arrow::Result<std::shared_ptr<arrow::Table>> Unique(const std::shared_ptr<arrow::Table>& table,
                                                    const UniqueOptions& options, const Context& context);

/// A bool array of `length` without nulls: `value` at `rows`, elsewhere its opposite.
arrow::Result<std::shared_ptr<arrow::Array>> MarkRows(std::span<const int64_t> rows, bool value, int64_t length,
                                                      const Context& context);

/// How many different values a column has. Missing values (null, NaN) are one value, or with `drop_missing` none.
arrow::Result<int64_t> CountDistinct(const arrow::Table& table, int column, bool drop_missing, const Context& context);

}  // namespace weft::kernels
