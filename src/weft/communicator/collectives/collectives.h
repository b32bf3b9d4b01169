// The algorithms of the collectives: each adds its rounds to a schedule. Arguments have been checked. Every rank of a
// collective must come to the same choice of algorithm, so choices stand on the world size and on what all ranks know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "weft/communicator/schedule.h"

namespace weft {

/// Where each rank's block lies in a buffer, in bytes.
class Blocks {
 public:
  Blocks() = default;
  /// Empty displacements: one block after the other.
  Blocks(std::vector<int64_t> counts, std::vector<int64_t> displacements);
  /// `total` elements of `element_size` cut in `parts` blocks that differ by one element at most.
  static Blocks Even(int64_t total, int64_t element_size, int parts);

  int64_t size(Rank rank) const { return counts_[static_cast<size_t>(rank)]; }
  int64_t at(Rank rank) const { return displacements_[static_cast<size_t>(rank)]; }
  ConstBytes of(const std::byte* base, Rank rank) const { return {base + at(rank), static_cast<size_t>(size(rank))}; }
  MutableBytes of(std::byte* base, Rank rank) const { return {base + at(rank), static_cast<size_t>(size(rank))}; }
  int64_t total() const;
  int64_t largest() const;
  std::span<const int64_t> counts() const { return counts_; }

 private:
  std::vector<int64_t> counts_;
  std::vector<int64_t> displacements_;
};

// barrier.cc
void AddBarrier(Schedule& schedule);

// broadcast.cc
void AddBroadcast(Schedule& schedule, MutableBytes data, Rank root);

// gather.cc
void AddGather(Schedule& schedule, ConstBytes send, std::byte* recv, const Blocks& blocks, Rank root);
void AddScatter(Schedule& schedule, const std::byte* send, const Blocks& blocks, MutableBytes recv, Rank root);

// allgather.cc
void AddAllgather(Schedule& schedule, ConstBytes send, std::byte* recv, const Blocks& blocks);
void AddBruckAllgather(Schedule& schedule, ConstBytes send, std::byte* recv, const Blocks& blocks);
/// `recv` holds this rank's block already; blocks that `root` sends itself need not come to it (-1: none).
void AddRingAllgather(Schedule& schedule, std::byte* recv, const Blocks& blocks, Rank root);

// alltoall.cc
void AddAlltoallv(Schedule& schedule, const std::byte* send, const Blocks& send_blocks, std::byte* recv,
                  const Blocks& recv_blocks);
/// Equal blocks of `block` bytes: every rank knows that they are equal, so small ones can share messages.
void AddAlltoall(Schedule& schedule, const std::byte* send, std::byte* recv, int64_t block);

// reduce.cc. Reductions use schedule.reducer(); counts are in elements.
void AddReduce(Schedule& schedule, const std::byte* send, std::byte* recv, int64_t count, Rank root);
/// `data` holds this rank's elements and gets the result.
void AddAllreduce(Schedule& schedule, std::byte* data, int64_t count);
void AddReduceScatter(Schedule& schedule, const std::byte* send, std::byte* recv, const std::vector<int64_t>& counts);
void AddScan(Schedule& schedule, const std::byte* send, std::byte* recv, int64_t count);

}  // namespace weft
