// Choosing test cases: all combinations, or few that hold every pair of values.
#pragma once

#include <cstddef>
#include <set>
#include <tuple>
#include <vector>

namespace weft::testing {

/// Every combination of one level a factor, where factor i has levels[i] levels.
inline std::vector<std::vector<size_t>> Product(const std::vector<size_t>& levels) {
  std::vector<std::vector<size_t>> rows = {{}};
  for (const size_t count : levels) {
    std::vector<std::vector<size_t>> longer;
    for (const auto& row : rows) {
      for (size_t level = 0; level < count; ++level) {
        longer.push_back(row);
        longer.back().push_back(level);
      }
    }
    rows = std::move(longer);
  }
  return rows;
}

/// Few rows that hold every pair of levels of every two factors. Greedy: a row begins with a pair that is missing, and
/// each further factor takes the level that brings most missing pairs (after Cohen et al., "The AETG system", 1997).
inline std::vector<std::vector<size_t>> Pairwise(const std::vector<size_t>& levels) {
  using Pair = std::tuple<size_t, size_t, size_t, size_t>;  // factor, level, later factor, level
  std::set<Pair> missing;
  for (size_t f = 0; f < levels.size(); ++f) {
    for (size_t g = f + 1; g < levels.size(); ++g) {
      for (size_t a = 0; a < levels[f]; ++a) {
        for (size_t b = 0; b < levels[g]; ++b) missing.emplace(f, a, g, b);
      }
    }
  }
  constexpr size_t kFree = static_cast<size_t>(-1);
  const auto pair = [](size_t f, size_t a, size_t g, size_t b) { return f < g ? Pair(f, a, g, b) : Pair(g, b, f, a); };
  std::vector<std::vector<size_t>> rows;
  while (!missing.empty()) {
    std::vector<size_t> row(levels.size(), kFree);
    const auto [first, a, second, b] = *missing.begin();
    row[first] = a;
    row[second] = b;
    for (size_t f = 0; f < levels.size(); ++f) {
      if (row[f] != kFree) continue;
      size_t best = rows.size() % levels[f];
      size_t best_found = 0;
      for (size_t level = 0; level < levels[f]; ++level) {
        size_t found = 0;
        for (size_t g = 0; g < levels.size(); ++g) {
          if (g != f && row[g] != kFree) found += missing.count(pair(f, level, g, row[g]));
        }
        if (found > best_found) {
          best = level;
          best_found = found;
        }
      }
      row[f] = best;
    }
    for (size_t f = 0; f < levels.size(); ++f) {
      for (size_t g = f + 1; g < levels.size(); ++g) missing.erase(Pair(f, row[f], g, row[g]));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace weft::testing
