// Which collectives a rank has called: what heartbeats carry and are checked against.
#pragma once

#include <arrow/status.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "weft/communicator/agreement.h"

namespace weft {

/// The latest collectives of one communicator by number. Thread-safe.
class CallHistory {
 public:
  /// `ranks`: the transport's rank of each rank of the communicator, of which this is `rank`.
  CallHistory(Rank rank, std::vector<Rank> ranks) : rank_(rank), ranks_(std::move(ranks)), seen_(ranks_.size(), -1) {}

  void Begin(uint32_t number, const CollectiveCall& call);
  void End(uint32_t number);

  /// Ranks of the communicator, but this one, of which no heartbeat told that they have come to `number`.
  std::vector<Rank> NotSeenAt(uint32_t number);

 private:
  friend class CallHistories;
  static constexpr size_t kLength = 256;
  struct Entry {
    uint32_t number = 0;
    CollectiveCall call;
    bool active = false;
  };
  const Rank rank_;
  const std::vector<Rank> ranks_;
  std::mutex mutex_;
  std::array<Entry, kLength> entries_{};  // by number modulo kLength
  std::vector<int64_t> seen_;             // by rank: the highest number that its heartbeats named; -1: none
};

/// A call that is under way for as long as this is there.
class CallMark {
 public:
  CallMark(std::shared_ptr<CallHistory> history, uint32_t number, const CollectiveCall& call)
      : history_(std::move(history)), number_(number) {
    history_->Begin(number_, call);
  }
  ~CallMark() { history_->End(number_); }
  CallMark(const CallMark&) = delete;
  CallMark& operator=(const CallMark&) = delete;

 private:
  const std::shared_ptr<CallHistory> history_;
  const uint32_t number_;
};

/// Those of all communicators on one transport. Thread-safe; holds nothing of the user's, so any thread may drop it.
class CallHistories {
 public:
  void Add(uint32_t context, std::shared_ptr<CallHistory> history);
  void Remove(uint32_t context);

  /// The collectives under way: context, number and call of each. Empty where there are none.
  std::string MakeHeartbeat();
  /// kMismatch where `peer` (a transport's rank) has called something else under a number that this rank has called
  /// too. That one of the two is behind is no mismatch.
  arrow::Status CheckHeartbeat(Rank peer, std::string_view text);

 private:
  std::mutex mutex_;
  std::map<uint32_t, std::shared_ptr<CallHistory>> histories_;
};

}  // namespace weft
