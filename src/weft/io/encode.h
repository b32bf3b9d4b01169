// Tables as the bytes of a file.
#pragma once

#include <arrow/io/type_fwd.h>
#include <arrow/status.h>
#include <arrow/table.h>

#include <memory>
#include <string>

#include "weft/base/context.h"
#include "weft/io/write.h"

namespace weft::io {

/// Status::Invalid for options that are not known, Status::TypeError naming the column for a type that the format
/// cannot hold. To be asked before anything is written.
arrow::Status CheckEncodable(const arrow::Schema& schema, const WriteOptions& options);

/// Writes the table to `sink` and leaves it open. Parquet: Arrow's schema is kept in the file, pages carry checksums.
/// CSV: text is quoted, null is an empty field; in a table of one column, where that would make a blank line, it is
/// "NA". Dictionaries are written as their values.
arrow::Status Encode(const arrow::Table& table, const WriteOptions& options, const Context& context,
                     const std::shared_ptr<arrow::io::OutputStream>& sink);

/// ".parquet", ".csv" or ".csv.gz".
std::string FileExtension(const WriteOptions& options);

}  // namespace weft::io
