// From where to where the words of a side of a join lie.
#pragma once

#include <arrow/result.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "weft/base/context.h"
#include "weft/kernels/join_side.h"

namespace weft::kernels {

/// least ... least + extent as signed numbers, so that keys below and above 0 lie close together.
struct WordRange {
  uint64_t least = 0;
  uint64_t extent = 0;
  /// What covers both.
  WordRange With(const WordRange& other) const {
    const auto first = std::min(static_cast<int64_t>(least), static_cast<int64_t>(other.least));
    const auto last = std::max(static_cast<int64_t>(least + extent), static_cast<int64_t>(other.least + other.extent));
    return {static_cast<uint64_t>(first), static_cast<uint64_t>(last) - static_cast<uint64_t>(first)};
  }
};

/// Rows of one parallel task of ForWords, and those that `visit` gets at a time at most.
constexpr int64_t kWordTaskRows = int64_t{1} << 17;
constexpr int64_t kWordBlockRows = 2048;

inline int64_t WordTasks(const JoinSide& side) { return (side.rows() + kWordTaskRows - 1) / kWordTaskRows; }

/// Calls visit(task, words, n) for all words of a side, on all threads, until it returns false for a task.
template <typename Visit>
arrow::Status ForWords(const JoinSide& side, const Context& context, Visit&& visit) {
  return ParallelFor(context, WordTasks(side), [&](int64_t task) {
    const int64_t end = std::min(side.rows(), (task + 1) * kWordTaskRows);
    bool more = true;
    for (int64_t begin = task * kWordTaskRows; more && begin < end; begin += kWordBlockRows) {
      side.ForBlocks(begin, std::min(end, begin + kWordBlockRows), kWordBlockRows,
                     [&](size_t piece, int64_t first, int64_t n, int64_t) {
                       uint64_t scratch[kWordBlockRows];
                       more = visit(task, side.ReadWords(piece, first, n, scratch), n) && more;
                     });
    }
    return arrow::Status::OK();
  });
}

/// Nothing where there are no words or the extent is more than `most`; words of no order show this at once.
arrow::Result<std::optional<WordRange>> RangeOfWords(const JoinSide& side, uint64_t most, const Context& context);

}  // namespace weft::kernels
