#include "weft/base/cpu_level.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace weft {
namespace {

TEST(CpuLevel, TheHighestUnlessToldOtherwise) {
  const auto levels = CpuLevels();
  ASSERT_FALSE(levels.empty());
  EXPECT_EQ(levels.front(), CpuLevel::kBase);
  EXPECT_TRUE(std::is_sorted(levels.begin(), levels.end()));
  ASSERT_TRUE(CheckCpuLevel().ok()) << CheckCpuLevel();
  EXPECT_NE(std::find(levels.begin(), levels.end(), ActiveCpuLevel()), levels.end());
}

#if defined(__x86_64__) && defined(__GNUC__)
TEST(CpuLevel, LoopsGiveTheSameAtEveryLevel) {
  std::vector<uint64_t> values(1003);
  std::iota(values.begin(), values.end(), uint64_t{1} << 61);
  const auto loop = [from = values.data(), n = values.size()]() WEFT_FOR_CPU {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; ++i) sum ^= from[i] * 0xbf58476d1ce4e5b9ULL >> (i & 31);
    return sum;
  };
  const uint64_t expected = loop();
  for (const CpuLevel level : CpuLevels()) {
    if (level == CpuLevel::kV3) {
      EXPECT_EQ(internal::RunV3(loop), expected);
    }
    if (level == CpuLevel::kV4) {
      EXPECT_EQ(internal::RunV4(loop), expected);
    }
  }
  EXPECT_EQ(ForCpu(loop), expected);
}
#endif

}  // namespace
}  // namespace weft
