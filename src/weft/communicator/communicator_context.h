// What every communicator keeps about itself, whatever moves its data.
#pragma once

#include <arrow/status.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/communicator/call_history.h"
#include "weft/communicator/communicator.h"

namespace weft {

/// One communicator of those that share a transport or a library.
struct CommunicatorContext {
  uint32_t id = 0;
  Rank rank = 0;
  /// The rank in the whole world of each rank of this communicator.
  std::vector<Rank> ranks;
  CommunicatorOptions options;
  /// A call is under way: the check that one thread at a time uses it.
  std::atomic<bool> busy{false};
  std::atomic<bool> closed{false};
  /// Requests that were done since the last Progress and have not been seen by Test or Wait. Under the turn lock.
  int64_t unseen = 0;
  uint64_t unseen_epoch = 0;  // counts how often `unseen` was set back
  /// Time spent in Progress since a request was done.
  Duration waited = Duration::zero();
  uint32_t next_number = 0;
  std::shared_ptr<CallHistory> history;
  /// Moves a library that brings collectives along (NativeCollectives::Progress).
  std::function<void()> move_native;

  arrow::Status failure() const;
  /// Only the first counts.
  void Fail(const arrow::Status& status);

 private:
  mutable std::mutex mutex_;
  std::atomic<bool> failed_{false};
  arrow::Status failure_;
};

/// For the length of one call: refuses a second thread, and calls from inside a reduce function, where `inside`.
class OneThread {
 public:
  OneThread(CommunicatorContext& context, bool inside) : context_(context), inside_(inside) {
    entered_ = !inside_ && !context_.busy.exchange(true, std::memory_order_acquire);
  }
  ~OneThread() {
    if (entered_) context_.busy.store(false, std::memory_order_release);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

  arrow::Status status() const {
    if (entered_) return arrow::Status::OK();
    if (inside_) return arrow::Status::Invalid("a reduce function must not use a communicator");
    return arrow::Status::Invalid("the communicator is in use by another thread; Dup() makes one for each thread");
  }

 private:
  CommunicatorContext& context_;
  bool inside_;
  bool entered_;
};

/// `status` with the facts of the operation `name` of `rank` that it failed: what it lacks of them, where it is a
/// communication error, else in front of its text. `peer` is -1 where the operation has no single one.
arrow::Status OperationError(const char* name, Rank rank, Rank peer, Clock::time_point begin,
                             const arrow::Status& status);

/// kTimedOut: the operation `name` has waited for the context's timeout, for `peers`, of which there is one at least.
arrow::Status TimedOutError(const char* name, const CommunicatorContext& context, const std::vector<Rank>& peers,
                            Clock::time_point begin);

}  // namespace weft
