// Messages between threads of one process.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/communicator/transport.h"

namespace weft::local {

/// A send or receive. What is not const is under the lock of the mailbox of `to` while the operation is in it.
class LocalOperation : public TransportOperation {
 public:
  LocalOperation(Rank from, Rank to, Tag tag, Owner owner) : from(from), to(to), tag(tag), owner(std::move(owner)) {}

  const Rank from;
  const Rank to;
  const Tag tag;
  std::vector<ConstBytes> source;  // of a send
  std::vector<MutableBytes> sink;  // of a receive
  int64_t length = 0;
  bool queued = false;  // in a mailbox, so that it can still be taken back
  bool receive = false;
  Owner owner;
};

using LocalOperationPtr = std::shared_ptr<LocalOperation>;

/// A message that waits for its receive: a copy of its own, or the send that holds it.
struct WaitingMessage {
  Tag tag = 0;
  LocalOperationPtr send;
  std::vector<std::byte> copy;
};

/// What waits on one rank from one peer, in order. Of any tag only one of the two has entries. Looked through from the
/// front: few are under way at a time.
struct Channel {
  std::vector<WaitingMessage> messages;
  std::vector<LocalOperationPtr> receives;
};

/// What one peer has sent and received; read by any thread.
struct Traffic {
  std::atomic<int64_t> bytes_sent{0};
  std::atomic<int64_t> bytes_received{0};
  std::atomic<int64_t> messages_sent{0};
  std::atomic<int64_t> messages_received{0};
};

/// What one rank is to the others.
struct Mailbox {
  explicit Mailbox(size_t world_size) : channels(world_size), traffic(world_size) {}

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Channel> channels;  // by source
  int64_t copied_bytes = 0;       // in messages that wait
  arrow::Status failure;
  std::function<std::string()> make_heartbeat;
  std::function<arrow::Status(Rank, std::string_view)> check_heartbeat;
  bool waiting = false;  // the rank's thread sleeps on `changed`
  /// Written under the lock, read without.
  std::atomic<bool> closed{false};
  /// Grows when an operation of this rank completes or the rank fails. Written under the lock, read without.
  std::atomic<uint64_t> completed{0};
  std::vector<Traffic> traffic;  // by peer
};

/// The ranks of one world.
class Hub {
 public:
  explicit Hub(int world_size);

  int world_size() const { return static_cast<int>(boxes_.size()); }
  Mailbox& box(Rank rank) { return *boxes_[static_cast<size_t>(rank)]; }

  void Send(const LocalOperationPtr& send);
  void Recv(const LocalOperationPtr& receive);
  void Cancel(const LocalOperationPtr& operation);
  /// Ends everything that `rank` has under way with `status`; only the first call for a rank counts.
  void Fail(Rank rank, const arrow::Status& status);
  void Abort(Rank rank, const arrow::Status& cause);
  void Close(Rank rank);
  void SendHeartbeats(Rank rank);

 private:
  void Complete(const LocalOperationPtr& operation, arrow::Status status, int64_t bytes);
  /// Moves a message that both sides know, outside of all locks.
  void Deliver(const LocalOperationPtr& receive, WaitingMessage message);
  /// Takes what `rank` has posted out of all mailboxes and ends it with `status`.
  void EndAll(Rank rank, const arrow::Status& status);
  /// `rank` waits for `gone`, which has closed.
  void FailLost(Rank rank, Rank gone);

  std::vector<std::unique_ptr<Mailbox>> boxes_;
};

/// One rank's end of a hub.
class LocalTransport : public Transport {
 public:
  LocalTransport(std::shared_ptr<Hub> hub, Rank rank);
  ~LocalTransport() override;

  Rank rank() const override { return rank_; }
  int world_size() const override { return hub_->world_size(); }
  arrow::Result<OperationPtr> Send(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) override;
  arrow::Result<OperationPtr> Recv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) override;
  arrow::Status Progress(Duration max_wait) override;
  void Cancel(const OperationPtr& operation) override;
  void Abort(const arrow::Status& cause) override;
  arrow::Status failure() const override;
  void SetHeartbeat(std::function<std::string()> make,
                    std::function<arrow::Status(Rank, std::string_view)> check) override;
  arrow::Status Close(Deadline deadline) override;
  std::vector<LinkInfo> links() const override;

 private:
  arrow::Status CheckUsable(Rank peer) const;
  bool SpinUntilCompleted() const;

  const std::shared_ptr<Hub> hub_;
  const Rank rank_;
  const bool spin_;
  uint64_t seen_ = 0;
  Clock::time_point last_heartbeat_;
};

}  // namespace weft::local
