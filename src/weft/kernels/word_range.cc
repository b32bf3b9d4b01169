#include "weft/kernels/word_range.h"

#include <atomic>
#include <limits>
#include <vector>

#include "weft/base/cpu_level.h"

namespace weft::kernels {
namespace {

struct Bounds {
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t most = std::numeric_limits<int64_t>::min();
  void Add(const Bounds& other) {
    least = std::min(least, other.least);
    most = std::max(most, other.most);
  }
  uint64_t extent() const { return static_cast<uint64_t>(most) - static_cast<uint64_t>(least); }
};

}  // namespace

arrow::Result<std::optional<WordRange>> RangeOfWords(const JoinSide& side, uint64_t most, const Context& context) {
  std::vector<Bounds> tasks(static_cast<size_t>(WordTasks(side)));
  if (tasks.empty()) return std::nullopt;
  std::atomic<bool> wide = false;
  ARROW_RETURN_NOT_OK(ForWords(side, context, [&](int64_t task, const uint64_t* words, int64_t n) {
    const auto* const values = reinterpret_cast<const int64_t*>(words);
    Bounds& bounds = tasks[static_cast<size_t>(task)];
    bounds.Add(ForCpu([=]() WEFT_FOR_CPU {
      Bounds found;
      for (int64_t i = 0; i < n; ++i) {
        found.least = values[i] < found.least ? values[i] : found.least;
        found.most = values[i] > found.most ? values[i] : found.most;
      }
      return found;
    }));
    if (bounds.extent() > most) wide.store(true, std::memory_order_relaxed);
    return !wide.load(std::memory_order_relaxed);
  }));
  Bounds bounds;
  for (const Bounds& one : tasks) bounds.Add(one);
  if (wide || bounds.extent() > most) return std::nullopt;
  return WordRange{static_cast<uint64_t>(bounds.least), bounds.extent()};
}

}  // namespace weft::kernels
