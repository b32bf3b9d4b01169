#include "weft/kernels/permutation.h"

#include <algorithm>
#include <bit>

namespace weft::kernels {
namespace {

constexpr int kRounds = 8;
/// A small domain makes a poor network; walking to a few rows in it costs nothing that matters.
constexpr int kLeastHalfBits = 5;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

uint64_t RandomBits(uint64_t seed, uint64_t counter) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  return Mix(Mix(seed + kGolden) + (counter + 1) * kGolden);
}

Permutation::Permutation(int64_t size, uint64_t seed) : size_(static_cast<uint64_t>(size)), seed_(seed) {
  const auto bits = static_cast<int>(std::bit_width(size_ > 0 ? size_ - 1 : uint64_t{0}));
  half_bits_ = std::max(kLeastHalfBits, (bits + 1) / 2);
}

uint64_t Permutation::Encrypt(uint64_t value) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_;
  uint64_t right = value & mask;
  for (uint64_t round = 0; round < kRounds; ++round) {
    const uint64_t next = left ^ (RandomBits(seed_ + round * 0xd1342543de82ef95ULL, right) & mask);
    left = right;
    right = next;
  }
  return left << half_bits_ | right;
}

int64_t Permutation::operator()(int64_t place) const {
  uint64_t value = Encrypt(static_cast<uint64_t>(place));
  while (value >= size_) value = Encrypt(value);
  return static_cast<int64_t>(value);
}

}  // namespace weft::kernels
