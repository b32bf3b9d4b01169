#include "weft/io/share.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace weft::io {
namespace {

TEST(ContiguousShare, EqualWorksAreSpreadEvenly) {
  const std::vector<int64_t> sizes(8, 10);
  for (int rank = 0; rank < 4; ++rank) {
    const Share share = ContiguousShare(sizes, rank, 4);
    EXPECT_EQ(share.begin, 2 * rank);
    EXPECT_EQ(share.end, 2 * rank + 2);
  }
}

TEST(ContiguousShare, OneWorkGoesToOneRank) {
  const std::vector<int64_t> one = {5};
  EXPECT_EQ(ContiguousShare(one, 0, 2).end, 1);
  EXPECT_EQ(ContiguousShare(one, 1, 2).begin, 1);
}

TEST(ContiguousShare, NoWorks) {
  const Share share = ContiguousShare({}, 1, 3);
  EXPECT_EQ(share.begin, 0);
  EXPECT_EQ(share.end, 0);
}

TEST(ContiguousShare, EachWorkExactlyOnceInOrderAndBalanced) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 500; ++round) {
    const int world = 1 + static_cast<int>(random() % 9);
    std::vector<int64_t> sizes(random() % 40);
    int64_t total = 0;
    int64_t largest = 0;
    for (auto& size : sizes) {
      size = static_cast<int64_t>(random() % 5 == 0 ? 0 : random() % 1000);
      total += size;
      largest = std::max(largest, size);
    }
    int64_t at = 0;
    for (int rank = 0; rank < world; ++rank) {
      const Share share = ContiguousShare(sizes, rank, world);
      ASSERT_EQ(share.begin, at);
      ASSERT_LE(share.begin, share.end);
      at = share.end;
      int64_t own = 0;
      for (int64_t i = share.begin; i < share.end; ++i) own += sizes[static_cast<size_t>(i)];
      ASSERT_TRUE(total == 0 || own <= total / world + 1 + largest);
    }
    ASSERT_EQ(at, static_cast<int64_t>(sizes.size()));
  }
}

TEST(ContiguousShare, SizesWhoseSumPasses64Bits) {
  const std::vector<int64_t> sizes(6, std::numeric_limits<int64_t>::max());
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(ContiguousShare(sizes, rank, 3).begin, 2 * rank);
    EXPECT_EQ(ContiguousShare(sizes, rank, 3).end, 2 * rank + 2);
  }
}

TEST(ContiguousShare, EmptyFilesAreSpreadByNumber) {
  const std::vector<int64_t> sizes(4, 0);
  EXPECT_EQ(ContiguousShare(sizes, 1, 2).begin, 2);
  EXPECT_EQ(ContiguousShare(sizes, 1, 2).end, 4);
}

}  // namespace
}  // namespace weft::io
