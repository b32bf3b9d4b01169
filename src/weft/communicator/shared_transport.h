// One transport used by a communicator and by those made from it with Dup and Split.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "weft/base/communication_error.h"
#include "weft/base/turn_lock.h"
#include "weft/communicator/agreement.h"
#include "weft/communicator/call_history.h"
#include "weft/communicator/communicator.h"
#include "weft/communicator/communicator_context.h"
#include "weft/communicator/schedule.h"
#include "weft/communicator/transport.h"

namespace weft {

/// An operation under way on a communicator: a schedule and what its errors need.
struct Activity {
  std::shared_ptr<CommunicatorContext> context;
  std::shared_ptr<Schedule> schedule;
  const char* name = "";  // of the operation
  Tag tag = 0;
  Rank peer = -1;  // of a message
  uint32_t number = 0;
  bool collective = false;
  Clock::time_point begin;
  bool done = false;
  bool seen = false;
  uint64_t unseen_epoch = 0;
  arrow::Status status;
  bool native = false;  // a library's collective is under way
  /// A receive from this rank that never matches, while a library's collective takes long: what the transport does
  /// while an operation waits (heartbeats, looking for silence) it does then, too.
  OperationPtr watch;
  Clock::time_point next_look;
  /// Peers that have left, and since when.
  std::map<Rank, Clock::time_point> left;
};

/// Runs the activities of all communicators on one transport. Any wait moves all of them. Thread-safe.
class SharedTransport {
 public:
  explicit SharedTransport(std::unique_ptr<Transport> transport);

  Transport& transport() { return *transport_; }
  const Transport& transport() const { return *transport_; }

  void AddContext(const std::shared_ptr<CommunicatorContext>& context);
  /// Cancels the context's activities. The last one closes the transport, waiting for peers until `deadline`.
  arrow::Status RemoveContext(CommunicatorContext& context, Deadline deadline);

  /// The next context id that no communicator of this rank has had.
  uint32_t next_context_id() const { return next_context_id_.load(std::memory_order_relaxed); }
  void set_next_context_id(uint32_t id) { next_context_id_.store(id, std::memory_order_relaxed); }

  /// Starts a collective; errors show in Test and Wait.
  void Start(const std::shared_ptr<Activity>& activity, const CollectiveCall& call);
  /// Starts a message.
  void StartMessage(const std::shared_ptr<Activity>& activity, bool receive, std::vector<ConstBytes> send_parts,
                    std::vector<MutableBytes> recv_parts);

  arrow::Result<bool> Test(Activity& activity);
  arrow::Status Wait(Activity& activity);
  void Cancel(Activity& activity, const std::string& why);
  arrow::Status Progress(CommunicatorContext& context, Duration max_wait);

  bool held_by_this_thread() const { return turn_.held_by_this_thread(); }

 private:
  Route RouteOf(const Activity& activity) const;
  void AdvanceAll();
  /// True when it is done.
  bool Advance(Activity& activity);
  void Finish(Activity& activity, arrow::Status status);
  /// Ends the activity with `status`, its communicator with `failure`, and tells the other ranks.
  void FailActivity(Activity& activity, arrow::Status status, const arrow::Status& failure);
  arrow::Status Wrap(const Activity& activity, const arrow::Status& status) const;
  /// Fails the activity with kTimedOut, unless it waits for nobody any more.
  void TimeOut(Activity& activity);
  /// Fails the first activity of a communicator whose Progress has waited for the timeout in vain.
  void TimeOutProgress(CommunicatorContext& context);
  void See(Activity& activity);
  Duration Slice();
  /// Fails, or watches over, a library's collective; it has just been found not done.
  void WatchNative(Activity& activity);
  /// kPeerLost where a library's collective waits for a peer that has left some time ago.
  arrow::Status LookForLeavers(Activity& activity, Clock::time_point now);
  /// Moves the transport, as long as `left` and the slice of this thread allow.
  arrow::Status Turn(const CommunicatorContext& context, Duration left);

  std::unique_ptr<Transport> transport_;
  TurnLock turn_;
  std::vector<std::shared_ptr<Activity>> active_;
  std::atomic<uint32_t> next_context_id_{1};
  std::atomic<std::thread::id> first_thread_{};
  std::atomic<bool> several_threads_{false};
  int64_t open_ = 0;
  int native_under_way_ = 0;        // activities
  Clock::time_point native_began_;  // when the first of them did

  std::shared_ptr<CallHistories> histories_ = std::make_shared<CallHistories>();
};

}  // namespace weft
