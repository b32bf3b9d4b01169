#include "weft/io/output.h"

#include <arrow/util/io_util.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <utility>

#include "weft/io/encode.h"
#include "weft/io/hive.h"

namespace weft::io {

using arrow::Result;
using arrow::Status;

Result<std::unique_ptr<Output>> Output::Make(const std::string& path, const std::string& token, bool overwrite) {
  const bool plain = !token.empty() && std::all_of(token.begin(), token.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  });
  if (!plain) return Status::Invalid("write: the token '", token, "' cannot be part of a file's name");
  ARROW_ASSIGN_OR_RAISE(Location location, Locate(path));
  const std::string_view name = BaseName(location.path);
  if (name.empty() || name == "." || name == "..") {
    return Status::Invalid("write: '", path, "' names no directory that could be made");
  }
  if (location.local) return MakeLocalOutput(location.path, token, overwrite);
  return MakeObjectOutput(std::move(location), token, overwrite);
}

std::string PartName(int rank) {
  char name[32];
  std::snprintf(name, sizeof(name), "part-%05d", rank);
  return name;
}

bool IsEarlierAttempt(std::string_view token, std::string_view mine) {
  const size_t cut = mine.rfind('-');
  if (cut == std::string_view::npos || token.rfind('-') != cut || token.substr(0, cut) != mine.substr(0, cut)) {
    return false;
  }
  const auto number = [cut](std::string_view text) -> int64_t {
    int64_t value = -1;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + cut + 1, end, value);
    return parsed.ec == std::errc() && (parsed.ptr == end || *parsed.ptr == '.') ? value : -1;
  };
  return number(token) >= 0 && number(token) < number(mine);
}

bool MayBeReplaced(std::string_view name) {
  return name.starts_with('.') || name.starts_with('_') || HasDataExtension(name);
}

Result<WrittenParts> Output::WriteParts(int rank, const arrow::Table& table, const WriteOptions& options,
                                        const Context& context) {
  WrittenParts written;
  const auto write = [&](const std::string& directory, const arrow::Table& rows) -> Status {
    std::string metadata;
    ARROW_ASSIGN_OR_RAISE(written.names.emplace_back(), WritePartIn(directory, rank, rows, options, context,
                                                                    options.metadata_file ? &metadata : nullptr));
    if (options.metadata_file) written.metadata.push_back(std::move(metadata));
    return Status::OK();
  };
  if (options.partition_columns.empty()) {
    ARROW_RETURN_NOT_OK(write("", table));
    return written;
  }
  ARROW_ASSIGN_OR_RAISE(const auto parts, SplitHive(table, options.partition_columns, context));
  for (const HivePart& part : parts) ARROW_RETURN_NOT_OK(write(part.directory, *part.table));
  return written;
}

Status WriteDirectory(const std::string& path, const arrow::Table& table, const WriteOptions& options,
                      const std::string& token, bool overwrite, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto output, Output::Make(path, token, overwrite));
  const auto write = [&]() -> Status {
    ARROW_RETURN_NOT_OK(output->Begin());
    ARROW_ASSIGN_OR_RAISE(const auto parts, output->WriteParts(0, table, options, context));
    if (options.metadata_file)
      ARROW_RETURN_NOT_OK(output->WriteMetadata(parts.metadata, *FileSchema(*table.schema(), options)));
    return output->Commit(parts.names);
  };
  const Status status = write();
  if (!status.ok()) output->Abandon();
  return status;
}

std::shared_ptr<arrow::Schema> FileSchema(const arrow::Schema& schema, const WriteOptions& options) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    const auto& columns = options.partition_columns;
    if (std::find(columns.begin(), columns.end(), field->name()) == columns.end()) fields.push_back(field);
  }
  return arrow::schema(std::move(fields), schema.metadata());
}

Status TargetExists(const std::string& shown) {
  return arrow::internal::IOErrorFromErrno(
      EEXIST, "write: '", shown, "' exists already; choose another path or give overwrite=True to replace it");
}

Status NotReplaced(const std::string& shown, std::string_view entry) {
  return Status::IOError("write: '", shown, "' is not replaced, because it holds '", entry,
                         "', which no output of Weft's has; remove it yourself if you mean it");
}

}  // namespace weft::io
