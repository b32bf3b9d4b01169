// Sums and means of decimals.
#pragma once

#include <arrow/result.h>
#include <arrow/util/decimal.h>

#include <cstdint>

namespace weft::kernels {

/// Adds to a sum. One that passes 256 bits becomes the number that is farthest from zero, and stays it: no precision
/// holds that, so the end of the sum, which looks whether it fits its type, finds it.
void AddDecimal(arrow::Decimal256* sum, const arrow::Decimal256& value);

/// Half away from zero, as Arrow's own mean of decimals has it; of a sum that passed 256 bits that same sum. `count` is
/// not 0.
arrow::Result<arrow::Decimal256> DecimalMean(const arrow::Decimal256& sum, int64_t count);

}  // namespace weft::kernels
