// Keeping rows at home that can have no match: a filter of one side's keys for the other side, before that is shuffled.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Hashes (table::HashRows) that may be in a set: one word of the filter a hash, five bits in it. Of other hashes about
/// 3 % pass. Source: Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom filters", WEA 2007, with blocks
/// of one word.
namespace key_filter {

/// Words of a filter for this many hashes: 12 bits each.
constexpr int64_t Words(int64_t hashes) { return hashes == 0 ? 0 : (hashes * 12 + 63) / 64; }

/// Which word; not by the upper bits, which are alike in all hashes of one rank.
inline size_t WordOf(size_t words, uint64_t hash) {
  const uint64_t mixed = (hash * 0x9e3779b97f4a7c15ULL) >> 32;
  return static_cast<size_t>((mixed * static_cast<uint64_t>(words)) >> 32);
}

inline uint64_t BitsOf(uint64_t hash) {
  uint64_t bits = 0;
  for (int i = 0; i < 5; ++i, hash >>= 6) bits |= uint64_t{1} << (hash & 63);
  return bits;
}

/// Sets the bits of a hash.
inline void Add(std::span<uint64_t> words, uint64_t hash) { words[WordOf(words.size(), hash)] |= BitsOf(hash); }

/// False for a hash that was not added, unless it looks like one.
inline bool MayHave(std::span<const uint64_t> words, uint64_t hash) {
  if (words.empty()) return false;
  const uint64_t bits = BitsOf(hash);
  return (words[WordOf(words.size(), hash)] & bits) == bits;
}

}  // namespace key_filter

/// One side of a join: its columns that are the keys, in the order in which the hash takes them.
struct FilterSide {
  std::shared_ptr<arrow::Table> table;
  std::vector<int> keys;
};

/// What a filter would save and cost. Sizes are those of all ranks together.
struct FilterTrade {
  /// Of the side to be filtered.
  int64_t bytes = 0;
  int64_t rows = 0;
  /// Rows of the other side, whose keys are in the filter.
  int64_t other_rows = 0;
  int world_size = 1;
  /// Whether rows travel through memory that all ranks share.
  bool through_memory = false;
};

/// Whether a filter could pay at all.
bool FilterMayPay(const FilterTrade& trade);

/// Collective. `other`'s rows lie by the hash of their keys; `side`'s are about to. The rows of `side` that may have a
/// match, in their order; or the table itself where a sample of its keys says that the filter would cost more than the
/// rows it keeps at home. `trade` is the same on all ranks.
arrow::Result<std::shared_ptr<arrow::Table>> FilterBeforeShuffle(Communicator& communicator, const FilterSide& side,
                                                                 const FilterSide& other, const FilterTrade& trade,
                                                                 bool nan_is_null, const Context& context);

}  // namespace weft::distributed
