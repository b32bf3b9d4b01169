#include "weft/communicator/call_history.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/base/communication_error.h"

namespace weft {
namespace {

/// Collectives that one heartbeat names at most.
constexpr int kNamed = 16;

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

void CallHistories::Add(uint32_t context, std::shared_ptr<CallHistory> history) {
  const std::lock_guard lock(mutex_);
  histories_[context] = std::move(history);
}

void CallHistories::Remove(uint32_t context) {
  const std::lock_guard lock(mutex_);
  histories_.erase(context);
}

std::string CallHistories::MakeHeartbeat() {
  ByteWriter writer;
  int named = 0;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, history] : histories_) {
    const std::lock_guard history_lock(history->mutex_);
    for (const CallHistory::Entry& entry : history->entries_) {
      if (!entry.active || named++ >= kNamed) continue;
      writer.Put(id).Put(entry.number);
      writer.PutString({reinterpret_cast<const char*>(&entry.call), sizeof(CollectiveCall)});
    }
  }
  return writer.Take();
}

arrow::Status CallHistories::CheckHeartbeat(Rank peer, std::string_view text) {
  ByteReader reader(text);
  const std::lock_guard lock(mutex_);
  while (reader.left() > 0) {
    ARROW_ASSIGN_OR_RAISE(const auto id, reader.Get<uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const auto number, reader.Get<uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const auto raw, reader.GetString());
    CollectiveCall theirs;
    if (raw.size() != sizeof(theirs)) return arrow::Status::Invalid("heartbeat of another version of Weft");
    std::memcpy(&theirs, raw.data(), sizeof(theirs));
    const auto found = histories_.find(id);
    if (found == histories_.end()) continue;
    CallHistory& history = *found->second;
    const auto place = std::find(history.ranks_.begin(), history.ranks_.end(), peer);
    if (place == history.ranks_.end()) continue;
    const std::lock_guard history_lock(history.mutex_);
    const CallHistory::Entry& entry = history.entries_[number % CallHistory::kLength];
    // Not there: this rank has not come so far, or is long past it.
    if (entry.number != number || entry.call.collective == Collective::kNone || entry.call == theirs) continue;
    const auto peer_rank = static_cast<Rank>(place - history.ranks_.begin());
    return MakeCommunicationError(
        {.failure = CommunicationFailure::kMismatch, .phase = "heartbeat", .rank = history.rank_, .peer = peer_rank},
        std::string(kDifferentCollectives) + ": as number " + std::to_string(number) + " rank " +
            std::to_string(history.rank_) + " called " + entry.call.Describe() + ", rank " + std::to_string(peer_rank) +
            " called " + theirs.Describe());
  }
  return arrow::Status::OK();
}

}  // namespace weft
