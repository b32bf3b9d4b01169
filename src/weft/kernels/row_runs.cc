#include "weft/kernels/row_runs.h"

#include <atomic>

namespace weft::kernels {
namespace {

/// Rows a task looks at; the first ones tell of most tables that they are in no order.
constexpr int64_t kTaskRows = 1 << 16;

/// Compares each row of a block with the next, level by level.
class Neighbours {
 public:
  explicit Neighbours(const KeyLayout& layout) : layout_(layout) {}

  /// Adds to `descents` the rows of (begin, end) that come before the row above them; `end` - `begin` is at most
  /// KeyLayout::kBlock.
  void AddDescents(int64_t begin, int64_t end, std::vector<int64_t>* descents) {
    const int64_t pairs = end - begin - 1;
    bool open = pairs > 0;
    std::fill(order_, order_ + pairs, int8_t{0});
    for (int level = 0; level < layout_.levels() && open; ++level) {
      open = CompareLevel(level, begin, pairs);
    }
    for (int64_t i = 0; i < pairs; ++i) {
      if (order_[i] < 0) descents->push_back(begin + i + 1);
    }
  }

 private:
  /// Whether any two neighbours are still equal.
  bool CompareLevel(int level, int64_t begin, int64_t pairs) {
    int64_t equal = 0;
    if (const KeyColumn* const binary = layout_.binary(level)) {
      for (int64_t i = 0; i < pairs; ++i) {
        if (order_[i] != 0) continue;
        const int order = CompareKeys(*binary, begin + i + 1, *binary, begin + i, layout_.direction(level));
        order_[i] = static_cast<int8_t>((order > 0) - (order < 0));
        equal += order_[i] == 0;
      }
      return equal > 0;
    }
    layout_.Words(level, begin, pairs + 1, words_);
    for (int64_t i = 0; i < pairs; ++i) {
      const auto order = static_cast<int8_t>((words_[i + 1] > words_[i]) - (words_[i + 1] < words_[i]));
      order_[i] = order_[i] != 0 ? order_[i] : order;
      equal += order_[i] == 0;
    }
    return equal > 0;
  }

  const KeyLayout& layout_;
  uint64_t words_[KeyLayout::kBlock];
  /// Of row i + 1 against row i: 1 where it comes after it, -1 where before.
  int8_t order_[KeyLayout::kBlock];
};

}  // namespace

arrow::Result<std::vector<int64_t>> FindRuns(const KeyLayout& layout, int64_t rows, int64_t most,
                                             const Context& context) {
  const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  std::vector<std::vector<int64_t>> found(static_cast<size_t>(tasks));
  std::atomic<int64_t> descents{0};
  const auto look = [&](int64_t task) {
    Neighbours neighbours(layout);
    auto& own = found[static_cast<size_t>(task)];
    const int64_t end = std::min(rows, (task + 1) * kTaskRows);
    // Blocks share a row, so that every row is compared with the one above it.
    for (int64_t at = std::max<int64_t>(0, task * kTaskRows - 1); at + 1 < end && descents < most;
         at += KeyLayout::kBlock - 1) {
      const size_t before = own.size();
      neighbours.AddDescents(at, std::min(end, at + KeyLayout::kBlock), &own);
      descents += static_cast<int64_t>(own.size() - before);
    }
    return arrow::Status::OK();
  };
  // Alone: most tables that are in no order say so here.
  if (tasks > 0) ARROW_RETURN_NOT_OK(look(0));
  ARROW_RETURN_NOT_OK(ParallelFor(context, descents < most ? std::max<int64_t>(tasks - 1, 0) : 0,
                                  [&](int64_t task) { return look(task + 1); }));
  std::vector<int64_t> begins;
  if (rows == 0 || descents >= most) return begins;
  begins.push_back(0);
  for (const auto& own : found) begins.insert(begins.end(), own.begin(), own.end());
  return begins;
}

}  // namespace weft::kernels
