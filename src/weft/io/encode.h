// Tables as the bytes of a file.
#pragma once

#include <arrow/io/type_fwd.h>
#include <arrow/status.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/write.h"

namespace weft::io {

/// Status::Invalid for options that are not known, Status::TypeError naming the column for a type that the format
/// cannot hold. To be asked before anything is written.
arrow::Status CheckEncodable(const arrow::Schema& schema, const WriteOptions& options);

/// Writes the table to `sink` and leaves it open. Parquet: Arrow's schema is kept in the file, pages carry checksums;
/// `metadata` (may be nullptr) gets the file's. Text formats: dictionaries are written as their values.
arrow::Status Encode(const arrow::Table& table, const WriteOptions& options, const Context& context,
                     const std::shared_ptr<arrow::io::OutputStream>& sink, std::string* metadata = nullptr);

/// `metadata` of a Parquet file, with the file's name put in.
arrow::Result<std::string> NameMetadata(const std::string& metadata, const std::string& file);

/// Writes `_metadata` of several files' metadata (NameMetadata's), and `_common_metadata`.
arrow::Status EncodeMetadata(const std::vector<std::string>& metadata, const arrow::Schema& schema,
                             const std::shared_ptr<arrow::io::OutputStream>& all,
                             const std::shared_ptr<arrow::io::OutputStream>& common);

/// ".parquet", ".csv", ".csv.gz" and so on.
std::string FileExtension(const WriteOptions& options);

/// Whether a name ends as one that FileExtension gives; `bare` (may be nullptr) gets what is before.
bool HasDataExtension(std::string_view name, std::string_view* bare = nullptr);

}  // namespace weft::io
