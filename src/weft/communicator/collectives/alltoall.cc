#include "weft/communicator/collectives/collectives.h"

namespace weft {
namespace {

/// A round of the pairwise exchange takes further partners until it has this many bytes or messages.
constexpr int64_t kRoundBytes = 4 << 20;
constexpr int kRoundPartners = 32;
/// Below this size of a block Bruck's log2(n) rounds beat n - 1 messages.
constexpr int64_t kSmallBlock = 256;
constexpr int kLeastRanksForBruck = 8;

}  // namespace

// Pairwise exchange: with distance d = 1 ... n - 1 a rank sends to the one d above and receives from the one d below,
// so that at any moment each rank has one sender. Rounds bound what is in flight.
void AddAlltoallv(Schedule& schedule, const std::byte* send, const Blocks& send_blocks, std::byte* recv,
                  const Blocks& recv_blocks) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  int64_t bytes = 0;
  int partners = 0;
  for (int distance = 1; distance < size; ++distance) {
    const Rank from = (rank - distance + size) % size;
    const Rank to = (rank + distance) % size;
    schedule.Recv(from, recv_blocks.of(recv, from));
    schedule.Send(to, send_blocks.of(send, to));
    bytes += recv_blocks.size(from) + send_blocks.size(to);
    if (bytes >= kRoundBytes || ++partners == kRoundPartners) {
      schedule.EndRound();
      bytes = 0;
      partners = 0;
    }
  }
  schedule.Copy(send_blocks.of(send, rank), recv + recv_blocks.at(rank));
  schedule.EndRound();
}

// Small: Bruck et al. 1997. Block i of a rank travels to the rank i above it by the binary digits of i: in the round of
// distance d all blocks whose number has that digit go together in one message.
void AddAlltoall(Schedule& schedule, const std::byte* send, std::byte* recv, int64_t block) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  if (size < kLeastRanksForBruck || block > kSmallBlock || block == 0) {
    const Blocks blocks(std::vector<int64_t>(static_cast<size_t>(size), block), {});
    AddAlltoallv(schedule, send, blocks, recv, blocks);
    return;
  }
  const auto length = static_cast<size_t>(block);
  std::byte* rotated = schedule.Temporary(block * size).data();
  std::byte* out = schedule.Temporary(block * ((size + 1) / 2)).data();
  std::byte* in = schedule.Temporary(block * ((size + 1) / 2)).data();
  for (int i = 0; i < size; ++i) schedule.Copy({send + block * ((rank + i) % size), length}, rotated + block * i);
  for (int distance = 1; distance < size; distance *= 2) {
    int64_t filled = 0;
    for (int i = distance; i < size; ++i) {
      if ((i & distance) == 0) continue;
      schedule.Copy({rotated + block * i, length}, out + filled);
      filled += block;
    }
    schedule.Recv((rank - distance + size) % size, {in, static_cast<size_t>(filled)});
    schedule.Send((rank + distance) % size, {out, static_cast<size_t>(filled)});
    schedule.EndRound();
    filled = 0;
    for (int i = distance; i < size; ++i) {
      if ((i & distance) == 0) continue;
      schedule.Copy({in + filled, length}, rotated + block * i);
      filled += block;
    }
  }
  // Block i has come from the rank i below.
  for (int i = 0; i < size; ++i) {
    schedule.Copy({rotated + block * i, length}, recv + block * ((rank - i + size) % size));
  }
}

}  // namespace weft
