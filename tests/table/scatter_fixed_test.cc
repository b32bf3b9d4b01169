#include "weft/table/scatter_fixed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace weft::table {
namespace {

std::vector<uint8_t> RandomBytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> out(count);
  for (auto& byte : out) byte = static_cast<uint8_t>(random());
  return out;
}

/// Each part is as pushing values one by one makes it, and what lies beyond the slack is as it was.
void Check(size_t width, size_t rows, size_t parts, uint32_t seed, bool one_part_alone) {
  SCOPED_TRACE(testing::Message() << width << " bytes, " << rows << " rows, " << parts << " parts");
  std::mt19937 random(seed);
  std::vector<uint32_t> targets(rows);
  for (auto& target : targets) target = static_cast<uint32_t>(one_part_alone ? parts - 1 : random() % parts);
  const size_t shift = 3;  // values that are not aligned
  const auto values = RandomBytes(rows * width + shift, seed);
  std::vector<std::vector<uint8_t>> expected(parts);
  for (size_t i = 0; i < rows; ++i) {
    const auto value = values.begin() + static_cast<std::ptrdiff_t>(shift + i * width);
    expected[targets[i]].insert(expected[targets[i]].end(), value, value + static_cast<std::ptrdiff_t>(width));
  }
  constexpr size_t kGuard = 128;
  const auto slack = static_cast<size_t>(kScatterSlack);
  std::vector<std::vector<uint8_t>> made;
  std::vector<uint8_t*> starts;
  for (const auto& part : expected) made.emplace_back(part.size() + slack + kGuard, uint8_t{0xa5});
  for (auto& part : made) starts.push_back(part.data());
  ScatterFixed(static_cast<int64_t>(width), values.data() + shift, targets, starts);
  for (size_t p = 0; p < parts; ++p) {
    EXPECT_TRUE(std::equal(expected[p].begin(), expected[p].end(), made[p].begin())) << "part " << p;
    const auto beyond = made[p].begin() + static_cast<std::ptrdiff_t>(expected[p].size() + slack);
    EXPECT_EQ(std::count(beyond, made[p].end(), 0xa5), static_cast<std::ptrdiff_t>(kGuard)) << "part " << p;
  }
}

TEST(ScatterFixed, EveryWidthAndNumberOfParts) {
  uint32_t seed = 1;
  for (const size_t width : {1, 2, 3, 4, 8, 12, 16, 32}) {
    for (const size_t parts : {1, 2, 3, 4, 5, 9}) {
      for (const size_t rows : {0, 1, 15, 16, 17, 64, 1000}) {
        Check(width, rows, parts, ++seed, false);
        Check(width, rows, parts, ++seed, true);
      }
    }
  }
}

}  // namespace
}  // namespace weft::table
