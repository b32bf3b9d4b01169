#include <algorithm>

#include "weft/communicator/collectives/collectives.h"

// All of these combine in the order of ranks, so that functions need not commute and that every rank that computes a
// result computes the same one to the last bit.

namespace weft {
namespace {

constexpr int64_t kLargeReduce = 256 * 1024;
constexpr int64_t kLargeAllreduce = 32 * 1024;
constexpr int64_t kSmallReduceScatter = 4 * 1024;

/// Pairwise exchange of blocks: in round d a rank gets its own block from the rank d below, so contributions come in
/// the order rank - 1, ..., 0, size - 1, ..., rank + 1. Those from below and those from above are combined apart, each
/// of them to the left of what is there, and joined at the end. The next block travels while one is combined. (Thakur,
/// Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH", 2005, with the order kept.)
/// `out` may be this rank's own block of `send`.
void AddPairwiseReduceScatter(Schedule& schedule, const std::byte* send, std::byte* out, const Blocks& blocks) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  const int64_t bytes = blocks.size(rank);
  const int64_t count = bytes / schedule.reducer().element_size();
  schedule.Copy(blocks.of(send, rank), out);
  if (size == 1) return;
  std::byte* const in[2] = {schedule.Temporary(bytes).data(), schedule.Temporary(bytes).data()};
  std::byte* above = rank + 1 < size ? schedule.Temporary(bytes).data() : nullptr;
  const auto buffer = [&](int distance) { return distance == rank + 1 ? above : in[distance % 2]; };
  const auto exchange = [&](int distance) {
    schedule.Recv((rank - distance + size) % size, {buffer(distance), static_cast<size_t>(bytes)});
    schedule.Send((rank + distance) % size, blocks.of(send, (rank + distance) % size));
  };
  exchange(1);
  schedule.EndRound();
  for (int distance = 1; distance < size; ++distance) {
    if (distance + 1 < size) exchange(distance + 1);
    std::byte* got = buffer(distance);
    if (distance <= rank) {
      schedule.Combine(got, out, out, count);
    } else if (got != above) {
      schedule.Combine(got, above, above, count);
    }
    schedule.EndRound();
  }
  if (above != nullptr) schedule.Combine(out, above, out, count);
}

/// Recursive doubling (Thakur et al. 2005): in the round of distance d partners d apart exchange and combine all they
/// have. Where the world is no power of two, the lowest pairs of neighbours first become one.
void AddRecursiveDoublingAllreduce(Schedule& schedule, std::byte* data, int64_t count) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  const auto bytes = static_cast<size_t>(count * schedule.reducer().element_size());
  int power = 1;
  while (power * 2 <= size) power *= 2;
  const int pairs = size - power;
  const bool paired = rank < 2 * pairs;
  if (paired && rank % 2 == 0) {
    schedule.Send(rank + 1, {data, bytes});
    schedule.EndRound();
    schedule.Recv(rank + 1, {data, bytes});
    schedule.EndRound();
    return;
  }
  std::byte* in = schedule.Temporary(static_cast<int64_t>(bytes)).data();
  if (paired) {
    schedule.Recv(rank - 1, {in, bytes});
    schedule.EndRound();
    schedule.Combine(in, data, data, count);
  }
  const int place = paired ? rank / 2 : rank - pairs;
  for (int distance = 1; distance < power; distance *= 2) {
    const int other = place ^ distance;
    const Rank partner = other < pairs ? 2 * other + 1 : other + pairs;
    schedule.Recv(partner, {in, bytes});
    schedule.Send(partner, {data, bytes});
    schedule.EndRound();
    if (partner < rank) {
      schedule.Combine(in, data, data, count);
    } else {
      schedule.Combine(data, in, data, count);
    }
  }
  if (paired) {
    schedule.Send(rank - 1, {data, bytes});
    schedule.EndRound();
  }
}

/// Binomial tree to rank 0, whose subtrees are ranges of ranks; another root gets the result from there.
void AddBinomialReduce(Schedule& schedule, const std::byte* send, std::byte* recv, int64_t count, Rank root) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  const auto bytes = static_cast<size_t>(count * schedule.reducer().element_size());
  if (rank % 2 == 1) {
    schedule.Send(rank - 1, {send, bytes});
    schedule.EndRound();
  } else {
    std::byte* data = rank == root ? recv : schedule.Temporary(static_cast<int64_t>(bytes)).data();
    std::byte* in = size > 1 ? schedule.Temporary(static_cast<int64_t>(bytes)).data() : nullptr;
    schedule.Copy({send, bytes}, data);
    for (int distance = 1; distance < size; distance *= 2) {
      if ((rank & distance) != 0) {
        schedule.Send(rank - distance, {data, bytes});
        schedule.EndRound();
        break;
      }
      if (rank + distance >= size) continue;
      schedule.Recv(rank + distance, {in, bytes});
      schedule.EndRound();
      schedule.Combine(data, in, data, count);
    }
    if (rank == 0 && root != 0) {
      schedule.Send(root, {data, bytes});
      schedule.EndRound();
    }
  }
  if (rank == root && root != 0) {
    schedule.Recv(0, {recv, bytes});
    schedule.EndRound();
  }
}

}  // namespace

// Large: every rank reduces one block, the root gathers them (Rabenseifner, "Optimization of collective reduction
// operations", 2004).
void AddReduce(Schedule& schedule, const std::byte* send, std::byte* recv, int64_t count, Rank root) {
  const int64_t element_size = schedule.reducer().element_size();
  if (count * element_size < kLargeReduce || schedule.size() < 3) {
    AddBinomialReduce(schedule, send, recv, count, root);
    return;
  }
  const Rank rank = schedule.rank();
  const Blocks blocks = Blocks::Even(count, element_size, schedule.size());
  std::byte* own = rank == root ? recv + blocks.at(rank) : schedule.Temporary(blocks.size(rank)).data();
  AddPairwiseReduceScatter(schedule, send, own, blocks);
  AddGather(schedule, {own, static_cast<size_t>(blocks.size(rank))}, recv, blocks, root);
}

// Large: reduce-scatter, then all-gather in a ring (after Rabenseifner 2004): each rank sends twice the data at most,
// whatever the world.
void AddAllreduce(Schedule& schedule, std::byte* data, int64_t count) {
  const int64_t element_size = schedule.reducer().element_size();
  if (count * element_size < kLargeAllreduce || count < schedule.size()) {
    AddRecursiveDoublingAllreduce(schedule, data, count);
    return;
  }
  const Blocks blocks = Blocks::Even(count, element_size, schedule.size());
  AddPairwiseReduceScatter(schedule, data, data + blocks.at(schedule.rank()), blocks);
  AddRingAllgather(schedule, data, blocks, -1);
}

void AddReduceScatter(Schedule& schedule, const std::byte* send, std::byte* recv, const std::vector<int64_t>& counts) {
  const int64_t element_size = schedule.reducer().element_size();
  std::vector<int64_t> lengths = counts;
  for (int64_t& length : lengths) length *= element_size;
  const Blocks blocks(std::move(lengths), {});
  const int64_t total = blocks.total();
  if (total >= kSmallReduceScatter || schedule.size() < 3) {
    AddPairwiseReduceScatter(schedule, send, recv, blocks);
    return;
  }
  std::byte* all = schedule.Temporary(total).data();
  schedule.Copy({send, static_cast<size_t>(total)}, all);
  AddAllreduce(schedule, all, total / element_size);
  schedule.Copy(blocks.of(all, schedule.rank()), recv);
}

// Hillis, Steele, "Data parallel algorithms", 1986: after the round of distance d a rank has the reduction over the
// 2 d ranks that end with it.
void AddScan(Schedule& schedule, const std::byte* send, std::byte* recv, int64_t count) {
  const int size = schedule.size();
  const Rank rank = schedule.rank();
  const auto bytes = static_cast<size_t>(count * schedule.reducer().element_size());
  schedule.Copy({send, bytes}, recv);
  std::byte* in = rank > 0 ? schedule.Temporary(static_cast<int64_t>(bytes)).data() : nullptr;
  for (int distance = 1; distance < size; distance *= 2) {
    if (rank >= distance) schedule.Recv(rank - distance, {in, bytes});
    if (rank + distance < size) schedule.Send(rank + distance, {recv, bytes});
    schedule.EndRound();
    if (rank >= distance) schedule.Combine(in, recv, recv, count);
  }
}

}  // namespace weft
