// Permutations are permutations, differ by seed, and no order of few rows is preferred.
#include "weft/kernels/permutation.h"

#include <gtest/gtest.h>

#include <cmath>

#include <map>
#include <vector>

namespace weft::kernels {
namespace {

TEST(Permutation, EveryNumberOnce) {
  for (const int64_t size : {1, 2, 3, 31, 1024, 1025, 5000, 65537}) {
    const Permutation permutation(size, 42);
    std::vector<bool> seen(static_cast<size_t>(size));
    for (int64_t place = 0; place < size; ++place) {
      const int64_t number = permutation(place);
      ASSERT_GE(number, 0);
      ASSERT_LT(number, size);
      EXPECT_FALSE(seen[static_cast<size_t>(number)]) << size;
      seen[static_cast<size_t>(number)] = true;
    }
  }
}

TEST(Permutation, OrdersOfFourAreAsLikely) {
  constexpr int kSeeds = 24000;
  std::map<std::vector<int64_t>, int> orders;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Permutation permutation(4, seed);
    ++orders[{permutation(0), permutation(1), permutation(2), permutation(3)}];
  }
  EXPECT_EQ(orders.size(), 24U);
  double chi_square = 0;
  for (const auto& [order, count] : orders) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
  // 23 degrees of freedom: above 63 once in 100,000.
  EXPECT_LT(chi_square, 63);
}

TEST(Permutation, NeighboursFallApart) {
  constexpr int64_t kSize = 100000;
  const Permutation permutation(kSize, 7);
  double product = 0;
  for (int64_t place = 0; place + 1 < kSize; ++place) {
    product += (static_cast<double>(permutation(place)) / kSize - 0.5) *
               (static_cast<double>(permutation(place + 1)) / kSize - 0.5);
  }
  // The correlation of neighbours: its deviation is 1 / sqrt(n), 0.003.
  EXPECT_LT(std::abs(product / kSize * 12), 0.016);
}

TEST(RandomBits, BitsAreEven) {
  std::vector<int> ones(64);
  for (uint64_t i = 0; i < 10000; ++i) {
    const uint64_t bits = RandomBits(3, i);
    for (size_t bit = 0; bit < ones.size(); ++bit) ones[bit] += static_cast<int>(bits >> bit & 1);
  }
  for (const int count : ones) EXPECT_NEAR(count, 5000, 250);
}

}  // namespace
}  // namespace weft::kernels
