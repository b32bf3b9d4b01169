#include "weft/io/glob.h"

#include <cstddef>

namespace weft::io {
namespace {

bool Hidden(std::string_view name) { return !name.empty() && (name[0] == '.' || name[0] == '_'); }

/// The length of the set "[...]" at the front of `pattern`, 0 where it has no end. `fits`: whether `c` is in it.
size_t MatchSet(std::string_view pattern, char c, bool* fits) {
  size_t i = 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  const size_t first = i;
  bool found = false;
  for (; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) {
      *fits = found != negated;
      return i + 1;
    }
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      found = found || (pattern[i] <= c && c <= pattern[i + 2]);
      i += 2;
    } else {
      found = found || pattern[i] == c;
    }
  }
  return 0;
}

/// Whether the first item of `pattern` (not "*") takes the character `c`; `length` is the item's.
bool MatchOne(std::string_view pattern, char c, size_t* length) {
  *length = 1;
  if (pattern[0] == '?') return true;
  if (pattern[0] == '[') {
    bool fits = false;
    const size_t set = MatchSet(pattern, c, &fits);
    if (set > 0) {
      *length = set;
      return fits;
    }
  }
  return pattern[0] == c;
}

}  // namespace

bool HasGlob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

bool MatchName(std::string_view pattern, std::string_view name) {
  if (Hidden(name) && (pattern.empty() || pattern[0] != name[0])) return false;
  // After a mismatch only the last "*" need take one more character: linear space, at worst quadratic time.
  size_t p = 0;
  size_t n = 0;
  size_t star = std::string_view::npos;
  size_t star_name = 0;
  while (n < name.size()) {
    size_t length = 0;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
    } else if (p < pattern.size() && MatchOne(pattern.substr(p), name[n], &length)) {
      p += length;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++star_name;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool MatchPath(const std::vector<std::string_view>& pattern, const std::vector<std::string_view>& path) {
  // reach[j]: the pattern's components so far fit the path's first j.
  std::vector<bool> reach(path.size() + 1, false);
  reach[0] = true;
  for (const std::string_view part : pattern) {
    std::vector<bool> next(path.size() + 1, false);
    if (part == "**") {
      bool open = false;
      for (size_t j = 0; j <= path.size(); ++j) {
        if (j > 0 && Hidden(path[j - 1])) open = false;
        open = open || reach[j];
        next[j] = open;
      }
    } else {
      for (size_t j = 0; j < path.size(); ++j) next[j + 1] = reach[j] && MatchName(part, path[j]);
    }
    reach.swap(next);
  }
  return reach[path.size()];
}

std::vector<std::string_view> SplitPath(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.push_back(part);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

}  // namespace weft::io
