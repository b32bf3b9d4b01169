// A collective as a list of steps.
#pragma once

#include <arrow/status.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/base/types.h"
#include "weft/communicator/communicator.h"
#include "weft/communicator/reduction.h"
#include "weft/communicator/transport.h"

namespace weft {

class NativeCollective;

/// Where a schedule's messages go: the transport, the tag, and the transport's rank of each rank of the communicator.
struct Route {
  Transport* transport = nullptr;
  Tag tag = 0;
  const std::vector<Rank>* ranks = nullptr;
};

/// A non-blocking operation as rounds of sends, receives and local steps (the form of LibNBC: Hoefler, Lumsdaine, Rehm,
/// SC 2007). Steps run in the order in which they were added; EndRound waits for all sends and receives before it. A
/// local step between a send and the round's end overlaps with it.
///
/// The collectives build one, a SharedTransport runs it. It is the owner of its temporary memory and of the caller's
/// `owner`, and every send and receive keeps the schedule alive until the transport lets go.
class Schedule : public std::enable_shared_from_this<Schedule> {
 public:
  Schedule(Rank rank, int size);
  ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  Rank rank() const { return rank_; }
  int size() const { return size_; }

  // Building. Ranks are the communicator's; memory must stay valid until the schedule is done.
  void Send(Rank to, ConstBytes data);
  /// The message must be as long as `data`: other lengths are kMismatch.
  void Recv(Rank from, MutableBytes data);
  /// Nothing where the two are the same memory; they may overlap.
  void Copy(ConstBytes from, std::byte* to);
  /// See Reducer::Combine; set_reducer before.
  void Combine(std::byte* lower, std::byte* higher, std::byte* out, int64_t count);
  /// Runs `check` on `data`; its error fails the schedule, but does not tell other ranks: all must come to it.
  using Check = arrow::Status (*)(const Schedule& schedule, ConstBytes data);
  void AddCheck(Check check, ConstBytes data);
  void EndRound();
  /// A library's collective; the steps after it wait for its end.
  void AddNative(std::unique_ptr<NativeCollective> native);
  /// Memory of the schedule, uninitialised. Where there is none the schedule fails when it is started.
  MutableBytes Temporary(int64_t bytes);
  void set_reducer(Reducer reducer) { reducer_ = std::move(reducer); }
  const Reducer& reducer() const { return reducer_; }
  void set_owner(Owner owner) { owner_ = std::move(owner); }

  // Running, by a SharedTransport under its lock.

  /// Runs steps until one must wait. True when all are done. The first error of a step or message ends it.
  arrow::Result<bool> Advance(const Route& route);

  /// Instead of steps: one message whose length may be shorter than the receive.
  arrow::Status StartMessage(const Route& route, Rank peer, bool receive, std::vector<ConstBytes> send_parts,
                             std::vector<MutableBytes> recv_parts);

  /// Gives up what is under way.
  void CancelPending(Transport& transport);

  /// A library's collective is under way.
  bool native_under_way() const { return native_under_way_; }

  /// Ranks whose messages, or whose taking of messages, the current round waits for, in order; for a library's
  /// collective see NativeCollective::WaitsFor.
  std::vector<Rank> PendingPeers() const;

  /// True where the error of Advance came from an AddCheck.
  bool failed_check() const { return failed_check_; }
  int64_t received_bytes() const { return received_bytes_; }

  /// No step runs afterwards. Where all went well the caller's `owner` is let go; else memory lives on until the
  /// transport has let go of the schedule.
  void Finish(bool ok);

 private:
  enum class Kind : uint8_t { kSend, kRecv, kCopy, kCombine, kCheck, kEndRound, kNative };
  struct Step {
    Kind kind;
    Rank peer;
    int64_t length;  // bytes, for kCombine elements
    std::byte* a;
    std::byte* b;
    union {
      std::byte* out;
      Check check;
    };
  };
  struct Pending {
    OperationPtr operation;
    Rank peer;
    int64_t expected;  // bytes, or -1: any
  };

  arrow::Status RunStep(const Step& step, const Route& route);
  arrow::Result<bool> PendingDone();

  const Rank rank_;
  const int size_;
  bool out_of_memory_ = false;
  bool failed_check_ = false;
  bool receive_message_ = false;
  bool native_under_way_ = false;
  size_t next_ = 0;
  int64_t received_bytes_ = 0;
  std::vector<Step> steps_;
  std::vector<Pending> pending_;
  std::vector<std::unique_ptr<std::byte[]>> memory_;
  size_t inline_used_ = 0;
  alignas(16) std::byte inline_[256];
  Reducer reducer_;
  std::unique_ptr<NativeCollective> native_;
  Owner owner_;
};

}  // namespace weft
