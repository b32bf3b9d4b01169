#include "weft/io/cells.h"

#include <arrow/type_traits.h>
#include <arrow/util/float16.h>
#include <arrow/util/formatting.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <type_traits>

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using arrow::Type;

/// Python's layout of the digits: exponents from 1e16 on and below 1e-4.
template <typename T>
void AppendShortest(T value, std::string* out) {
  if (std::isnan(value)) {
    *out += "nan";
    return;
  }
  if (std::isinf(value)) {
    *out += value < 0 ? "-inf" : "inf";
    return;
  }
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific).ptr;
  const std::string_view all(text, static_cast<size_t>(end - text));
  const size_t e = all.find('e');
  int exponent = 0;
  // from_chars takes no plus.
  const size_t digits_from = all[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(all.data() + digits_from, end, exponent);
  std::string digits;
  for (const char c : all.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  if (all.front() == '-') *out += '-';
  const auto count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    *out += digits[0];
    if (count > 1) {
      *out += '.';
      out->append(digits, 1);
    }
    char tail[16];
    std::snprintf(tail, sizeof(tail), "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
    *out += tail;
  } else if (exponent < 0) {
    *out += "0.";
    out->append(static_cast<size_t>(-exponent - 1), '0');
    *out += digits;
  } else if (count <= exponent + 1) {
    *out += digits;
    out->append(static_cast<size_t>(exponent + 1 - count), '0');
    *out += ".0";
  } else {
    out->append(digits, 0, static_cast<size_t>(exponent + 1));
    *out += '.';
    out->append(digits, static_cast<size_t>(exponent + 1));
  }
}

class BoolText : public CellText {
 public:
  BoolText(const arrow::Array& array, const CellStyle& style)
      : array_(static_cast<const arrow::BooleanArray&>(array)), style_(style) {}
  void Append(int64_t row, std::string* out) const override {
    *out += array_.Value(row) ? style_.true_text : style_.false_text;
  }

 private:
  const arrow::BooleanArray& array_;
  const CellStyle style_;
};

template <typename ArrowType>
class NumberText : public CellText {
 public:
  NumberText(const arrow::Array& array, const CellStyle& style)
      : array_(static_cast<const typename arrow::TypeTraits<ArrowType>::ArrayType&>(array)),
        format_(style.float_format) {}
  void Append(int64_t row, std::string* out) const override {
    const auto value = array_.Value(row);
    if constexpr (std::is_same_v<ArrowType, arrow::HalfFloatType>) {
      AppendReal(arrow::util::Float16::FromBits(value).ToFloat(), out);
    } else if constexpr (std::is_floating_point_v<typename ArrowType::c_type>) {
      AppendReal(value, out);
    } else {
      char text[24];
      out->append(text, std::to_chars(text, text + sizeof(text), value).ptr);
    }
  }

 private:
  template <typename T>
  void AppendReal(T value, std::string* out) const {
    if (format_.empty() || !std::isfinite(value)) {
      AppendShortest(value, out);
      return;
    }
    char text[512];
    const int length = std::snprintf(text, sizeof(text), format_.c_str(), static_cast<double>(value));
    if (length > 0) out->append(text, std::min(static_cast<size_t>(length), sizeof(text) - 1));
  }

  const typename arrow::TypeTraits<ArrowType>::ArrayType& array_;
  const std::string format_;
};

template <typename ArrowType>
class FormattedText : public CellText {
 public:
  FormattedText(const arrow::Array& array, const CellStyle& style)
      : array_(static_cast<const typename arrow::TypeTraits<ArrowType>::ArrayType&>(array)),
        format_(array.type().get()),
        separator_(style.separator) {
    if constexpr (std::is_same_v<ArrowType, arrow::TimestampType>) {
      zone_ = !static_cast<const arrow::TimestampType&>(*array.type()).timezone().empty();
    }
  }
  void Append(int64_t row, std::string* out) const override {
    const size_t begin = out->size();
    format_(array_.Value(row), [&](std::string_view text) { *out += text; });
    if constexpr (std::is_same_v<ArrowType, arrow::TimestampType>) {
      const size_t space = out->find(' ', begin);
      if (space != std::string::npos) (*out)[space] = separator_;
    }
    if (zone_ && out->back() == 'Z') out->pop_back();
    // No fraction of zeros.
    const size_t point = out->find('.', begin);
    if (point != std::string::npos && out->find_first_not_of('0', point + 1) == std::string::npos) out->resize(point);
    if (zone_) *out += "+00:00";
  }

 private:
  const typename arrow::TypeTraits<ArrowType>::ArrayType& array_;
  mutable arrow::internal::StringFormatter<ArrowType> format_;
  const char separator_;
  bool zone_ = false;
};

template <typename ArrayType>
class DecimalText : public CellText {
 public:
  explicit DecimalText(const arrow::Array& array) : array_(static_cast<const ArrayType&>(array)) {}
  void Append(int64_t row, std::string* out) const override { *out += array_.FormatValue(row); }

 private:
  const ArrayType& array_;
};

}  // namespace

Result<std::unique_ptr<CellText>> CellText::Make(const arrow::Array& array, const CellStyle& style) {
  switch (array.type_id()) {
    case Type::BOOL:
      return std::make_unique<BoolText>(array, style);
#define WEFT_CELL(id, text, name) \
  case Type::id:                  \
    return std::make_unique<text<arrow::name>>(array, style)
      WEFT_CELL(INT8, NumberText, Int8Type);
      WEFT_CELL(INT16, NumberText, Int16Type);
      WEFT_CELL(INT32, NumberText, Int32Type);
      WEFT_CELL(INT64, NumberText, Int64Type);
      WEFT_CELL(UINT8, NumberText, UInt8Type);
      WEFT_CELL(UINT16, NumberText, UInt16Type);
      WEFT_CELL(UINT32, NumberText, UInt32Type);
      WEFT_CELL(UINT64, NumberText, UInt64Type);
      WEFT_CELL(HALF_FLOAT, NumberText, HalfFloatType);
      WEFT_CELL(FLOAT, NumberText, FloatType);
      WEFT_CELL(DOUBLE, NumberText, DoubleType);
      WEFT_CELL(DATE32, FormattedText, Date32Type);
      WEFT_CELL(DATE64, FormattedText, Date64Type);
      WEFT_CELL(TIME32, FormattedText, Time32Type);
      WEFT_CELL(TIME64, FormattedText, Time64Type);
      WEFT_CELL(TIMESTAMP, FormattedText, TimestampType);
#undef WEFT_CELL
    case Type::DECIMAL128:
      return std::make_unique<DecimalText<arrow::Decimal128Array>>(array);
    case Type::DECIMAL256:
      return std::make_unique<DecimalText<arrow::Decimal256Array>>(array);
    default:
      return Status::TypeError("no text for ", array.type()->ToString());
  }
}

bool HasCellText(const arrow::DataType& type) {
  const auto id = type.id();
  return id == Type::BOOL || arrow::is_numeric(id) || id == Type::HALF_FLOAT || id == Type::DECIMAL128 ||
         id == Type::DECIMAL256 || arrow::is_date(id) || arrow::is_time(id) || id == Type::TIMESTAMP;
}

bool IsMissing(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return true;
  switch (array.type_id()) {
    case Type::HALF_FLOAT:
      return arrow::util::Float16::FromBits(static_cast<const arrow::HalfFloatArray&>(array).Value(row)).is_nan();
    case Type::FLOAT:
      return std::isnan(static_cast<const arrow::FloatArray&>(array).Value(row));
    case Type::DOUBLE:
      return std::isnan(static_cast<const arrow::DoubleArray&>(array).Value(row));
    default:
      return false;
  }
}

void AppendDouble(double value, std::string* out) { AppendShortest(value, out); }
void AppendFloat(float value, std::string* out) { AppendShortest(value, out); }

}  // namespace weft::io
