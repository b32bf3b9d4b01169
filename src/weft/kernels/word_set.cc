#include "weft/kernels/word_set.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "weft/base/cpu_level.h"

namespace weft::kernels {
namespace {

/// Rows of one parallel task, and those read at a time.
constexpr int64_t kTaskRows = int64_t{1} << 17;
constexpr int64_t kBlockRows = 2048;

struct Range {
  uint64_t least = std::numeric_limits<uint64_t>::max();
  uint64_t most = 0;
  void Add(const Range& other) {
    least = std::min(least, other.least);
    most = std::max(most, other.most);
  }
};

/// Calls visit(task, words, n) for all words of a side, on all threads.
template <typename Visit>
arrow::Status ForWords(const JoinSide& side, const Context& context, Visit&& visit) {
  return ParallelFor(context, (side.rows() + kTaskRows - 1) / kTaskRows, [&](int64_t task) {
    const int64_t begin = task * kTaskRows;
    side.ForBlocks(begin, std::min(side.rows(), begin + kTaskRows), kBlockRows,
                   [&](size_t piece, int64_t first, int64_t n, int64_t) {
                     uint64_t scratch[kBlockRows];
                     visit(task, side.ReadWords(piece, first, n, scratch), n);
                   });
    return arrow::Status::OK();
  });
}

}  // namespace

arrow::Result<std::optional<WordSet>> WordSet::Make(const JoinSide& side, int64_t probes, const Context& context) {
  std::vector<Range> ranges(static_cast<size_t>((side.rows() + kTaskRows - 1) / kTaskRows));
  ARROW_RETURN_NOT_OK(ForWords(side, context, [&](int64_t task, const uint64_t* words, int64_t n) {
    ranges[static_cast<size_t>(task)].Add(ForCpu([=]() WEFT_FOR_CPU {
      Range range;
      for (int64_t i = 0; i < n; ++i) {
        range.least = words[i] < range.least ? words[i] : range.least;
        range.most = words[i] > range.most ? words[i] : range.most;
      }
      return range;
    }));
  }));
  Range range;
  for (const Range& one : ranges) range.Add(one);
  const auto most_bytes = static_cast<uint64_t>(std::max(probes, side.rows() * 8));
  if (range.least > range.most || (range.most - range.least) / 8 >= most_bytes) return std::nullopt;
  WordSet set;
  set.least_ = range.least;
  set.range_ = range.most - range.least + 1;
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
  }));
  return set;
}

}  // namespace weft::kernels
