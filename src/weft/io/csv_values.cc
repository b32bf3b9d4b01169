#include "weft/io/csv_values.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/util/utf8.h>
#include <arrow/util/value_parsing.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <type_traits>

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool EqualNoCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != lower[i]) return false;
  }
  return true;
}

bool ParseTime(std::string_view text, arrow::TimeUnit::type unit, int64_t* value, bool* zone) {
  text = Trim(text);
  return arrow::internal::ParseTimestampISO8601(text.data(), text.size(), unit, value, zone);
}

CsvKinds TimeKind(std::string_view text) {
  int64_t value = 0;
  bool zone = false;
  CsvKinds kind = 0;
  if (ParseTime(text, arrow::TimeUnit::MICRO, &value, &zone)) {
    kind = kCsvTime;
  } else if (ParseTime(text, arrow::TimeUnit::NANO, &value, &zone)) {
    kind = kCsvNanos;
  } else {
    return kCsvText;
  }
  return kind | (zone ? kCsvTimeInZone : kCsvTimeNoZone);
}

/// Whether a text is digits with a point among, before or behind them, and an exponent or none: a double, whatever its
/// value.
bool IsFraction(std::string_view text) {
  const auto skip_digits = [&] {
    size_t count = 0;
    while (count < text.size() && IsDigit(text[count])) ++count;
    text.remove_prefix(count);
    return count;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  size_t digits = skip_digits();
  if (!text.starts_with('.')) return false;
  text.remove_prefix(1);
  digits += skip_digits();
  if (digits == 0) return false;
  if (text.empty()) return true;
  if (text.front() != 'e' && text.front() != 'E') return false;
  text.remove_prefix(1);
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return skip_digits() > 0 && text.empty();
}

/// The value of a decimal number without leading plus, or the kind text.
bool ParseDouble(std::string_view text, double* value) {
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  if (digits.empty()) return false;
  if (!IsDigit(digits.front()) && digits.front() != '.') {
    if (!EqualNoCase(digits, "inf") && !EqualNoCase(digits, "infinity")) return false;
  }
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (parsed.ptr != text.data() + text.size()) return false;
  if (parsed.ec == std::errc()) return true;
  if (parsed.ec != std::errc::result_out_of_range) return false;
  // Infinity or zero: strtod knows which.
  *value = std::strtod(std::string(text).c_str(), nullptr);
  return true;
}

}  // namespace

CsvReader::CsvReader(const CsvOptions& csv)
    : decimal_(csv.decimal), thousands_(csv.thousands), true_(csv.true_values), false_(csv.false_values) {}

CsvReader::Number CsvReader::ParseDigits(std::string_view text) const {
  const bool negative = text.front() == '-';
  std::string_view digits = text;
  if (negative || text.front() == '+') digits.remove_prefix(1);
  Number number;
  bool whole = !digits.empty();
  bool huge = false;
  for (const char c : digits) {
    if (!IsDigit(c)) {
      whole = false;
      break;
    }
    const auto digit = static_cast<uint64_t>(c - '0');
    constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
    if (number.magnitude > kMost / 10 || (number.magnitude == kMost / 10 && digit > kMost % 10)) huge = true;
    number.magnitude = number.magnitude * 10 + digit;
  }
  constexpr uint64_t kSign = uint64_t{1} << 63;
  if (whole) {
    if (!huge && number.magnitude < kSign) {
      number.kind = negative && number.magnitude > 0 ? kCsvNegative : kCsvInteger;
      number.value = static_cast<double>(number.magnitude) * (negative ? -1 : 1);
      return number;
    }
    if (!huge && negative && number.magnitude == kSign) {
      number.kind = kCsvNegative;
      number.value = -0x1p63;
      return number;
    }
    number.kind = huge || negative ? kCsvHuge : kCsvUnsigned;
  } else {
    number.kind = kCsvDouble;
  }
  if (!ParseDouble(negative ? text : digits, &number.value)) number.kind = kCsvText;
  return number;
}

CsvReader::Number CsvReader::ParseNumber(std::string_view text) const {
  text = Trim(text);
  if (text.empty()) return {};
  if (thousands_ == '\0' && decimal_ == '.') return ParseDigits(text);
  std::string plain;
  for (const char c : text) {
    if (c == thousands_ && thousands_ != '\0') {
      // It stands between digits.
      if (plain.empty() || !IsDigit(plain.back())) return {};
      continue;
    }
    if (c == '.' && decimal_ != '.') return {};
    plain += c == decimal_ ? '.' : c;
  }
  return plain.empty() ? Number{} : ParseDigits(plain);
}

int CsvReader::ParseBool(std::string_view text) const {
  const auto one_of = [&](const std::vector<std::string>& values) {
    return std::find(values.begin(), values.end(), text) != values.end();
  };
  if (!true_.empty() && one_of(true_)) return 1;
  if (!false_.empty() && one_of(false_)) return 0;
  if (EqualNoCase(text, "true")) return 1;
  if (EqualNoCase(text, "false")) return 0;
  return -1;
}

CsvKinds CsvReader::Kind(std::string_view text, bool time) const {
  if (time) return TimeKind(text);
  // What most columns are full of needs no value to be known.
  if (thousands_ == '\0' && decimal_ == '.' && IsFraction(text)) return kCsvDouble;
  const Number number = ParseNumber(text);
  if (number.kind != kCsvText) return number.kind;
  return ParseBool(text) >= 0 ? kCsvBool : kCsvText;
}

CsvKinds CsvReader::Kinds(const arrow::BinaryArray& texts, bool time) const {
  CsvKinds kinds = 0;
  for (int64_t i = 0; i < texts.length() && (kinds & kCsvText) == 0; ++i) {
    if (texts.IsValid(i)) kinds |= Kind(texts.GetView(i), time);
  }
  return kinds;
}

template <typename ArrowType>
Result<ArrayPtr> CsvReader::ConvertNumbers(const arrow::BinaryArray& texts, int64_t* bad,
                                           const Context& context) const {
  using Value = typename ArrowType::c_type;
  arrow::NumericBuilder<ArrowType> builder(context.pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(texts.length()));
  for (int64_t i = 0; i < texts.length(); ++i) {
    if (texts.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const Number number = ParseNumber(texts.GetView(i));
    Value value{};
    bool fits = number.kind != kCsvText;
    if constexpr (std::is_floating_point_v<Value>) {
      value = static_cast<Value>(number.value);
    } else if (number.kind == kCsvInteger || number.kind == kCsvUnsigned) {
      value = static_cast<Value>(number.magnitude);
      fits = number.magnitude <= static_cast<uint64_t>(std::numeric_limits<Value>::max());
    } else if (number.kind == kCsvNegative) {
      const auto least = static_cast<uint64_t>(-(static_cast<__int128>(std::numeric_limits<Value>::min())));
      value = static_cast<Value>(~number.magnitude + 1);
      fits = std::is_signed_v<Value> && number.magnitude <= least;
    } else {
      // A whole number written as a fraction, such as 1.0 or 1e3.
      fits = number.kind == kCsvDouble && std::trunc(number.value) == number.value &&
             number.value >= static_cast<double>(std::numeric_limits<Value>::min()) &&
             number.value < std::ldexp(1.0, std::numeric_limits<Value>::digits);
      if (fits) value = static_cast<Value>(number.value);
    }
    if (!fits) {
      *bad = i;
      return Status::Invalid("not a value of the type");
    }
    builder.UnsafeAppend(value);
  }
  return builder.Finish();
}

Result<ArrayPtr> CsvReader::Convert(const std::shared_ptr<arrow::BinaryArray>& texts,
                                    const std::shared_ptr<arrow::DataType>& type, int64_t* bad,
                                    const Context& context) const {
  *bad = -1;
  switch (type->id()) {
    case Type::NA:
      return arrow::MakeArrayOfNull(type, texts->length(), context.pool);
#define WEFT_NUMBER(id, name) \
  case Type::id:              \
    return ConvertNumbers<arrow::name>(*texts, bad, context)
      WEFT_NUMBER(INT8, Int8Type);
      WEFT_NUMBER(INT16, Int16Type);
      WEFT_NUMBER(INT32, Int32Type);
      WEFT_NUMBER(INT64, Int64Type);
      WEFT_NUMBER(UINT8, UInt8Type);
      WEFT_NUMBER(UINT16, UInt16Type);
      WEFT_NUMBER(UINT32, UInt32Type);
      WEFT_NUMBER(UINT64, UInt64Type);
      WEFT_NUMBER(FLOAT, FloatType);
      WEFT_NUMBER(DOUBLE, DoubleType);
#undef WEFT_NUMBER
    case Type::BINARY:
      return texts;
    default:
      break;
  }
  if (type->id() == Type::BOOL) {
    arrow::BooleanBuilder builder(context.pool);
    ARROW_RETURN_NOT_OK(builder.Reserve(texts->length()));
    for (int64_t i = 0; i < texts->length(); ++i) {
      const int value = texts->IsNull(i) ? -1 : ParseBool(texts->GetView(i));
      if (texts->IsValid(i) && value < 0) {
        *bad = i;
        return Status::Invalid("not true or false");
      }
      value < 0 ? builder.UnsafeAppendNull() : builder.UnsafeAppend(value == 1);
    }
    return builder.Finish();
  }
  if (type->id() == Type::TIMESTAMP) {
    const auto& timestamp = static_cast<const arrow::TimestampType&>(*type);
    arrow::TimestampBuilder builder(type, context.pool);
    ARROW_RETURN_NOT_OK(builder.Reserve(texts->length()));
    for (int64_t i = 0; i < texts->length(); ++i) {
      int64_t value = 0;
      bool zone = false;
      if (texts->IsNull(i)) {
        builder.UnsafeAppendNull();
      } else if (ParseTime(texts->GetView(i), timestamp.unit(), &value, &zone) &&
                 zone == !timestamp.timezone().empty()) {
        builder.UnsafeAppend(value);
      } else {
        *bad = i;
        return Status::Invalid("not a moment as ISO 8601 writes it");
      }
    }
    return builder.Finish();
  }
  arrow::util::InitializeUTF8();
  for (int64_t i = 0; i < texts->length(); ++i) {
    if (texts->IsValid(i) && !arrow::util::ValidateUTF8(texts->GetView(i))) {
      *bad = i;
      return Status::Invalid("not UTF-8; give its encoding=, or dtype 'binary'");
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto text, texts->View(arrow::utf8()));
  if (type->id() == Type::STRING) return text;
  arrow::compute::ExecContext execution(context.pool);
  const bool dictionary = type->id() == Type::DICTIONARY;
  const auto& target = dictionary ? static_cast<const arrow::DictionaryType&>(*type).value_type() : type;
  const auto cast = [&](const ArrayPtr& array) {
    return arrow::compute::Cast(*array, target, arrow::compute::CastOptions::Safe(), &execution);
  };
  auto made = cast(text);
  if (!made.ok()) {
    if (!made.status().IsInvalid()) return made.status();
    for (int64_t i = 0; i < text->length() && *bad < 0; ++i) {
      if (!cast(text->Slice(i, 1)).ok()) *bad = i;
    }
    return Status::Invalid("not a value of the type");
  }
  if (!dictionary) return made;
  ARROW_ASSIGN_OR_RAISE(
      const arrow::Datum encoded,
      arrow::compute::DictionaryEncode(*made, arrow::compute::DictionaryEncodeOptions::Defaults(), &execution));
  return encoded.make_array();
}

std::shared_ptr<arrow::DataType> CsvType(CsvKinds kinds) {
  kinds &= ~kCsvHidden;
  if (kinds == 0) return arrow::null();
  if ((kinds & kCsvText) != 0) return arrow::utf8();
  if ((kinds & (kCsvTime | kCsvNanos)) != 0) {
    const auto unit = (kinds & kCsvNanos) != 0 ? arrow::TimeUnit::NANO : arrow::TimeUnit::MICRO;
    if ((kinds & kCsvTimeInZone) == 0) return arrow::timestamp(unit);
    return (kinds & kCsvTimeNoZone) == 0 ? arrow::timestamp(unit, "UTC") : arrow::utf8();
  }
  if (kinds == kCsvBool) return arrow::boolean();
  if ((kinds & kCsvBool) != 0) return arrow::utf8();
  if ((kinds & (kCsvDouble | kCsvHuge)) != 0) return arrow::float64();
  if ((kinds & kCsvUnsigned) == 0) return arrow::int64();
  return (kinds & kCsvNegative) == 0 ? arrow::uint64() : arrow::utf8();
}

}  // namespace weft::io
