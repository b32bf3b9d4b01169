#include "weft/kernels/word_set.h"

#include <algorithm>
#include <atomic>

#include "weft/kernels/word_range.h"

namespace weft::kernels {

arrow::Result<std::optional<WordSet>> WordSet::Make(const JoinSide& side, int64_t probes, const Context& context) {
  const auto most_bytes = static_cast<uint64_t>(std::max(probes, side.rows() * 8));
  ARROW_ASSIGN_OR_RAISE(const auto range, RangeOfWords(side, most_bytes * 8 - 1, context));
  if (!range.has_value()) return std::nullopt;
  WordSet set;
  set.least_ = range->least;
  set.range_ = range->extent + 1;
  ARROW_ASSIGN_OR_RAISE(set.bits_,
                        PoolArray<uint64_t>::MakeZero(static_cast<int64_t>(set.range_ / 64) + 1, context.pool));
  uint64_t* const bits = set.bits_.data();
  ARROW_RETURN_NOT_OK(ForWords(side, context, [&](int64_t, const uint64_t* words, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t place = words[i] - set.least_;
      const uint64_t bit = uint64_t{1} << (place & 63);
      std::atomic_ref<uint64_t> word(bits[place >> 6]);
      if ((word.load(std::memory_order_relaxed) & bit) == 0) word.fetch_or(bit, std::memory_order_relaxed);
    }
    return true;
  }));
  return set;
}

}  // namespace weft::kernels
