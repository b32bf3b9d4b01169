#include <algorithm>
#include <numeric>

#include "weft/communicator/collectives/collectives.h"

namespace weft {

Blocks::Blocks(std::vector<int64_t> counts, std::vector<int64_t> displacements)
    : counts_(std::move(counts)), displacements_(std::move(displacements)) {
  if (displacements_.empty()) {
    displacements_.resize(counts_.size());
    std::exclusive_scan(counts_.begin(), counts_.end(), displacements_.begin(), int64_t{0});
  }
}

Blocks Blocks::Even(int64_t total, int64_t element_size, int parts) {
  std::vector<int64_t> counts(static_cast<size_t>(parts));
  for (int64_t i = 0; i < parts; ++i) {
    counts[static_cast<size_t>(i)] = (total / parts + (i < total % parts ? 1 : 0)) * element_size;
  }
  return {std::move(counts), {}};
}

int64_t Blocks::total() const { return std::accumulate(counts_.begin(), counts_.end(), int64_t{0}); }
int64_t Blocks::largest() const { return *std::max_element(counts_.begin(), counts_.end()); }

}  // namespace weft
