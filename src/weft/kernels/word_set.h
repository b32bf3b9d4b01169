// The words of a side as bits: whether a word is among them is one look at a bitmap, which takes an eighth of a byte
// for each word between the least and the greatest.
#pragma once

#include <arrow/result.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "weft/base/context.h"
#include "weft/kernels/join_side.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

class WordSet {
 public:
  /// Of the words of a side, which must have some. Nothing where they lie so far apart that the bitmap would have more
  /// bytes than `probes`, the number of words that will be looked up, or eight times the side's rows.
  static arrow::Result<std::optional<WordSet>> Make(const JoinSide& side, int64_t probes, const Context& context);

  bool Contains(uint64_t word) const {
    const uint64_t place = std::min(word - least_, range_);
    return ((bits_.data()[place >> 6] >> (place & 63)) & 1) != 0;
  }

  /// Writes the numbers of those of `n` words that are among them, or (`among` false) that are not, to `rows`, which
  /// has room for `n`. Returns how many.
  uint32_t Select(const uint64_t* words, uint32_t n, bool among, uint32_t* rows) const {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; ++i) {
      rows[count] = i;
      count += static_cast<uint32_t>(Contains(words[i]) == among);
    }
    return count;
  }

 private:
  uint64_t least_ = 0;
  /// Words from least_ on that have a bit; the next bit stands for all others, and is never set.
  uint64_t range_ = 0;
  PoolArray<uint64_t> bits_;
};

}  // namespace weft::kernels
