#include "weft/io/output.h"

#include <arrow/util/io_util.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <utility>

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
  if (name.starts_with('.') || name.starts_with('_')) return true;
  for (const std::string_view extension : {".parquet", ".csv", ".csv.gz"}) {
    if (name.ends_with(extension)) return true;
  }
  return false;
}

Status TargetExists(const std::string& shown) {
  return arrow::internal::IOErrorFromErrno(EEXIST, "write: '", shown,
                                           "' exists already; choose another path or ask to overwrite it");
}

Status NotReplaced(const std::string& shown, std::string_view entry) {
  return Status::IOError("write: '", shown, "' is not replaced, because it holds '", entry,
                         "', which no output of Weft's has; remove it yourself if you mean it");
}

}  // namespace weft::io
