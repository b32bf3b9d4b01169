// Row numbers in the order of normalised keys: a stable, parallel radix sort from the most significant bits down, or a
// merge where the rows are a few ascending runs.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <span>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// More ascending runs than these are sorted as if there were none: merging goes over all rows once for each time that
/// their number is halved.
constexpr int64_t kMostMergedRuns = 16;

/// The numbers 0 ... rows - 1 ordered by their levels in `layout`; equal rows keep their order. The same for any number
/// of threads. Needs 32 bytes a row (8 where key and row number fit one word together) besides the result, and 8
/// for each further level. Nothing besides the result where the rows are in order.
arrow::Result<PoolArray<int64_t>> OrderRows(const KeyLayout& layout, int64_t rows, const Context& context);
/// The same where `runs` is what FindRuns says of kMostMergedRuns.
arrow::Result<PoolArray<int64_t>> OrderRows(const KeyLayout& layout, int64_t rows, const std::vector<int64_t>& runs,
                                            const Context& context);

/// The same for keys that are numbers below 2^bits.
arrow::Result<PoolArray<int64_t>> OrderNumbers(std::span<const int64_t> numbers, int bits, const Context& context);

}  // namespace weft::kernels
