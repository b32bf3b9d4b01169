// Tables as CSV and JSON lines.
#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/status.h>
#include <arrow/table.h>

#include "weft/base/context.h"
#include "weft/io/write.h"

namespace weft::io {

/// As pandas writes it: text is quoted where it must be, missing values are `null_text`, floats have the fewest digits,
/// timestamps a space between date and time. A row that would be a blank line is "".
arrow::Status WriteCsvText(const arrow::Table& table, const WriteOptions& options, const Context& context,
                           arrow::io::OutputStream* sink);

/// An object a row; missing values and infinities are null, timestamps ISO 8601 text, binaries are refused, maps with
/// text keys are objects.
arrow::Status WriteJsonText(const arrow::Table& table, const WriteOptions& options, const Context& context,
                            arrow::io::OutputStream* sink);

/// Whether the format can hold a type.
bool CsvCanHold(const arrow::DataType& type);
bool JsonCanHold(const arrow::DataType& type);

}  // namespace weft::io
