// What the texts of CSV fields are: numbers, bools, timestamps, or text. By pandas' rules.
#pragma once

#include <arrow/array.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/read.h"

namespace weft::io {

/// A set of what the values of a column have been seen to be; the set of two parts together is the union.
using CsvKinds = uint32_t;
inline constexpr CsvKinds kCsvInteger = 1;   // 0 ... 2^63 - 1
inline constexpr CsvKinds kCsvNegative = 2;  // -2^63 ... -1
inline constexpr CsvKinds kCsvUnsigned = 4;  // 2^63 ... 2^64 - 1
inline constexpr CsvKinds kCsvHuge = 8;      // an integer beyond these
inline constexpr CsvKinds kCsvDouble = 16;
inline constexpr CsvKinds kCsvBool = 32;
inline constexpr CsvKinds kCsvText = 64;
inline constexpr CsvKinds kCsvTime = 128;  // of microseconds or coarser
inline constexpr CsvKinds kCsvNanos = 256;
inline constexpr CsvKinds kCsvTimeInZone = 512;  // with one of the two before
inline constexpr CsvKinds kCsvTimeNoZone = 1024;
/// No kind, but kept with them: the column is read for the filter alone.
inline constexpr CsvKinds kCsvHidden = 1U << 31;

/// The texts of fields that are not null, with what CsvOptions says of numbers and bools. Immutable.
class CsvReader {
 public:
  explicit CsvReader(const CsvOptions& csv);

  /// What one value is, as a number or bool, or, where `time`, as a timestamp or text.
  CsvKinds Kind(std::string_view text, bool time) const;
  /// The union over an array; no more is looked at once it is text.
  CsvKinds Kinds(const arrow::BinaryArray& texts, bool time) const;

  /// The values as `type`. `*bad` is the first that is none, and -1 where the error is another's.
  arrow::Result<std::shared_ptr<arrow::Array>> Convert(const std::shared_ptr<arrow::BinaryArray>& texts,
                                                       const std::shared_ptr<arrow::DataType>& type, int64_t* bad,
                                                       const Context& context) const;

 private:
  struct Number {
    CsvKinds kind = kCsvText;
    uint64_t magnitude = 0;
    double value = 0;
  };
  Number ParseNumber(std::string_view text) const;
  Number ParseDigits(std::string_view text) const;
  /// 1, 0, or -1 for neither.
  int ParseBool(std::string_view text) const;
  template <typename ArrowType>
  arrow::Result<std::shared_ptr<arrow::Array>> ConvertNumbers(const arrow::BinaryArray& texts, int64_t* bad,
                                                              const Context& context) const;

  const char decimal_;
  const char thousands_;
  const std::vector<std::string> true_;
  const std::vector<std::string> false_;
};

/// The type of a column of these kinds; null where there are none.
std::shared_ptr<arrow::DataType> CsvType(CsvKinds kinds);

}  // namespace weft::io
