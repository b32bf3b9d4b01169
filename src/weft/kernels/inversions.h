// Pairs of values that are the wrong way round.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// How many pairs of rows have a greater value in the earlier one, counted by merging; `sorted` are the values in
/// ascending order. The column is of doubles without nulls and NaN, of less than 2^32 rows, for the count to fit.
/// Source: Knight, "A computer method for calculating Kendall's tau with ungrouped data", JASA 1966.
struct Inversions {
  int64_t count = 0;
  PoolArray<double> sorted;
};
arrow::Result<Inversions> CountInversions(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context);

/// How many pairs have a greater value in `earlier` than in `later`; both ascending.
int64_t CountGreater(std::span<const double> earlier, std::span<const double> later);

}  // namespace weft::kernels
