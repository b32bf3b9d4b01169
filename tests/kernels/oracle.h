// Values as plain C++ ones, so that tests can compare, order and add them by the simplest means.
#pragma once

#include <arrow/api.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace weft::test {

/// One value of any key type.
struct Cell {
  enum Kind { kValue, kNan, kNull } kind = kNull;
  arrow::Decimal256 number;
  double real = 0;
  std::string bytes;

  bool is_null() const { return kind == kNull; }
  /// In the order of values, NaN above all, null above NaN.
  friend int Compare(const Cell& a, const Cell& b) {
    if (a.kind != b.kind) return a.kind < b.kind ? -1 : 1;
    if (a.kind != kValue) return 0;
    if (a.number != b.number) return a.number < b.number ? -1 : 1;
    if (a.real != b.real) return a.real < b.real ? -1 : 1;
    const int order = a.bytes.compare(b.bytes);
    return order < 0 ? -1 : (order > 0 ? 1 : 0);
  }
  friend bool operator<(const Cell& a, const Cell& b) { return Compare(a, b) < 0; }
  friend bool operator==(const Cell& a, const Cell& b) { return Compare(a, b) == 0; }
};

inline Cell RealCell(double value, bool nan_is_null) {
  Cell cell;
  cell.kind = std::isnan(value) ? (nan_is_null ? Cell::kNull : Cell::kNan) : Cell::kValue;
  if (cell.kind == Cell::kValue) cell.real = value;
  return cell;
}

inline Cell CellOf(const arrow::Array& array, int64_t i, bool nan_is_null = false) {
  using arrow::Type;
  Cell cell;
  if (array.IsNull(i)) return cell;
  cell.kind = Cell::kValue;
  const arrow::ArrayData& data = *array.data();
  switch (array.type_id()) {
    case Type::BOOL:
      cell.number = arrow::Decimal256(static_cast<const arrow::BooleanArray&>(array).Value(i) ? 1 : 0);
      return cell;
    case Type::INT8:
      cell.number = arrow::Decimal256(int64_t{data.GetValues<int8_t>(1)[i]});
      return cell;
    case Type::UINT8:
      cell.number = arrow::Decimal256(int64_t{data.GetValues<uint8_t>(1)[i]});
      return cell;
    case Type::INT16:
      cell.number = arrow::Decimal256(int64_t{data.GetValues<int16_t>(1)[i]});
      return cell;
    case Type::UINT16:
      cell.number = arrow::Decimal256(int64_t{data.GetValues<uint16_t>(1)[i]});
      return cell;
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32:
    case Type::DECIMAL32:
      cell.number = arrow::Decimal256(int64_t{data.GetValues<int32_t>(1)[i]});
      return cell;
    case Type::UINT32:
      cell.number = arrow::Decimal256(int64_t{data.GetValues<uint32_t>(1)[i]});
      return cell;
    case Type::UINT64:
      cell.number = arrow::Decimal256(arrow::Decimal128(0, data.GetValues<uint64_t>(1)[i]));
      return cell;
    case Type::HALF_FLOAT:
      return RealCell(arrow::util::Float16::FromBits(data.GetValues<uint16_t>(1)[i]).ToDouble(), nan_is_null);
    case Type::FLOAT:
      return RealCell(data.GetValues<float>(1)[i], nan_is_null);
    case Type::DOUBLE:
      return RealCell(data.GetValues<double>(1)[i], nan_is_null);
    case Type::DECIMAL128:
      cell.number = arrow::Decimal256(arrow::Decimal128(static_cast<const arrow::Decimal128Array&>(array).GetValue(i)));
      return cell;
    case Type::DECIMAL256:
      cell.number = arrow::Decimal256(static_cast<const arrow::Decimal256Array&>(array).GetValue(i));
      return cell;
    case Type::STRING:
    case Type::BINARY:
      cell.bytes = static_cast<const arrow::BinaryArray&>(array).GetString(i);
      return cell;
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      cell.bytes = static_cast<const arrow::LargeBinaryArray&>(array).GetString(i);
      return cell;
    case Type::FIXED_SIZE_BINARY:
      cell.bytes = static_cast<const arrow::FixedSizeBinaryArray&>(array).GetString(i);
      return cell;
    case Type::DICTIONARY: {
      const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
      return CellOf(*encoded.dictionary(), encoded.GetValueIndex(i), nan_is_null);
    }
    default:
      cell.number = arrow::Decimal256(data.GetValues<int64_t>(1)[i]);
      return cell;
  }
}

inline std::vector<Cell> CellsOf(const arrow::ChunkedArray& column, bool nan_is_null = false) {
  std::vector<Cell> cells;
  for (const auto& chunk : column.chunks()) {
    for (int64_t i = 0; i < chunk->length(); ++i) cells.push_back(CellOf(*chunk, i, nan_is_null));
  }
  return cells;
}

/// The order that SortKey and SortOptions ask for.
inline int CompareSorted(const Cell& a, const Cell& b, bool ascending, bool nulls_first) {
  if (a.is_null() != b.is_null()) return a.is_null() == nulls_first ? -1 : 1;
  const int order = Compare(a, b);
  return ascending ? order : -order;
}

}  // namespace weft::test
