// Seeded choices that depend on a row's number alone, so that they are the same however rows lie on ranks.
#pragma once

#include <cstdint>

namespace weft::kernels {

/// 64 well mixed bits for each pair of seed and counter. Source: the finaliser of splitmix64; Steele, Lea, Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014.
uint64_t RandomBits(uint64_t seed, uint64_t counter);

/// A pseudorandom permutation of 0 ... size - 1 that is computed entry by entry, without memory: a Feistel network over
/// the next power of four, walked until it falls below `size`. Source: Black, Rogaway, "Ciphers with arbitrary finite
/// domains", CT-RSA 2002. Thread-safe.
class Permutation {
 public:
  Permutation(int64_t size, uint64_t seed);

  /// The number that stands at `place`; 0 <= place < size.
  int64_t operator()(int64_t place) const;

 private:
  uint64_t Encrypt(uint64_t value) const;

  uint64_t size_;
  uint64_t seed_;
  int half_bits_;
};

}  // namespace weft::kernels
