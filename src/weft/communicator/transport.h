// Bytes between two ranks. A Transport knows nothing of collectives or tables; P2PCommunicator builds all collectives
// from one.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/base/types.h"

namespace weft {

/// What is known about the link to one peer.
struct LinkInfo {
  Rank peer = -1;
  std::string path;  // "self", "local", "host", "shm", "punched", "relay", or the wrapped library's name
  std::string remote_address;
  std::string cipher;              // TLS's name of what the link is encrypted with; empty: it is in the clear
  double link_seconds = 0;         // from the start of linking until authenticated
  int64_t tries = 0;               // connections that were tried for it, from the beginning on
  int64_t errors = 0;              // streams of it that broke, and tries to make it again that failed
  int64_t remade = 0;              // how often it was made again after it had broken
  std::string last_error;          // the latest of them
  double round_trip_seconds = -1;  // by heartbeat; -1 where none was measured
  int64_t bytes_sent = 0;          // with headers
  int64_t bytes_received = 0;
  int64_t messages_sent = 0;
  int64_t messages_received = 0;
  int64_t shared_memory = 0;  // bytes that the two ranks share to send through, both ways; 0 where they do not
  bool left = false;  // the peer has closed; nothing comes from it any more
};

/// A send or receive under way. Made by a transport, completed by its progress; read by the caller. `status` and
/// `bytes` are valid once `done` is true (acquire).
class TransportOperation {
 public:
  virtual ~TransportOperation() = default;
  bool done() const { return done_.load(std::memory_order_acquire); }
  const arrow::Status& status() const { return status_; }
  /// Length of the message that was sent or received.
  int64_t bytes() const { return bytes_; }

  /// For transports only; once per operation.
  void Complete(arrow::Status status, int64_t bytes) {
    status_ = std::move(status);
    bytes_ = bytes;
    done_.store(true, std::memory_order_release);
  }

 private:
  std::atomic<bool> done_{false};
  arrow::Status status_;
  int64_t bytes_ = 0;
};

using OperationPtr = std::shared_ptr<TransportOperation>;

/// Non-blocking, reliable, ordered messages between the ranks of one job.
///
/// Matching: a receive (peer, tag) takes the messages of that peer and tag in the order in which they were sent. A
/// message is one send, whatever the number of its parts; parts on the two sides need not be alike. A message longer
/// than its receive is an error on the receiver (kMismatch); a shorter one is not, and `bytes` tells. Messages to
/// oneself work. Any number of operations may be under way; a send whose receive is posted late never blocks messages
/// of other tags for good, and an unreceived message costs bounded memory on either side, whatever its length.
///
/// Memory: the spans must stay valid until the operation is done; `owner` is held until then and lets go afterwards.
/// After Cancel or a failure the transport may still touch the memory until it lets go of `owner`, never later than
/// Close.
///
/// Failure: the first error of a link or an Abort fails the transport as a whole: every operation under way and every
/// later one gets that error. No call blocks beyond what it says.
///
/// Threads: one thread at a time may call Send, Recv, Progress, Cancel, Close; Abort, failure, links may be called by
/// any.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual Rank rank() const = 0;
  virtual int world_size() const = 0;

  /// Starts to send the concatenation of `parts`. Complete when the memory is no longer needed and the message will
  /// arrive unless the transport fails.
  virtual arrow::Result<OperationPtr> Send(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) = 0;

  /// Starts to receive one message into the concatenation of `parts`.
  virtual arrow::Result<OperationPtr> Recv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) = 0;

  /// Moves data; returns when at least one operation of this rank has been completed since the last call to Progress,
  /// or after `max_wait` (zero: does not wait), whichever is first. Returns the transport's failure.
  virtual arrow::Status Progress(Duration max_wait) = 0;

  /// Gives up one operation; it completes with kCancelled unless it was done already. A cancelled send may or may not
  /// arrive. The peer is not told: the caller fails its communicator afterwards.
  virtual void Cancel(const OperationPtr& operation) = 0;

  /// Fails this transport with `cause` and tells every peer that can still be told, without waiting for them; their
  /// transports fail with kAborted naming this rank and `cause`'s text. Only the first call counts.
  virtual void Abort(const arrow::Status& cause) = 0;

  /// OK, or the error that failed the transport.
  virtual arrow::Status failure() const = 0;

  /// While an operation waits, each rank sends what `make` returns (a short text: the collective under way) to its
  /// peers about once a second, and hands what it gets to `check`; an error from `check` fails this transport as Abort
  /// does. Both are called from any thread and must not call the transport. To be set before the first operation.
  virtual void SetHeartbeat(std::function<std::string()> make,
                            std::function<arrow::Status(Rank, std::string_view)> check) = 0;

  /// Says goodbye and frees all resources; waits for peers at most until `deadline`. Operations under way complete with
  /// kCancelled. A peer that closes while this rank waits for it is kPeerLost here. Idempotent; the destructor does it
  /// with no wait, but that after a failure the peers may be given half a second to take the abort.
  virtual arrow::Status Close(Deadline deadline) = 0;

  /// One entry a peer, this rank included, by rank.
  virtual std::vector<LinkInfo> links() const = 0;
};

}  // namespace weft
