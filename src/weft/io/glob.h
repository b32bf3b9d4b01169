// Patterns of file names.
#pragma once

#include <string_view>
#include <vector>

namespace weft::io {

/// Whether the text has one of * ? [.
bool HasGlob(std::string_view text);

/// Whether one component of a path fits a pattern: "*" any characters, "?" one, "[a-z]" one of a set, "[!a]" one not
/// of it; a "[" without its "]" stands for itself. A name that begins with "." or "_" fits only a pattern that begins
/// with the same character. Bytes are compared, so "?" is one byte.
bool MatchName(std::string_view pattern, std::string_view name);

/// The same for whole paths, component by component; the component "**" stands for any number of directories, none
/// included, whose names do not begin with "." or "_".
bool MatchPath(const std::vector<std::string_view>& pattern, const std::vector<std::string_view>& path);

/// The components between slashes; empty ones and "." are left out.
std::vector<std::string_view> SplitPath(std::string_view path);

}  // namespace weft::io
