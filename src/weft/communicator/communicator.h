// Collectives and tagged messages over the ranks of one job.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/base/types.h"
#include "weft/communicator/transport.h"

namespace weft {

/// A non-blocking operation under way. One thread at a time. Dropping one that is not done cancels it.
class Request {
 public:
  virtual ~Request() = default;

  /// Moves data without waiting. True when the operation is done; its error where it failed. After that every call
  /// gives the same answer.
  virtual arrow::Result<bool> Test() = 0;

  /// Blocks until done, at most the communicator's timeout (kTimedOut after that).
  virtual arrow::Status Wait() = 0;

  /// Gives the operation up if it is not done: it and the communicator fail with kCancelled.
  virtual arrow::Status Cancel() = 0;

  /// For a receive that is done: length of the message in bytes. Else 0.
  virtual int64_t received_bytes() const { return 0; }
};

using RequestPtr = std::unique_ptr<Request>;

/// Combines `count` elements: `inout[i] = in[i] op inout[i]` in the order of ranks (`in` is from lower ranks). Must be
/// associative; is called by the thread that waits.
using ReduceFunction = std::function<arrow::Status(const std::byte* in, std::byte* inout, int64_t count)>;

/// What a reduction does: one of MPI's operations on an Arrow type, or a function on elements of `element_size` bytes.
struct Reduction {
  /// BOOL (one byte an element, 0 or 1), INT8 ... UINT64, HALF_FLOAT, FLOAT, DOUBLE. Integer sums and products wrap.
  /// Bit operations are for integers and BOOL. MIN and MAX with a NaN give NaN.
  arrow::Type::type type;
  ReduceOp op = ReduceOp::kSum;
  /// Where set, `type` and `op` are not looked at.
  ReduceFunction function = {};
  int64_t element_size = 0;
};

struct CommunicatorOptions {
  /// A peer that is alive but does not come ends a wait after this.
  Duration timeout = std::chrono::minutes(30);
  /// Polled at least every 100 ms in each wait; its error cancels the operation. Python's looks for signals.
  std::function<arrow::Status()> check_interrupt;
  /// Each collective first checks that all ranks call the same one with agreeing counts (kMismatch otherwise).
  bool check_collectives = false;
};

class CallMark;
struct CollectiveCall;

/// Every method is collective over all ranks but those of "messages" and "state". All ranks call the same collectives
/// in the same order; that some called another is found by heartbeats within two seconds (kMismatch on all).
///
/// Lengths, counts and displacements are in bytes for data movement and in elements for reductions, 64 bits each. A
/// vector of counts or displacements has one entry a rank. Empty `displacements` mean "one after the other". On ranks
/// that do not use a buffer it may be empty. A send and a receive buffer may be the very same memory (in place) where
/// their lengths are equal; they may not overlap otherwise. In gather(v) and scatter(v) the root's own block may be in
/// place.
///
/// Arguments that are wrong (a root outside the world, counts that do not fit the buffer, a reduction that the type
/// does not have) are Status::Invalid before anything is sent. Errors of communication carry a CommunicationError and
/// fail the communicator: later calls return it again.
///
/// A form with `I` starts the operation and returns a Request; the buffers must stay valid until it is done, `owner` is
/// held until then. Several may be under way; all ranks start them in the same order. The form without waits.
///
/// Threads: one thread at a time (checked: a second one gets Status::Invalid). Dup and Split make more communicators.
class Communicator {
 public:
  virtual ~Communicator() = default;

  // State: local, not collective, thread-safe.
  virtual std::string backend() const = 0;
  virtual Rank rank() const = 0;
  virtual int world_size() const = 0;
  virtual arrow::Status failure() const = 0;
  virtual std::vector<LinkInfo> links() const = 0;
  virtual const CommunicatorOptions& options() const = 0;

  /// Fails this communicator and tells the other ranks why (see Transport::Abort). Not collective, thread-safe.
  virtual void Abort(const arrow::Status& cause) = 0;

  // Messages: between two ranks; tags below 2^32.
  static constexpr Tag kMaxTag = (Tag{1} << 32) - 1;
  virtual arrow::Result<RequestPtr> Isend(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner = {}) = 0;
  virtual arrow::Result<RequestPtr> Irecv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner = {}) = 0;
  arrow::Status Send(Rank to, Tag tag, ConstBytes data);
  /// Returns the length of the message; one longer than `data` is kMismatch.
  arrow::Result<int64_t> Recv(Rank from, Tag tag, MutableBytes data);

  /// An operation that is made of messages and of which all ranks have a part, until the returned mark is gone. It has
  /// a number among the collectives, so that a rank that calls another one is found as it is there. Sends nothing.
  virtual std::shared_ptr<CallMark> Enter(const CollectiveCall& call) = 0;

  // Collectives.
  virtual arrow::Result<RequestPtr> Ibarrier() = 0;
  virtual arrow::Result<RequestPtr> Ibroadcast(MutableBytes data, Rank root, Owner owner = {}) = 0;
  virtual arrow::Result<RequestPtr> Igatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                             std::vector<int64_t> displacements, Rank root, Owner owner = {}) = 0;
  virtual arrow::Result<RequestPtr> Iallgatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                                std::vector<int64_t> displacements, Owner owner = {}) = 0;
  virtual arrow::Result<RequestPtr> Iscatterv(ConstBytes send, std::vector<int64_t> counts,
                                              std::vector<int64_t> displacements, MutableBytes recv, Rank root,
                                              Owner owner = {}) = 0;
  virtual arrow::Result<RequestPtr> Ialltoallv(ConstBytes send, std::vector<int64_t> send_counts,
                                               std::vector<int64_t> send_displacements, MutableBytes recv,
                                               std::vector<int64_t> recv_counts,
                                               std::vector<int64_t> recv_displacements, Owner owner = {}) = 0;
  /// Result on `root` alone.
  virtual arrow::Result<RequestPtr> Ireduce(ConstBytes send, MutableBytes recv, int64_t count,
                                            const Reduction& reduction, Rank root, Owner owner = {}) = 0;
  virtual arrow::Result<RequestPtr> Iallreduce(ConstBytes send, MutableBytes recv, int64_t count,
                                               const Reduction& reduction, Owner owner = {}) = 0;
  /// Rank r gets `counts[r]` elements of the reduced whole, which is sum(counts) long.
  virtual arrow::Result<RequestPtr> IreduceScatter(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                                   const Reduction& reduction, Owner owner = {}) = 0;
  /// Inclusive: rank r gets the reduction over ranks 0 ... r.
  virtual arrow::Result<RequestPtr> Iscan(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction,
                                          Owner owner = {}) = 0;

  // The same with equal blocks: gather and allgather receive world_size blocks of send.size(), scatter and alltoall
  // send world_size blocks of recv.size() (alltoall: recv.size() / world_size). They stand on the forms above; alltoall
  // is virtual because only here all ranks know that the blocks are equal, which allows other algorithms.
  arrow::Result<RequestPtr> Igather(ConstBytes send, MutableBytes recv, Rank root, Owner owner = {});
  arrow::Result<RequestPtr> Iallgather(ConstBytes send, MutableBytes recv, Owner owner = {});
  arrow::Result<RequestPtr> Iscatter(ConstBytes send, MutableBytes recv, Rank root, Owner owner = {});
  virtual arrow::Result<RequestPtr> Ialltoall(ConstBytes send, MutableBytes recv, Owner owner = {});

  arrow::Status Barrier();
  arrow::Status Broadcast(MutableBytes data, Rank root);
  arrow::Status Gather(ConstBytes send, MutableBytes recv, Rank root);
  arrow::Status Gatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                        std::vector<int64_t> displacements, Rank root);
  arrow::Status Allgather(ConstBytes send, MutableBytes recv);
  arrow::Status Allgatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                           std::vector<int64_t> displacements);
  arrow::Status Scatter(ConstBytes send, MutableBytes recv, Rank root);
  arrow::Status Scatterv(ConstBytes send, std::vector<int64_t> counts, std::vector<int64_t> displacements,
                         MutableBytes recv, Rank root);
  arrow::Status Alltoall(ConstBytes send, MutableBytes recv);
  arrow::Status Alltoallv(ConstBytes send, std::vector<int64_t> send_counts, std::vector<int64_t> send_displacements,
                          MutableBytes recv, std::vector<int64_t> recv_counts, std::vector<int64_t> recv_displacements);
  arrow::Status Reduce(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction, Rank root);
  arrow::Status Allreduce(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction);
  arrow::Status ReduceScatter(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                              const Reduction& reduction);
  arrow::Status Scan(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction);

  /// Waits, with progress on all, until one of the requests that are not yet done is done, at most `max_wait`. Local.
  /// Returns the communicator's failure. The way to wait for any of several requests without spinning.
  virtual arrow::Status Progress(Duration max_wait) = 0;

  /// A communicator over the same ranks whose operations do not meet this one's. Collective.
  virtual arrow::Result<std::unique_ptr<Communicator>> Dup() = 0;

  /// Ranks of one `color` make a communicator, ordered by (key, rank); a negative color gets nullptr. Collective.
  virtual arrow::Result<std::unique_ptr<Communicator>> Split(int color, int key) = 0;

  /// Leaves in good order: waits for the peers at most `timeout`. Later calls return Status::Invalid. Collective, but a
  /// rank that does not come only costs the wait. Idempotent.
  virtual arrow::Status Close(Duration timeout = std::chrono::seconds(5)) = 0;
};

}  // namespace weft
