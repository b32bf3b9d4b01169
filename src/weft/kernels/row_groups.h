// The group of each row, by row.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <span>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

struct RowGroups {
  int64_t groups = 0;
  /// By row: 0 <= group < groups.
  PoolArray<int64_t> ids;
};

/// Groups rows by `columns`: missing values (null, NaN) agree. Status::TypeError for a type that is no key.
arrow::Result<RowGroups> FindRowGroups(const arrow::Table& table, std::span<const int> columns, const Context& context);

/// By row: how many rows before it agree with it in `columns`.
arrow::Result<PoolArray<int64_t>> CountEarlierRows(const arrow::Table& table, std::span<const int> columns,
                                                   const Context& context);

}  // namespace weft::kernels
