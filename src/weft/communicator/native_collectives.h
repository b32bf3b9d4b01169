// Collectives that a library brings along, for a communicator to use in place of those built from its transport.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/types.h"
#include "weft/communicator/collectives/collectives.h"
#include "weft/communicator/communicator.h"

namespace weft {

/// One collective of a library, one step of a schedule. Called by one thread at a time.
class NativeCollective {
 public:
  virtual ~NativeCollective() = default;
  /// Moves it, the first time from its start. True when it is done; then it is not called again.
  virtual arrow::Result<bool> Test() = 0;
  /// Ranks that it waits for, in order; empty where the library does not say: then all others.
  virtual std::vector<Rank> WaitsFor() const { return {}; }
  /// It is given up before it was done. `memory` keeps the buffers: to be held until the library lets go of them.
  virtual void Abandon(Owner memory) = 0;
};

using NativeCollectivePtr = std::unique_ptr<NativeCollective>;

/// What a library offers to the ranks of one communicator. A collective is nullptr where the library does
/// not do it as Communicator says it is done; all ranks must come to the same answer, so it stands on what all of them
/// know (types and operations, not counts of their own). Arguments have been checked; send and receive memory may be
/// the same. They are asked for in the same order on all ranks, but may be started in another one; none of them waits.
class NativeCollectives {
 public:
  virtual ~NativeCollectives() = default;

  virtual NativeCollectivePtr Barrier() = 0;
  virtual NativeCollectivePtr Broadcast(MutableBytes data, Rank root) = 0;
  /// `blocks` is the root's alone.
  virtual NativeCollectivePtr Gather(ConstBytes send, std::byte* recv, const Blocks& blocks, Rank root) = 0;
  virtual NativeCollectivePtr Scatter(const std::byte* send, const Blocks& blocks, MutableBytes recv, Rank root) = 0;
  virtual NativeCollectivePtr Allgather(ConstBytes send, std::byte* recv, const Blocks& blocks) = 0;
  virtual NativeCollectivePtr Alltoall(const std::byte* send, std::byte* recv, int64_t block) = 0;
  virtual NativeCollectivePtr Alltoallv(const std::byte* send, const Blocks& send_blocks, std::byte* recv,
                                        const Blocks& recv_blocks) = 0;
  virtual NativeCollectivePtr Reduce(const std::byte* send, std::byte* recv, int64_t count, const Reduction& reduction,
                                     Rank root) = 0;
  virtual NativeCollectivePtr Allreduce(const std::byte* send, std::byte* recv, int64_t count,
                                        const Reduction& reduction) = 0;
  virtual NativeCollectivePtr ReduceScatter(const std::byte* send, std::byte* recv, const std::vector<int64_t>& counts,
                                            const Reduction& reduction) = 0;

  /// Moves what the library still has to do after its collectives were done here; called in every wait. Never waits.
  virtual void Progress() = 0;

  /// The same for `group`, made by Dup or Split and not yet used by others. Collective over it.
  virtual arrow::Result<std::unique_ptr<NativeCollectives>> ForGroup(Communicator& group) = 0;

  /// Lets go of the library; where `healthy`, collective and in good order. Idempotent, done by the destructor with no
  /// wait.
  virtual void Close(Deadline deadline, bool healthy) = 0;
};

/// What a communicator of MakeP2PCommunicator is besides.
class NativeHost {
 public:
  virtual ~NativeHost() = default;
  /// From here on collectives are `native`'s where it has them, and backend() is `backend`; so it is with what Dup and
  /// Split make. They count as the communicator's own: with heartbeats, agreement, timeout, interrupts and aborts.
  virtual void UseNative(std::string backend, std::unique_ptr<NativeCollectives> native) = 0;
};

}  // namespace weft
