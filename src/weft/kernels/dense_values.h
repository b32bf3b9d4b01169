// The values of a column that are not missing, densely, a block at a time: what folds over whole columns read.
#pragma once

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/result.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

/// Rows read at once.
constexpr int64_t kDenseRows = 1024;

/// A dictionary column as its values; others (and nullptr) as they are.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> DecodeDictionary(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                                     const Context& context);

/// The types that DenseValues reads as double: bool, integers, floats, decimals, null, durations and points in time.
bool IsNumberLike(const arrow::DataType& type);

/// Reads one array as numbers of type T: double for every type of IsNumberLike, int64_t and uint64_t for bool, integers
/// and what is kept as integers, Decimal256 for decimals. Null and NaN are left out.
template <typename T>
class DenseValues {
 public:
  explicit DenseValues(const arrow::Array& array)
      : data_(*array.data()), validity_(array.null_count() > 0 ? array.null_bitmap_data() : nullptr) {}

  /// The values of rows [begin, begin + length), length at most kDenseRows. They lie in the array itself or in
  /// `scratch`, which has kDenseRows places.
  std::span<const T> Read(int64_t begin, int64_t length, T* scratch) const {
    using arrow::Type;
    if (data_.type->id() == Type::NA || length == 0) return {};
    const T* values = Load(begin, length, scratch);
    int64_t count = length;
    if (validity_ != nullptr) {
      count = 0;
      for (int64_t i = 0; i < length; ++i) {
        scratch[count] = values[i];
        count += arrow::bit_util::GetBit(validity_, data_.offset + begin + i) ? 1 : 0;
      }
      values = scratch;
    }
    if constexpr (std::is_same_v<T, double>) {
      if (arrow::is_floating(data_.type->id())) {
        int missing = 0;
        for (int64_t i = 0; i < count; ++i) missing |= values[i] != values[i] ? 1 : 0;
        if (missing != 0) {
          int64_t kept = 0;
          for (int64_t i = 0; i < count; ++i) {
            const double value = values[i];
            scratch[kept] = value;
            kept += value == value ? 1 : 0;
          }
          return {scratch, static_cast<size_t>(kept)};
        }
      }
    }
    return {values, static_cast<size_t>(count)};
  }

  /// The values of all rows, each at its place, those of missing rows undefined; and a flag a row, 1 where it is
  /// missing.
  const T* ReadAll(int64_t begin, int64_t length, T* scratch, uint8_t* missing) const {
    if (data_.type->id() == arrow::Type::NA) {
      std::fill(missing, missing + length, uint8_t{1});
      return scratch;
    }
    const T* values = Load(begin, length, scratch);
    std::fill(missing, missing + length, uint8_t{0});
    if (validity_ != nullptr) {
      for (int64_t i = 0; i < length; ++i) {
        missing[i] = arrow::bit_util::GetBit(validity_, data_.offset + begin + i) ? 0 : 1;
      }
    }
    if constexpr (std::is_same_v<T, double>) {
      for (int64_t i = 0; i < length; ++i) missing[i] |= values[i] != values[i] ? 1 : 0;
    }
    return values;
  }

 private:
  template <typename Stored>
  const T* Convert(int64_t begin, int64_t length, T* scratch) const {
    const Stored* values = data_.GetValues<Stored>(1) + begin;
    if constexpr (std::is_same_v<Stored, T>) {
      return values;
    } else {
      for (int64_t i = 0; i < length; ++i) scratch[i] = static_cast<T>(values[i]);
      return scratch;
    }
  }

  template <typename Value>
  const T* Each(int64_t length, T* scratch, const Value& value) const {
    for (int64_t i = 0; i < length; ++i) scratch[i] = value(i);
    return scratch;
  }

  /// All values, those under nulls too.
  const T* Load(int64_t begin, int64_t length, T* scratch) const {
    using arrow::Type;
    if constexpr (std::is_same_v<T, arrow::Decimal256>) {
      return LoadDecimals(begin, length, scratch);
    } else {
      switch (data_.type->id()) {
        case Type::BOOL:
          return Each(length, scratch, [&](int64_t i) {
            return static_cast<T>(arrow::bit_util::GetBit(data_.buffers[1]->data(), data_.offset + begin + i) ? 1 : 0);
          });
        case Type::INT8:
          return Convert<int8_t>(begin, length, scratch);
        case Type::UINT8:
          return Convert<uint8_t>(begin, length, scratch);
        case Type::INT16:
          return Convert<int16_t>(begin, length, scratch);
        case Type::UINT16:
          return Convert<uint16_t>(begin, length, scratch);
        case Type::INT32:
        case Type::DATE32:
        case Type::TIME32:
          return Convert<int32_t>(begin, length, scratch);
        case Type::UINT32:
          return Convert<uint32_t>(begin, length, scratch);
        case Type::UINT64:
          return Convert<uint64_t>(begin, length, scratch);
        default:
          break;
      }
      if constexpr (std::is_same_v<T, double>) {
        switch (data_.type->id()) {
          case Type::HALF_FLOAT: {
            const auto* values = data_.GetValues<uint16_t>(1) + begin;
            return Each(length, scratch,
                        [&](int64_t i) { return arrow::util::Float16::FromBits(values[i]).ToDouble(); });
          }
          case Type::FLOAT:
            return Convert<float>(begin, length, scratch);
          case Type::DOUBLE:
            return Convert<double>(begin, length, scratch);
          case Type::DECIMAL32:
          case Type::DECIMAL64:
          case Type::DECIMAL128:
          case Type::DECIMAL256:
            return LoadScaled(begin, length, scratch);
          default:
            break;
        }
      }
      return Convert<int64_t>(begin, length, scratch);
    }
  }

  arrow::Decimal256 Decimal(int64_t row) const {
    switch (data_.type->id()) {
      case arrow::Type::DECIMAL32:
        return arrow::Decimal256(int64_t{data_.GetValues<int32_t>(1)[row]});
      case arrow::Type::DECIMAL64:
        return arrow::Decimal256(data_.GetValues<int64_t>(1)[row]);
      case arrow::Type::DECIMAL128:
        return arrow::Decimal256(arrow::Decimal128(data_.buffers[1]->data() + (data_.offset + row) * 16));
      default:
        return arrow::Decimal256(data_.buffers[1]->data() + (data_.offset + row) * 32);
    }
  }

  const T* LoadDecimals(int64_t begin, int64_t length, T* scratch) const {
    return Each(length, scratch, [&](int64_t i) { return Decimal(begin + i); });
  }

  const T* LoadScaled(int64_t begin, int64_t length, T* scratch) const {
    const int32_t scale = static_cast<const arrow::DecimalType&>(*data_.type).scale();
    return Each(length, scratch, [&](int64_t i) { return Decimal(begin + i).ToDouble(scale); });
  }

  const arrow::ArrayData& data_;
  const uint8_t* validity_;
};

/// A piece of a column that one task reads.
struct ColumnPiece {
  const arrow::Array* array;
  /// Rows of the array, and the column's row that `begin` is.
  int64_t begin;
  int64_t end;
  int64_t first_row;
};

/// A column cut into pieces that depend on nothing but its chunks.
std::vector<ColumnPiece> CutColumn(const arrow::ChunkedArray& column);

/// Calls visit(span of values) for the blocks of a piece, in order.
template <typename T, typename Visit>
void VisitDense(const ColumnPiece& piece, Visit&& visit) {
  const DenseValues<T> reader(*piece.array);
  T scratch[kDenseRows];
  for (int64_t begin = piece.begin; begin < piece.end; begin += kDenseRows) {
    visit(reader.Read(begin, std::min(kDenseRows, piece.end - begin), scratch));
  }
}

}  // namespace weft::kernels
