// The group of each row, by row.
#pragma once

#include <arrow/result.h>

#include <cstdint>

#include "weft/base/context.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// For each of `rows` rows the number of its group (0 <= group < grouping.groups); -1 for a row of no group.
arrow::Result<PoolArray<int64_t>> GroupIds(const Grouping& grouping, int64_t rows, const Context& context);

}  // namespace weft::kernels
