// Receives that wait for messages and messages that wait for receives, of one peer.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

#include "weft/communicator/message_operation.h"

namespace weft {

/// A message that has come, or was announced, before its receive.
struct Unexpected {
  std::unique_ptr<std::byte[]> bytes;  // of a short message
  int64_t size = 0;
  uint64_t number = 0;  // of an announced message, else 0
  OperationRef send;    // of a message to oneself that is not copied
};

/// Per tag first come, first served. For one tag only one of the two kinds can be waiting.
class Matching {
 public:
  /// The oldest receive for `tag`, taken out; nullptr where there is none.
  OperationRef TakePosted(Tag tag) {
    const auto found = posted_.find(tag);
    if (found == posted_.end()) return nullptr;
    OperationRef operation = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty()) posted_.erase(found);
    return operation;
  }

  void Post(OperationRef operation) {
    const Tag tag = operation->tag;
    posted_[tag].push_back(std::move(operation));
  }

  /// Takes one particular receive out; false where it is not there.
  bool Remove(const Operation& operation) {
    const auto found = posted_.find(operation.tag);
    if (found == posted_.end()) return false;
    auto& queue = found->second;
    const auto at = std::find_if(queue.begin(), queue.end(), [&](const auto& it) { return it.get() == &operation; });
    if (at == queue.end()) return false;
    queue.erase(at);
    if (queue.empty()) posted_.erase(found);
    return true;
  }

  std::optional<Unexpected> TakeUnexpected(Tag tag) {
    const auto found = unexpected_.find(tag);
    if (found == unexpected_.end()) return std::nullopt;
    std::optional<Unexpected> message = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty()) unexpected_.erase(found);
    if (message->number != 0) --announced_;
    return message;
  }

  void AddUnexpected(Tag tag, Unexpected message) {
    if (message.number != 0) ++announced_;
    unexpected_[tag].push_back(std::move(message));
  }

  size_t announced() const { return announced_; }
  bool any_posted() const { return !posted_.empty(); }

  template <typename Use>
  void ForEachPosted(Use&& use) {
    for (auto& [tag, queue] : posted_) {
      for (auto& operation : queue) use(operation);
    }
  }

  template <typename Use>
  void ForEachUnexpected(Use&& use) {
    for (auto& [tag, queue] : unexpected_) {
      for (auto& message : queue) use(message);
    }
  }

  void Clear() {
    posted_.clear();
    unexpected_.clear();
    announced_ = 0;
  }

 private:
  std::unordered_map<Tag, std::deque<OperationRef>> posted_;
  std::unordered_map<Tag, std::deque<Unexpected>> unexpected_;
  size_t announced_ = 0;
};

}  // namespace weft
