// One CSV file as a table.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/read.h"

namespace weft::io {

/// The file's columns of the given names, in that order (empty: all); a compressed file by its extension (.gz, .bz2,
/// .zst, .lz4). A name that the header has twice becomes "name.1" and so on, an empty one "Unnamed: i", as in pandas.
/// Parsed on Arrow's CPU threads where `use_threads`; then the caller must not be one of them. Errors as in ReadCsv.
arrow::Result<std::shared_ptr<arrow::Table>> ReadCsvFile(const std::string& path, const CsvOptions& csv,
                                                         const std::vector<std::string>& columns, bool use_threads,
                                                         const Context& context);

/// The sizes of files in bytes, as they lie (a compressed one is small).
arrow::Result<std::vector<int64_t>> FileSizes(const std::vector<std::string>& files);

}  // namespace weft::io
