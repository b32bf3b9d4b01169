// What the forms of Output share.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "weft/io/location.h"
#include "weft/io/write.h"

namespace weft::io {

std::unique_ptr<Output> MakeLocalOutput(const std::string& path, const std::string& token, bool overwrite);
std::unique_ptr<Output> MakeObjectOutput(Location location, const std::string& token, bool overwrite);

/// "part-00003".
std::string PartName(int rank);

/// Whether `token` is an earlier attempt's of the same job: equal up to the last "-", a lower epoch behind it. What
/// follows the epoch after a "." does not count: another write of the same attempt may be under way.
bool IsEarlierAttempt(std::string_view token, std::string_view mine);

/// Whether an output may replace a directory that holds an entry of this name: data files of the formats there are,
/// and names that begin with "." or "_".
bool MayBeReplaced(std::string_view name);

/// The error for a target that is there.
arrow::Status TargetExists(const std::string& shown);
/// The error for a target that holds `entry`, which no output of Weft's has.
arrow::Status NotReplaced(const std::string& shown, std::string_view entry);

/// Encodes `table` into a new local file, on disk (fsync) when this returns; removed again on failure.
arrow::Status WriteLocalFile(const std::string& path, const arrow::Table& table, const WriteOptions& options,
                             const Context& context, std::string* metadata = nullptr);
/// The same into an object, which is there when this returns and not before.
arrow::Status WriteObject(arrow::fs::FileSystem& file_system, const std::string& path, const std::string& shown,
                          const arrow::Table& table, const WriteOptions& options, const Context& context,
                          std::string* metadata = nullptr);

}  // namespace weft::io
