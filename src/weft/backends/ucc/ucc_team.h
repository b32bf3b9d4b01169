// UCC's collectives among the ranks of one communicator.
#pragma once

#include <arrow/result.h>
#include <ucc/api/ucc.h>

#include <memory>
#include <vector>

#include "weft/backends/ucc/ucc_library.h"
#include "weft/communicator/native_collectives.h"

namespace weft::ucc {

class UccCollective;

/// What UCC does not do here, although it could: half floats and BOOL (one byte, any other value than 0 reads as 1),
/// MIN and MAX of floats (ours keep a NaN), logical operations on floats, and sums and products of floats by an
/// all-reduce of more than two ranks (UCC adds in another order on each rank, so results would differ in the last bit).
class UccTeam : public NativeCollectives {
 public:
  /// Collective over `group`, whose collectives UCC uses to exchange addresses.
  static arrow::Result<std::unique_ptr<UccTeam>> Make(std::shared_ptr<UccLibrary> library, Communicator& group,
                                                      Deadline deadline);
  ~UccTeam() override;

  NativeCollectivePtr Barrier() override;
  NativeCollectivePtr Broadcast(MutableBytes data, Rank root) override;
  NativeCollectivePtr Gather(ConstBytes send, std::byte* recv, const Blocks& blocks, Rank root) override;
  NativeCollectivePtr Scatter(const std::byte* send, const Blocks& blocks, MutableBytes recv, Rank root) override;
  NativeCollectivePtr Allgather(ConstBytes send, std::byte* recv, const Blocks& blocks) override;
  NativeCollectivePtr Alltoall(const std::byte* send, std::byte* recv, int64_t block) override;
  NativeCollectivePtr Alltoallv(const std::byte* send, const Blocks& send_blocks, std::byte* recv,
                                const Blocks& recv_blocks) override;
  NativeCollectivePtr Reduce(const std::byte* send, std::byte* recv, int64_t count, const Reduction& reduction,
                             Rank root) override;
  NativeCollectivePtr Allreduce(const std::byte* send, std::byte* recv, int64_t count,
                                const Reduction& reduction) override;
  NativeCollectivePtr ReduceScatter(const std::byte* send, std::byte* recv, const std::vector<int64_t>& counts,
                                    const Reduction& reduction) override;
  void Progress() override;
  arrow::Result<std::unique_ptr<NativeCollectives>> ForGroup(Communicator& group) override;
  void Close(Deadline deadline, bool healthy) override;

 private:
  UccTeam(std::shared_ptr<UccLibrary> library, Communicator& group);
  /// Polls until the team is there.
  arrow::Status Create(Deadline deadline);
  ucc_coll_args_t Arguments(ucc_coll_type_t type) const;
  /// nullptr where this UCC does not have it.
  NativeCollectivePtr Begin(std::unique_ptr<UccCollective> collective) const;

  const std::shared_ptr<UccLibrary> library_;
  Communicator& group_;
  const Rank rank_;
  const int size_;
  const Duration timeout_;
  OutOfBand exchange_;
  ucc_team_h team_ = nullptr;
  bool counted_ = false;
};

}  // namespace weft::ucc
