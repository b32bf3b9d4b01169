#include "weft/communicator/call_history.h"

#include <algorithm>
#include <cstring>
#include <sstream>
#include <utility>

#include "weft/base/communication_error.h"

namespace weft {
namespace {

/// Collectives that one heartbeat names at most.
constexpr size_t kNamed = 16;

/// A heartbeat is a list of these, little-endian.
struct Beat {
  uint32_t context;
  uint32_t number;
  CollectiveCall call;
};
static_assert(sizeof(Beat) == 40, "part of the wire protocol");

}  // namespace

void CallHistory::Begin(uint32_t number, const CollectiveCall& call) {
  const std::lock_guard lock(mutex_);
  entries_[number % kLength] = {number, call, true};
}

void CallHistory::End(uint32_t number) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[number % kLength];
  if (entry.number == number) entry.active = false;
}

std::vector<Rank> CallHistory::NotSeenAt(uint32_t number) {
  const std::lock_guard lock(mutex_);
  std::vector<Rank> behind;
  for (size_t i = 0; i < seen_.size(); ++i) {
    if (static_cast<Rank>(i) != rank_ && seen_[i] < number) behind.push_back(static_cast<Rank>(i));
  }
  return behind;
}

void CallHistories::Add(uint32_t context, std::shared_ptr<CallHistory> history) {
  const std::lock_guard lock(mutex_);
  histories_[context] = std::move(history);
}

void CallHistories::Remove(uint32_t context) {
  const std::lock_guard lock(mutex_);
  histories_.erase(context);
}

std::string CallHistories::MakeHeartbeat() {
  std::vector<Beat> beats;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, history] : histories_) {
    const std::lock_guard history_lock(history->mutex_);
    for (const CallHistory::Entry& entry : history->entries_) {
      if (entry.active && beats.size() < kNamed) beats.push_back({id, entry.number, entry.call});
    }
  }
  return {reinterpret_cast<const char*>(beats.data()), beats.size() * sizeof(Beat)};
}

arrow::Status CallHistories::CheckHeartbeat(Rank peer, std::string_view text) {
  if (text.size() % sizeof(Beat) != 0) return arrow::Status::Invalid("a heartbeat that this version does not know");
  const std::lock_guard lock(mutex_);
  for (; !text.empty(); text.remove_prefix(sizeof(Beat))) {
    Beat beat;
    std::memcpy(&beat, text.data(), sizeof(beat));
    const CollectiveCall& theirs = beat.call;
    const auto found = histories_.find(beat.context);
    if (found == histories_.end()) continue;
    CallHistory& history = *found->second;
    const auto place = std::find(history.ranks_.begin(), history.ranks_.end(), peer);
    if (place == history.ranks_.end()) continue;
    const std::lock_guard history_lock(history.mutex_);
    int64_t& seen = history.seen_[static_cast<size_t>(place - history.ranks_.begin())];
    seen = std::max<int64_t>(seen, beat.number);
    const CallHistory::Entry& entry = history.entries_[beat.number % CallHistory::kLength];
    // Not there: this rank has not come so far, or is long past it.
    if (entry.number != beat.number || entry.call.collective == Collective::kNone || entry.call == theirs) continue;
    const auto peer_rank = static_cast<Rank>(place - history.ranks_.begin());
    std::ostringstream text;
    text << kDifferentCollectives << ": as number " << beat.number << " rank " << history.rank_ << " called "
         << entry.call.Describe() << ", rank " << peer_rank << " called " << theirs.Describe();
    return MakeCommunicationError(
        {.failure = CommunicationFailure::kMismatch, .phase = "heartbeat", .rank = history.rank_, .peer = peer_rank},
        text.str());
  }
  return arrow::Status::OK();
}

}  // namespace weft
