#include <cstring>

#include "weft/backends/local/local_transport.h"
#include "weft/base/communication_error.h"

namespace weft::local {
namespace {

/// A message up to this size is copied when its receive is not there yet, so that its send is done at once ...
constexpr int64_t kCopied = 8 * 1024;
/// ... as long as the copies that wait on one rank are not more than this.
constexpr int64_t kCopiedInAll = 16 << 20;

void CopyParts(const std::vector<ConstBytes>& from, const std::vector<MutableBytes>& to) {
  size_t part = 0;
  size_t offset = 0;
  for (ConstBytes piece : from) {
    while (!piece.empty()) {
      const MutableBytes room = to[part].subspan(offset);
      const size_t length = std::min(room.size(), piece.size());
      if (length > 0) std::memcpy(room.data(), piece.data(), length);
      piece = piece.subspan(length);
      offset += length;
      if (offset == to[part].size()) {
        ++part;
        offset = 0;
      }
    }
  }
}

void Extract(std::vector<LocalOperationPtr>& queue, std::vector<LocalOperationPtr>& out) {
  for (auto& operation : queue) {
    operation->queued = false;
    out.push_back(std::move(operation));
  }
  queue.clear();
}

}  // namespace

Hub::Hub(int world_size) {
  for (int i = 0; i < world_size; ++i) boxes_.push_back(std::make_unique<Mailbox>(static_cast<size_t>(world_size)));
}

void Hub::Complete(const LocalOperationPtr& operation, arrow::Status status, int64_t bytes) {
  // Only after the last touch of the memory; the owner may run the caller's code, so no lock is held.
  const Owner owner = std::move(operation->owner);
  if (status.ok()) {
    Traffic& traffic = operation->receive ? box(operation->to).traffic[static_cast<size_t>(operation->from)]
                                          : box(operation->from).traffic[static_cast<size_t>(operation->to)];
    (operation->receive ? traffic.bytes_received : traffic.bytes_sent) += bytes;
    (operation->receive ? traffic.messages_received : traffic.messages_sent) += 1;
  }
  Mailbox& mine = box(operation->receive ? operation->to : operation->from);
  operation->Complete(std::move(status), bytes);
  bool wake = false;
  {
    const std::lock_guard lock(mine.mutex);
    mine.completed.fetch_add(1, std::memory_order_release);
    wake = mine.waiting;
  }
  if (wake) mine.changed.notify_one();
}

void Hub::Deliver(const LocalOperationPtr& receive, WaitingMessage message) {
  const bool copied = message.send == nullptr;
  const auto length = copied ? static_cast<int64_t>(message.copy.size()) : message.send->length;
  arrow::Status status;
  if (length > receive->length) {
    status = MakeCommunicationError({.failure = CommunicationFailure::kMismatch,
                                     .phase = "payload",
                                     .rank = receive->to,
                                     .peer = receive->from,
                                     .bytes = length},
                                    "rank " + std::to_string(receive->from) + " sent a message of " +
                                        std::to_string(length) + " bytes to rank " + std::to_string(receive->to) +
                                        ", which has room for " + std::to_string(receive->length));
  } else if (copied) {
    CopyParts({ConstBytes(message.copy)}, receive->sink);
  } else {
    CopyParts(message.send->source, receive->sink);
  }
  if (!copied) Complete(message.send, arrow::Status::OK(), length);
  Complete(receive, std::move(status), length);
}

void Hub::Send(const LocalOperationPtr& send) {
  Mailbox& theirs = box(send->to);
  Channel& channel = theirs.channels[static_cast<size_t>(send->from)];
  LocalOperationPtr receive;
  bool lost = false;
  bool copied = false;
  {
    const std::lock_guard lock(theirs.mutex);
    const auto found = std::find_if(channel.receives.begin(), channel.receives.end(),
                                    [&](const LocalOperationPtr& other) { return other->tag == send->tag; });
    if (theirs.closed) {
      lost = true;
    } else if (found != channel.receives.end()) {
      receive = std::move(*found);
      receive->queued = false;
      channel.receives.erase(found);
    } else if (send->length <= kCopied && theirs.copied_bytes + send->length <= kCopiedInAll) {
      WaitingMessage message{send->tag, nullptr, std::vector<std::byte>(static_cast<size_t>(send->length))};
      CopyParts(send->source, {MutableBytes(message.copy)});
      theirs.copied_bytes += send->length;
      channel.messages.push_back(std::move(message));
      copied = true;
    } else {
      send->queued = true;
      channel.messages.push_back({send->tag, send, {}});
    }
  }
  if (receive != nullptr) return Deliver(receive, {send->tag, send, {}});
  if (copied) return Complete(send, arrow::Status::OK(), send->length);
  if (lost) {
    FailLost(send->from, send->to);
    return Complete(send, box(send->from).failure, 0);
  }
  // A failure of this rank may have looked for what it has under way just before this was queued.
  Mailbox& mine = box(send->from);
  arrow::Status failure;
  {
    const std::lock_guard lock(mine.mutex);
    failure = mine.failure;
  }
  if (!failure.ok()) EndAll(send->from, failure);
}

void Hub::Recv(const LocalOperationPtr& receive) {
  Mailbox& mine = box(receive->to);
  Channel& channel = mine.channels[static_cast<size_t>(receive->from)];
  WaitingMessage message;
  bool matched = false;
  arrow::Status failure;
  {
    const std::lock_guard lock(mine.mutex);
    const auto found = std::find_if(channel.messages.begin(), channel.messages.end(),
                                    [&](const WaitingMessage& other) { return other.tag == receive->tag; });
    failure = mine.failure;
    if (!failure.ok()) {
    } else if (found != channel.messages.end()) {
      matched = true;
      message = std::move(*found);
      channel.messages.erase(found);
      if (message.send == nullptr) {
        mine.copied_bytes -= static_cast<int64_t>(message.copy.size());
      } else {
        message.send->queued = false;
      }
    } else {
      receive->queued = true;
      channel.receives.push_back(receive);
    }
  }
  if (!failure.ok()) return Complete(receive, failure, 0);
  if (matched) return Deliver(receive, std::move(message));
  // What a peer sent before it closed is there by now.
  if (receive->from != receive->to && box(receive->from).closed && !receive->done()) {
    FailLost(receive->to, receive->from);
  }
}

void Hub::Cancel(const LocalOperationPtr& operation) {
  bool taken = false;
  {
    Mailbox& theirs = box(operation->to);
    const std::lock_guard lock(theirs.mutex);
    Channel& channel = theirs.channels[static_cast<size_t>(operation->from)];
    if (operation->queued) {
      taken = true;
      operation->queued = false;
      std::erase(channel.receives, operation);
      std::erase_if(channel.messages, [&](const WaitingMessage& message) { return message.send == operation; });
    }
  }
  if (taken) {
    Complete(operation,
             MakeCommunicationError({.failure = CommunicationFailure::kCancelled,
                                     .rank = operation->receive ? operation->to : operation->from,
                                     .peer = operation->receive ? operation->from : operation->to},
                                    "the operation was given up"),
             0);
  }
  // Another thread copies it at this moment.
  while (!operation->done()) std::this_thread::yield();
}

void Hub::EndAll(Rank rank, const arrow::Status& status) {
  std::vector<LocalOperationPtr> ended;
  for (auto& other : boxes_) {
    const std::lock_guard lock(other->mutex);
    if (other.get() == &box(rank)) {
      for (Channel& channel : other->channels) Extract(channel.receives, ended);
    }
    auto& messages = other->channels[static_cast<size_t>(rank)].messages;
    std::erase_if(messages, [&](WaitingMessage& message) {
      if (message.send == nullptr) return false;
      message.send->queued = false;
      ended.push_back(std::move(message.send));
      return true;
    });
  }
  for (const auto& operation : ended) Complete(operation, status, 0);
}

void Hub::Fail(Rank rank, const arrow::Status& status) {
  Mailbox& mine = box(rank);
  {
    const std::lock_guard lock(mine.mutex);
    if (!mine.failure.ok() || mine.closed) return;
    mine.failure = status;
    mine.completed.fetch_add(1, std::memory_order_release);
  }
  mine.changed.notify_all();
  EndAll(rank, status);
}

void Hub::FailLost(Rank rank, Rank gone) {
  Fail(rank, MakeCommunicationError({.failure = CommunicationFailure::kPeerLost, .rank = rank, .peer = gone},
                                    "rank " + std::to_string(gone) + " has closed its communicator while rank " +
                                        std::to_string(rank) + " waits for it"));
}

void Hub::Abort(Rank rank, const arrow::Status& cause) {
  {
    Mailbox& mine = box(rank);
    const std::lock_guard lock(mine.mutex);
    if (!mine.failure.ok() || mine.closed) return;
  }
  Fail(rank, cause);
  std::string text = cause.message();
  if (cause.detail() != nullptr) text += " (" + cause.detail()->ToString() + ")";
  for (Rank peer = 0; peer < world_size(); ++peer) {
    if (peer == rank) continue;
    Fail(peer, MakeCommunicationError({.failure = CommunicationFailure::kAborted, .rank = peer, .peer = rank},
                                      "rank " + std::to_string(rank) + " aborted: " + text));
  }
}

void Hub::Close(Rank rank) {
  {
    Mailbox& mine = box(rank);
    const std::lock_guard lock(mine.mutex);
    if (mine.closed) return;
    mine.closed = true;
    mine.make_heartbeat = nullptr;
    mine.check_heartbeat = nullptr;
  }
  EndAll(rank, MakeCommunicationError({.failure = CommunicationFailure::kCancelled, .rank = rank},
                                      "rank " + std::to_string(rank) + " has closed its communicator"));
  for (Rank peer = 0; peer < world_size(); ++peer) {
    if (peer == rank) continue;
    bool waits = false;
    {
      const std::lock_guard lock(box(peer).mutex);
      waits = !box(peer).channels[static_cast<size_t>(rank)].receives.empty();
    }
    {
      const std::lock_guard lock(box(rank).mutex);
      for (const WaitingMessage& message : box(rank).channels[static_cast<size_t>(peer)].messages) {
        waits |= message.send != nullptr;
      }
    }
    if (waits) FailLost(peer, rank);
  }
}

void Hub::SendHeartbeats(Rank rank) {
  std::function<std::string()> make;
  {
    const std::lock_guard lock(box(rank).mutex);
    make = box(rank).make_heartbeat;
  }
  const std::string text = make ? make() : std::string();
  if (text.empty()) return;
  for (Rank peer = 0; peer < world_size(); ++peer) {
    if (peer == rank) continue;
    std::function<arrow::Status(Rank, std::string_view)> check;
    {
      const std::lock_guard lock(box(peer).mutex);
      if (box(peer).failure.ok()) check = box(peer).check_heartbeat;
    }
    if (!check) continue;
    const arrow::Status status = check(rank, text);
    if (!status.ok()) Abort(peer, status);
  }
}

}  // namespace weft::local
