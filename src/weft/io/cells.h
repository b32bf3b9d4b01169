// Values of columns as text, for formats that are text.
#pragma once

#include <arrow/array.h>
#include <arrow/result.h>

#include <memory>
#include <string>
#include <string_view>

namespace weft::io {

struct CellStyle {
  std::string_view true_text = "true";
  std::string_view false_text = "false";
  /// Between date and time.
  char separator = ' ';
  /// A printf conversion; empty: the shortest text that is the same number, as Python has it.
  std::string float_format;
};

/// The text of an array's values that are none themselves: bools, numbers, decimals, dates, times, timestamps (those of
/// a zone in UTC, with "+00:00").
class CellText {
 public:
  /// Status::TypeError for another type.
  static arrow::Result<std::unique_ptr<CellText>> Make(const arrow::Array& array, const CellStyle& style);
  virtual ~CellText() = default;
  /// Appends the value of a row that is not null.
  virtual void Append(int64_t row, std::string* out) const = 0;
};

/// Whether Make takes a type.
bool HasCellText(const arrow::DataType& type);

/// Whether a value is null or NaN.
bool IsMissing(const arrow::Array& array, int64_t row);

/// A double as Python's repr has it: the fewest digits that are the same number.
void AppendDouble(double value, std::string* out);
void AppendFloat(float value, std::string* out);

}  // namespace weft::io
