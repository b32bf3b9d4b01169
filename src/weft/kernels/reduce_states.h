// What whole columns are folded into: plain states, that add blocks of values and other states.
#pragma once

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/chunked_array.h>
#include <arrow/result.h>
#include <arrow/util/decimal.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>

#include "weft/base/context.h"
#include "weft/base/int128.h"
#include "weft/kernels/decimals.h"
#include "weft/kernels/moments.h"

namespace weft::kernels {

/// Rows, and those that are not missing.
struct CountState {
  int64_t rows = 0;
  int64_t values = 0;
  void Merge(const CountState& other) {
    rows += other.rows;
    values += other.values;
  }
};

/// Exact: 2^63 values of 64 bits fit.
struct IntegerSumState {
  using Value = int64_t;
  Int128 sum = 0;
  void Merge(const IntegerSumState& other) { sum += other.sum; }
  /// Fewer than 2^32 values: the sums of their halves fit 64 bits, and are made without carries.
  template <typename T>
  void Add(std::span<const T> values) {
    constexpr int kHalf = 32;
    uint64_t low = 0;
    T high = 0;
    for (const T value : values) {
      low += static_cast<uint32_t>(value);
      high += value >> kHalf;
    }
    sum += (static_cast<Int128>(high) << kHalf) + low;
  }
};

struct DecimalSumState {
  using Value = arrow::Decimal256;
  arrow::Decimal256 sum;
  void Merge(const DecimalSumState& other) { AddDecimal(&sum, other.sum); }
  void Add(std::span<const arrow::Decimal256> values) {
    for (const auto& value : values) AddDecimal(&sum, value);
  }
};

/// A double, and what rounding has taken from it.
struct RealSumState {
  using Value = double;
  double sum = 0;
  double lost = 0;
  double value() const { return sum + lost; }
  void Merge(const RealSumState& other) {
    AddOne(other.sum);
    lost += other.lost;
  }
  void AddOne(double value) {
    const double next = sum + value;
    // Infinities have no rest: inf - inf would make a NaN of it.
    if (std::isfinite(next)) {
      lost += std::abs(sum) >= std::abs(value) ? (sum - next) + value : (value - next) + sum;
    }
    sum = next;
  }
  void Add(std::span<const double> values) {
    constexpr size_t kLanes = 8;
    double lanes[kLanes] = {};
    size_t i = 0;
    for (; i + kLanes <= values.size(); i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += values[i + lane];
    }
    for (size_t lane = 0; i < values.size(); ++i, ++lane) lanes[lane] += values[i];
    AddOne(((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])));
  }
};

/// Sign and magnitude. A magnitude that is above 64 bits stays so, but for a zero.
struct IntegerProductState {
  using Value = int64_t;
  uint64_t magnitude = 1;
  uint8_t negative = 0;
  uint8_t too_large = 0;
  uint8_t zero = 0;
  uint8_t padding[5] = {};
  /// Nothing where it does not fit.
  std::optional<Int128> value() const {
    if (zero != 0) return Int128{0};
    if (too_large != 0) return std::nullopt;
    return negative != 0 ? -Int128{magnitude} : Int128{magnitude};
  }
  void Merge(const IntegerProductState& other) {
    Multiply(other.magnitude, other.negative, other.too_large, other.zero);
  }
  void Multiply(uint64_t by, uint8_t by_negative, uint8_t by_too_large, uint8_t by_zero) {
    negative ^= by_negative;
    zero |= by_zero;
    too_large |= by_too_large;
    if (too_large == 0 && __builtin_mul_overflow(magnitude, by, &magnitude)) too_large = 1;
  }
  void Add(std::span<const int64_t> values) {
    for (const int64_t value : values)
      AddOne(value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value), value < 0);
  }
  void Add(std::span<const uint64_t> values) {
    for (const uint64_t value : values) AddOne(value, false);
  }
  void AddOne(uint64_t value, bool is_negative) {
    // A zero is kept apart, so that the magnitude of the others stays known.
    Multiply(value == 0 ? 1 : value, is_negative ? 1 : 0, 0, value == 0 ? 1 : 0);
  }
};

struct RealProductState {
  using Value = double;
  double product = 1;
  void Merge(const RealProductState& other) { product *= other.product; }
  void Add(std::span<const double> values) {
    for (const double value : values) product *= value;
  }
};

struct MomentsState {
  using Value = double;
  Moments moments;
  void Merge(const MomentsState& other) { moments.Merge(other.moments); }
  void Add(std::span<const double> values) { moments.Merge(Moments::Of(values)); }
};

/// How many values are true: not zero, not empty.
struct TruthState {
  int64_t count = 0;
  void Merge(const TruthState& other) { count += other.count; }
};

/// Folds of a whole column, by blocks in parallel, put together in the order of the rows. For truth
/// and numbers `column` is no dictionary.
arrow::Result<CountState> FoldCount(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context);
arrow::Result<TruthState> FoldTruth(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context);
template <typename State>
arrow::Result<State> FoldNumbers(const arrow::ChunkedArray& column, const Context& context);

/// The row of the least or greatest value, the first where several are; -1 where there is none. NaN is missing.
arrow::Result<int64_t> FindExtreme(const std::shared_ptr<arrow::ChunkedArray>& column, bool greatest,
                                   const Context& context);

/// The value of one row, or null for row -1.
arrow::Result<std::shared_ptr<arrow::Array>> OneRow(const std::shared_ptr<arrow::ChunkedArray>& column, int64_t row,
                                                    const Context& context);

/// A state as the bytes of one value of a fixed-size binary column: as it goes to other ranks.
template <typename State>
arrow::Result<std::shared_ptr<arrow::Array>> SaveState(const State& state, const Context& context) {
  static_assert(std::is_trivially_copyable_v<State>);
  arrow::FixedSizeBinaryBuilder builder(arrow::fixed_size_binary(sizeof(State)), context.pool);
  ARROW_RETURN_NOT_OK(builder.Append(reinterpret_cast<const uint8_t*>(&state)));
  return builder.Finish();
}

/// The states of all rows of such a column, merged in their order. Status::Invalid where it is none.
template <typename State>
arrow::Result<State> LoadStates(const arrow::ChunkedArray& column) {
  State whole;
  for (const auto& chunk : column.chunks()) {
    if (chunk->type_id() != arrow::Type::FIXED_SIZE_BINARY || chunk->null_count() > 0 ||
        static_cast<const arrow::FixedSizeBinaryArray&>(*chunk).byte_width() != static_cast<int32_t>(sizeof(State))) {
      return arrow::Status::Invalid("reduce: a column of a partial table has type ", chunk->type()->ToString());
    }
    const auto& array = static_cast<const arrow::FixedSizeBinaryArray&>(*chunk);
    for (int64_t i = 0; i < array.length(); ++i) {
      State state;
      std::memcpy(static_cast<void*>(&state), array.GetValue(i), sizeof(State));
      whole.Merge(state);
    }
  }
  return whole;
}

}  // namespace weft::kernels
