// One message or collective under way over MPI.
#pragma once

#include <arrow/status.h>
#include <mpi.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "weft/backends/mpi/datatypes.h"
#include "weft/backends/mpi/reductions.h"
#include "weft/communicator/collectives/collectives.h"
#include "weft/communicator/communicator_context.h"

namespace weft::mpi {

struct Operation;

/// What is known of one rank of a communicator.
struct PeerState {
  int64_t messages_sent = 0;
  int64_t messages_received = 0;
  /// It has closed the communicator: it called the collectives below `calls` and sent `messages` messages to this rank.
  bool left = false;
  uint32_t calls = 0;
  int64_t messages = 0;
  Clock::time_point left_at;
  uint32_t long_tags = 0;  // messages to it whose tags are too long for MPI
};

/// The head of a message whose tag is too long for MPI; its payload comes under a tag made from `sequence`.
struct LongTag {
  Tag tag;
  uint32_t sequence;
  Rank from;  // filled in by the receiver
};

/// One communicator.
struct MpiContext : CommunicatorContext {
  MPI_Comm comm = MPI_COMM_NULL;
  /// The library still has an operation of it that was given up: it is never freed.
  bool dirty = false;
  std::vector<PeerState> peers;
  /// Collectives that are not yet with MPI, which wants them in the same order on all ranks.
  std::deque<std::shared_ptr<Operation>> to_launch;
  /// Heads that came before their receives.
  std::vector<LongTag> long_tags;
};

/// Every buffer that MPI sees belongs to the operation, or to its `owner`: what is given up lives on until MPI lets go
/// of it, and the caller's memory is not touched any more. So where there is no owner, data goes through copies.
struct Operation : std::enable_shared_from_this<Operation> {
  enum class Stage : uint8_t {
    kAgreeing,    // ranks tell each other what they call
    kQueued,      // not yet with MPI: others go first, or a head is missing
    kRunning,     // MPI has it
    kConfirming,  // ranks tell each other whether the reduce function went well
    kExplaining,  // lengths differ: the others may know what this rank does not
    kDone,
  };

  std::shared_ptr<MpiContext> context;
  const char* name = "";
  bool collective = false;
  uint32_t number = 0;
  CollectiveCall call;
  Rank peer = -1;
  Tag tag = 0;
  bool receive = false;
  Clock::time_point begin;
  int64_t bytes = 0;  // about as many are moved
  Owner owner;

  Stage stage = Stage::kQueued;
  /// Hands the operation to MPI.
  std::function<arrow::Status(Operation&)> launch;
  std::vector<MPI_Request> requests;
  /// A message to receive. It is handed to MPI when it has come and its length is known: of one that is longer than its
  /// receive, Open MPI 4.1 writes all to where the receive was to go (over shared memory, from 4 KiB on).
  struct Awaited {
    Typed place;
    int64_t bytes = 0;
    Rank from = -1;
    int tag = 0;
  };
  std::vector<Awaited> awaited;
  Operator reduction;
  std::vector<CollectiveCall> calls;  // of all ranks, while agreeing
  std::vector<int32_t> flags;         // of all ranks, while confirming
  Clock::time_point explained_by;

  int64_t received = 0;
  arrow::Status status;
  bool seen = false;
  uint64_t unseen_epoch = 0;

  bool done() const { return stage == Stage::kDone; }
  /// Between the stages it moves only when it is pushed.
  bool staged() const { return (stage != Stage::kRunning || !awaited.empty()) && stage != Stage::kDone; }

  /// Uninitialised memory of the operation; where there is none, it fails when it is launched.
  std::byte* Temporary(int64_t size);
  /// Where MPI may read `data`: there, or a copy.
  const std::byte* In(ConstBytes data);
  /// Where MPI may write what `data` is to hold in the end.
  std::byte* Out(MutableBytes data);
  /// The same for blocks; they lie close together where they are copied.
  const std::byte* In(const std::byte* base, Blocks* blocks);
  std::byte* Out(std::byte* base, Blocks* blocks) { return owner != nullptr ? base : OutPacked(base, blocks); }
  /// The same, copied whoever owns them.
  std::byte* OutPacked(std::byte* base, Blocks* blocks);
  /// One place for what is to be cut into `parts`, whoever owns them.
  std::byte* OutParts(const std::vector<MutableBytes>& parts, int64_t total);
  /// A copy, whoever owns it.
  const std::byte* Copy(ConstBytes data);
  /// Memory that MPI may look at until it is done.
  template <typename T>
  std::vector<T>& Keep(std::vector<T> values) {
    auto kept = std::make_shared<std::vector<T>>(std::move(values));
    kept_.push_back(kept);
    return *kept;
  }
  /// `typed` is freed when MPI is done.
  const Typed& Keep(const Typed& typed);

  /// Copies what came to where the caller wants it; of a message its `received` bytes.
  void Deliver();
  /// Gives back what MPI needed. Only when no request is under way.
  void Release();

  bool out_of_memory() const { return out_of_memory_; }

 private:
  struct CopyBack {
    const std::byte* from;
    MutableBytes to;
  };
  bool out_of_memory_ = false;
  size_t inline_used_ = 0;
  alignas(16) std::byte inline_[256];
  std::vector<std::unique_ptr<std::byte[]>> memory_;
  std::vector<CopyBack> copies_back_;
  std::vector<std::shared_ptr<void>> kept_;
  std::vector<Typed> types_;
};

}  // namespace weft::mpi
