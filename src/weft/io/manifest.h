// `_weft_manifest.json`: which files of a directory or prefix are its contents.
#pragma once

#include <arrow/filesystem/type_fwd.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <string>
#include <string_view>
#include <vector>

namespace weft::io {

inline constexpr std::string_view kManifestName = "_weft_manifest.json";

struct Manifest {
  /// Of the attempt that wrote it.
  std::string token;
  /// Names of files beside the manifest, in the order of rows.
  std::vector<std::string> parts;
};

/// {"version":1,"token":"...","parts":["...", ...]} and a line end.
std::string FormatManifest(const Manifest& manifest);

/// Status::Invalid for anything that is not such a text, for a version that this Weft does not know, and for a part
/// that is not a plain name.
arrow::Result<Manifest> ParseManifest(std::string_view text);

/// Reads `path` of `file_system`; `shown` is its name in errors.
arrow::Result<Manifest> ReadManifest(arrow::fs::FileSystem& file_system, const std::string& path,
                                     const std::string& shown);

/// Writes `path` of `file_system`, as one object put. With `must_be_new` an existing one is an IOError with the detail
/// of EEXIST. Arrow's file systems have no conditional put, so this looks and then writes: of two attempts that commit
/// within that moment the later one stays. A put with If-None-Match has its place here and nowhere else.
arrow::Status PutManifest(arrow::fs::FileSystem& file_system, const std::string& path, const Manifest& manifest,
                          bool must_be_new);

/// Names of parts in a place without rename begin with "part-00003" and have this in them; without a manifest that
/// names them they are not there.
inline constexpr std::string_view kUncommittedMark = ".weft-";

}  // namespace weft::io
