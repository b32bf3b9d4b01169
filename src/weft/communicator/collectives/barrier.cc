#include "weft/communicator/collectives/collectives.h"

namespace weft {

// Dissemination (Hensgen, Finkel, Manber, "Two algorithms for barrier synchronization", 1988): after round k a rank has
// heard, directly or not, from the 2^(k+1) - 1 ranks before it.
void AddBarrier(Schedule& schedule) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  for (int distance = 1; distance < size; distance *= 2) {
    schedule.Recv((rank - distance + size) % size, {});
    schedule.Send((rank + distance) % size, {});
    schedule.EndRound();
  }
}

}  // namespace weft
