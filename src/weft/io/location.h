// Where a path points: a file system and a path inside it.
#pragma once

#include <arrow/filesystem/type_fwd.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <string>
#include <string_view>

namespace weft::io {

struct Location {
  std::shared_ptr<arrow::fs::FileSystem> file_system;
  /// Inside the file system: a local path as it was given, or "bucket/key".
  std::string path;
  /// False for object stores and other file systems by URI.
  bool local = true;
  /// What a user writes for a path inside the file system is prefix + path + suffix.
  std::string prefix;
  std::string suffix;

  std::string Show(const std::string& inside) const { return prefix + inside + suffix; }
};

/// The location of a local path, a "file://" URI, or "scheme://bucket/key?options" of a file system that Arrow has. The
/// key is taken as it stands, not percent-decoded; a "?" begins Arrow's options (endpoint_override, region ...). File
/// systems by URI are made once and kept. S3 is loaded from libarrow_s3 beside libarrow when it is first asked for;
/// where that library is missing, the IOError says so. Thread-safe.
arrow::Result<Location> Locate(const std::string& path);

/// An IOError with the detail of ENOENT, which the binding turns into FileNotFoundError.
arrow::Status NotFound(std::string_view operation, const std::string& path, std::string_view what);

/// The last component of a path, without trailing slashes; empty for "" and "/".
std::string_view BaseName(std::string_view path);

/// What is before the last component, without a trailing slash; empty where there is nothing ("a" has none).
std::string_view DirectoryName(std::string_view path);

/// `status` with `where` before its message; IOError instead of the codes by which Arrow says that a file's bytes are
/// wrong. A status about memory, cancellation, a missing column or a type keeps its code.
arrow::Status FileError(const arrow::Status& status, const std::string& where);

}  // namespace weft::io
