// `_weft_manifest.json`: which files of a directory or prefix are its contents.
#pragma once

#include <arrow/filesystem/type_fwd.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/io/location.h"

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

/// The text of a manifest, whatever it is; nullopt where there is none.
arrow::Result<std::optional<std::string>> ReadManifestText(arrow::fs::FileSystem& file_system, const std::string& path,
                                                           const std::string& shown);

/// How the host program puts an object in one request that has a condition: that there is none (S3: If-None-Match), or
/// that it has the bytes `expected` (If-Match). `path` is "bucket/key", `suffix` the "?options" of the location, or
/// empty. True: it is there now. False: another one was there. No value: it cannot be done here. Called from the thread
/// that commits; must be thread-safe.
using ConditionalPut = std::function<arrow::Result<std::optional<bool>>(
    const std::string& path, const std::string& suffix, const std::string& bytes,
    const std::optional<std::string>& expected)>;

/// Sets it for this process, for all S3 locations; an empty one takes it away. Thread-safe.
void SetConditionalPut(ConditionalPut put);

/// Writes `path` of the location's file system, as one object put, where its text is `expected` (nullopt: where there
/// is none); else false. Arrow's file systems have no conditional put. On S3 the one that SetConditionalPut gave is
/// used: of two attempts that commit, one is told of the other, whenever they come. Without it this looks and then
/// writes: of two attempts that commit within that moment the later one stays.
arrow::Result<bool> PutManifest(const Location& location, const std::string& path, const Manifest& manifest,
                                const std::optional<std::string>& expected);

/// Names of parts in a place without rename begin with "part-00003" and have this in them; without a manifest that
/// names them they are not there.
inline constexpr std::string_view kUncommittedMark = ".weft-";

}  // namespace weft::io
