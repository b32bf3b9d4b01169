// The 64 bits that a rank and a tag share.
#include "weft/backends/ucx/tag_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace weft::ucx {
namespace {

/// As P2PCommunicator makes them.
Tag MakeTag(uint64_t context, bool collective, uint64_t number) {
  return context << 40 | uint64_t{collective} << 32 | number;
}

TEST(UcxTagLayout, DifferentMessagesHaveDifferentTags) {
  for (const int world : {1, 2, 3, 8, 128, 1000, 65536}) {
    const TagLayout layout(world);
    const std::set<Rank> ranks = {0, std::min(1, world - 1), world / 2, world - 1};
    std::set<uint64_t> seen;
    for (const Rank from : ranks) {
      for (const uint64_t context : {0, 1, 255, 32767}) {
        for (const bool collective : {false, true}) {
          for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{0xffffffff}}) {
            const auto tag = layout.Encode(from, MakeTag(context, collective, number));
            ASSERT_TRUE(tag.has_value()) << world << " " << from << " " << context;
            seen.insert(*tag);
          }
        }
      }
    }
    EXPECT_EQ(seen.size(), ranks.size() * 4 * 2 * 3) << world;
  }
}

TEST(UcxTagLayout, AllCommunicatorsUpTo128Ranks) {
  const uint64_t last = (uint64_t{1} << 24) - 1;
  EXPECT_TRUE(TagLayout(128).Encode(127, MakeTag(last, true, 0xffffffff)).has_value());
  EXPECT_FALSE(TagLayout(129).Encode(128, MakeTag(last, true, 0)).has_value());
  EXPECT_TRUE(TagLayout(1024).Encode(1023, MakeTag((uint64_t{1} << 21) - 1, true, 0)).has_value());
  EXPECT_FALSE(TagLayout(1024).Encode(1023, MakeTag(uint64_t{1} << 21, true, 0)).has_value());
}

TEST(UcxTagLayout, BitsThatNobodyUsesAreRefused) {
  for (int bit = 33; bit < 40; ++bit) EXPECT_FALSE(TagLayout(2).Encode(0, uint64_t{1} << bit).has_value()) << bit;
}

}  // namespace
}  // namespace weft::ucx
