#include "weft/communicator/communicator_context.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>

#include "weft/base/communication_error.h"

namespace weft {

arrow::Status CommunicatorContext::failure() const {
  if (!failed_.load(std::memory_order_acquire)) return arrow::Status::OK();
  const std::lock_guard lock(mutex_);
  return failure_;
}

void CommunicatorContext::Fail(const arrow::Status& status) {
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return;
  failure_ = status;
  failed_.store(true, std::memory_order_release);
}

arrow::Status OperationError(const char* name, Rank rank, Rank peer, Clock::time_point begin,
                             const arrow::Status& status) {
  const CommunicationError* found = GetCommunicationError(status);
  if (found == nullptr) return status.WithMessage(name, " on rank ", rank, ": ", status.message());
  CommunicationError error = *found;
  std::string message = status.message();
  const std::string prefix = std::string(CommunicationFailureName(error.failure)) + ": ";
  if (message.starts_with(prefix)) message.erase(0, prefix.size());
  // A rank that was told of the mismatch by another has the same error as if it had found it.
  if (error.failure == CommunicationFailure::kAborted && message.find(kDifferentCollectives) != std::string::npos) {
    error.failure = CommunicationFailure::kMismatch;
  }
  error.operation = name;
  if (error.phase.empty()) error.phase = "wait";
  error.rank = rank;
  if (error.peer < 0) error.peer = peer;
  if (error.elapsed == Duration::zero()) error.elapsed = Clock::now() - begin;
  return MakeCommunicationError(std::move(error), message);
}

arrow::Status TimedOutError(const char* name, const CommunicatorContext& context, const std::vector<Rank>& peers,
                            Clock::time_point begin) {
  constexpr size_t kShown = 8;
  std::ostringstream text;
  text << "rank " << context.rank << " waited " << Seconds(context.options.timeout) << " s for rank"
       << (peers.size() == 1 ? " " : "s ");
  for (size_t i = 0; i < std::min(kShown, peers.size()); ++i) text << (i == 0 ? "" : ", ") << peers[i];
  if (peers.size() > kShown) text << " and " << peers.size() - kShown << " more";
  text << " in " << name << ", alive but not come: look for what holds them up, or raise the timeout";
  return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                 .operation = name,
                                 .phase = "wait",
                                 .rank = context.rank,
                                 .peer = peers.front(),
                                 .elapsed = Clock::now() - begin},
                                text.str());
}

}  // namespace weft
