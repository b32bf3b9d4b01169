#include "weft/communicator/collectives/collectives.h"

namespace weft {
namespace {

constexpr int64_t kLargeBroadcast = 128 * 1024;
constexpr int kLeastRanksForScatter = 4;

/// Binomial tree: in the round of distance d the ranks below d (counted from the root) send to those d above.
void AddBinomialBroadcast(Schedule& schedule, MutableBytes data, Rank root) {
  const int size = schedule.size();
  const int from_root = (schedule.rank() - root + size) % size;
  int distance = 1;
  // The lowest set bit tells the parent, and below which distance there are children.
  while (distance < size && (from_root & distance) == 0) distance *= 2;
  if (from_root != 0) {
    schedule.Recv((from_root - distance + root) % size, data);
    schedule.EndRound();
  }
  for (distance /= 2; distance > 0; distance /= 2) {
    if (from_root + distance < size) schedule.Send((from_root + distance + root) % size, data);
  }
  schedule.EndRound();
}

}  // namespace

// Large: the root scatters, a ring gathers (van de Geijn; Barnett et al., "Interprocessor collective communication
// library", 1994), so that no rank sends more than about twice the data.
void AddBroadcast(Schedule& schedule, MutableBytes data, Rank root) {
  const int size = schedule.size();
  if (size == 1) return;
  if (static_cast<int64_t>(data.size()) < kLargeBroadcast || size < kLeastRanksForScatter) {
    AddBinomialBroadcast(schedule, data, root);
    return;
  }
  const Blocks blocks = Blocks::Even(static_cast<int64_t>(data.size()), 1, size);
  AddScatter(schedule, data.data(), blocks, blocks.of(data.data(), schedule.rank()), root);
  AddRingAllgather(schedule, data.data(), blocks, root);
}

}  // namespace weft
