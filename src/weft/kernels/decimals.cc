#include "weft/kernels/decimals.h"

#include <limits>

namespace weft::kernels {
namespace {

using Words = arrow::Decimal256::WordArray;

/// -(2^255 - 1) and 2^255 - 1 (not -2^255, whose magnitude has no sign).
arrow::Decimal256 Farthest(bool negative) {
  constexpr uint64_t kOnes = std::numeric_limits<uint64_t>::max();
  arrow::Decimal256 value(Words{kOnes, kOnes, kOnes, kOnes >> 1});
  if (negative) value.Negate();
  return value;
}

bool IsFarthest(const arrow::Decimal256& value) {
  // Few numbers have these uppermost bits.
  const uint64_t top = value.little_endian_array()[3];
  if (top != std::numeric_limits<uint64_t>::max() >> 1 && top != uint64_t{1} << 63) return false;
  return value == Farthest(value.IsNegative());
}

}  // namespace

void AddDecimal(arrow::Decimal256* sum, const arrow::Decimal256& value) {
  if (IsFarthest(*sum)) return;
  if (IsFarthest(value)) {
    *sum = value;
    return;
  }
  const bool negative = sum->IsNegative();
  const bool may_pass = negative == value.IsNegative();
  *sum += value;
  if (may_pass && sum->IsNegative() != negative) *sum = Farthest(negative);
}

arrow::Result<arrow::Decimal256> DecimalMean(const arrow::Decimal256& sum, int64_t count) {
  if (IsFarthest(sum)) return sum;
  const arrow::Decimal256 divisor(count);
  ARROW_ASSIGN_OR_RAISE(const auto parts, sum.Divide(divisor));
  const arrow::Decimal256 rest(arrow::Decimal256::Abs(parts.second));
  if (rest + rest < divisor) return parts.first;
  return parts.first + arrow::Decimal256(sum.IsNegative() ? -1 : 1);
}

}  // namespace weft::kernels
