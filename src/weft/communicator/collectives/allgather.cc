#include <algorithm>

#include "weft/communicator/collectives/collectives.h"

namespace weft {
namespace {

constexpr int64_t kLargeAllgather = 64 * 1024;

}  // namespace

// Bruck et al., "Efficient algorithms for all-to-all communications in multiport message-passing systems", 1997: blocks
// are kept in the order rank, rank + 1, ...; each round doubles how many a rank has. Blocks may differ in size.
void AddBruckAllgather(Schedule& schedule, ConstBytes send, std::byte* recv, const Blocks& blocks) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  if (size == 1) {
    schedule.Copy(send, recv + blocks.at(rank));
    return;
  }
  // ends[i]: where block rank + i begins in the rotated order.
  std::vector<int64_t> begins(static_cast<size_t>(size) + 1, 0);
  for (int i = 0; i < size; ++i) {
    begins[static_cast<size_t>(i) + 1] = begins[static_cast<size_t>(i)] + blocks.size((rank + i) % size);
  }
  const auto begin = [&begins](int i) { return begins[static_cast<size_t>(i)]; };
  std::byte* rotated = schedule.Temporary(begins.back()).data();
  schedule.Copy(send, rotated);
  for (int distance = 1; distance < size; distance *= 2) {
    const int blocks_now = std::min(distance, size - distance);
    schedule.Recv((rank + distance) % size,
                  {rotated + begin(distance), static_cast<size_t>(begin(distance + blocks_now) - begin(distance))});
    schedule.Send((rank - distance + size) % size, {rotated, static_cast<size_t>(begin(blocks_now))});
    schedule.EndRound();
  }
  for (int i = 0; i < size; ++i) {
    const Rank from = (rank + i) % size;
    schedule.Copy({rotated + begin(i), static_cast<size_t>(blocks.size(from))}, recv + blocks.at(from));
  }
}

// Ring: in each round a rank passes on to its right the block that it got last. Every link carries every block once.
void AddRingAllgather(Schedule& schedule, std::byte* recv, const Blocks& blocks, Rank root) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  const Rank right = (rank + 1) % size;
  const Rank left = (rank - 1 + size) % size;
  for (int i = 0; i + 1 < size; ++i) {
    if (rank != root) schedule.Recv(left, blocks.of(recv, (rank - i - 1 + 2 * size) % size));
    if (right != root) schedule.Send(right, blocks.of(recv, (rank - i + size) % size));
    schedule.EndRound();
  }
}

void AddAllgather(Schedule& schedule, ConstBytes send, std::byte* recv, const Blocks& blocks) {
  if (blocks.total() < kLargeAllgather) {
    AddBruckAllgather(schedule, send, recv, blocks);
    return;
  }
  schedule.Copy(send, recv + blocks.at(schedule.rank()));
  AddRingAllgather(schedule, recv, blocks, -1);
}

}  // namespace weft
