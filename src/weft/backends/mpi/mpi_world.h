// The ranks of one session over MPI: what its communicators share.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <mpi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "weft/backends/mpi/operation.h"
#include "weft/communicator/call_history.h"
#include "weft/communicator/transport.h"

namespace weft::mpi {

/// Runs the operations of all communicators of one world, each of which is an MPI communicator of its own.
///
/// Beside them is one for control, on which a rank tells the others why it failed (an abort), and, while it waits, each
/// second what it waits in (a heartbeat, sent only when the one before was taken). Ranks look for them while they wait,
/// in what they call here; a rank that computes sees them when it next communicates. A rank that closes a communicator
/// says goodbye on it to each other rank, with what it has called and sent, so that nobody waits for what cannot come.
///
/// Thread-safe: every call takes the process lock. Waits hold it only while they test.
class MpiWorld {
 public:
  /// Takes over `control`, a communicator of the whole world.
  MpiWorld(MPI_Comm control, Rank rank, int size);
  ~MpiWorld();
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  Rank rank() const { return rank_; }
  int size() const { return size_; }
  int tag_bound() const { return tag_bound_; }

  void AddContext(const std::shared_ptr<MpiContext>& context);
  /// Cancels the context's operations and says goodbye; waits for that of the others until `deadline`.
  arrow::Status RemoveContext(const std::shared_ptr<MpiContext>& context, Deadline deadline);

  uint32_t next_context_id() const { return next_context_id_; }
  void set_next_context_id(uint32_t id) { next_context_id_ = id; }

  /// Starts an operation that was made ready; errors show in Test and Wait.
  void Start(const std::shared_ptr<Operation>& operation);
  arrow::Result<bool> Test(Operation& operation);
  arrow::Status Wait(Operation& operation);
  void Cancel(Operation& operation, const std::string& why);
  arrow::Status Progress(const std::shared_ptr<MpiContext>& context, Duration max_wait);

  /// Fails the world and tells the others. Only the first counts.
  void Abort(const arrow::Status& cause);
  arrow::Status failure() const;
  std::vector<LinkInfo> links() const;
  /// Counts what goes to and comes from `peer`, a rank of the world.
  void Count(Rank peer, int64_t sent, int64_t received);

  /// Takes what has come on the control communicator and who has said goodbye. Under the process lock, as all below.
  void LookAround(Clock::time_point now);

  /// Tags of MPI that are no caller's: of goodbyes, of heads of long tags, and of what belongs to a collective.
  enum class Use : int { kLongPayload = 0, kAgreement = 1, kConfirmation = 2, kBlocks = 3 };
  int GoodbyeTag() const { return tag_bound_; }
  int LongHeadTag() const { return tag_bound_ - 1; }
  int TagFor(Use use, uint32_t number) const;
  /// True where the caller's tag can be MPI's.
  bool Fits(Tag tag) const { return tag < static_cast<Tag>(tag_bound_ / 2); }

 private:
  struct Beat {
    MPI_Request request = MPI_REQUEST_NULL;
    std::shared_ptr<std::string> text;
  };
  struct Sent {
    MPI_Request request;
    std::shared_ptr<std::string> text;
  };

  // mpi_stages.cc: how an operation comes to its end. All under the process lock.

  /// True when it is done.
  bool Advance(Operation& operation);
  void AdvanceStaged();
  arrow::Status AdvanceStage(Operation& operation, bool* moved);
  arrow::Status Launch(Operation& operation, bool* moved);
  arrow::Status EndRun(Operation& operation);
  arrow::Status EndConfirmation(Operation& operation);
  arrow::Status TestRequests(Operation& operation, bool* done);
  arrow::Status ExplainError(Operation& operation, int code);
  /// Hands to MPI what has come of the messages that the operation awaits.
  arrow::Status Receive(Operation& operation);
  bool IsFirst(const Operation& operation, const Operation::Awaited& message) const;
  static arrow::Status LengthsDiffer(const Operation& operation, const Operation::Awaited& message, int64_t bytes);
  arrow::Status TellAll(Operation& operation, Use use, void* all, int bytes);
  bool Matched(Operation& operation);
  void Finish(Operation& operation, arrow::Status status);
  /// Ends the operation with `status`, its communicator with `failure`, and tells the other ranks.
  void FailOperation(Operation& operation, arrow::Status status, const arrow::Status& failure);
  static void Abandon(Operation& operation);
  static arrow::Status Wrap(const Operation& operation, const arrow::Status& status);
  void TimeOut(Operation& operation);
  /// Fails an operation that waits for a rank that has closed the communicator.
  void CheckLeft(Operation& operation, Clock::time_point now);
  static void See(Operation& operation);
  void Sweep();

  // mpi_control.cc: what ranks tell each other beside their data.

  void Set(const arrow::Status& failure);
  void Tell(const arrow::Status& cause);
  void TakeControl();
  void TakeGoodbyes(MpiContext& context);
  void SayGoodbye(MpiContext& context);
  static bool AllLeft(const MpiContext& context);
  void SendHeartbeats(Clock::time_point now);
  void FreeLeaving();
  void CloseControl(Deadline deadline);

  MPI_Comm control_;
  const Rank rank_;
  const int size_;
  int tag_bound_ = 32767;
  std::vector<std::shared_ptr<MpiContext>> contexts_;
  /// Closed here, not yet by all.
  std::vector<std::shared_ptr<MpiContext>> leaving_;
  std::vector<std::shared_ptr<Operation>> active_;
  std::vector<Beat> beats_;
  std::vector<Sent> sent_;
  std::vector<LinkInfo> links_;
  CallHistories histories_;
  uint32_t next_context_id_ = 1;
  Clock::time_point looked_at_;
  Clock::time_point beaten_at_;

  mutable std::mutex mutex_;
  std::atomic<bool> failed_{false};
  arrow::Status failure_;
};

/// Lets go of what MPI has finished since it was given up, of the whole process. Under the process lock.
void TidyRemains();

}  // namespace weft::mpi
