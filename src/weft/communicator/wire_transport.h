// A Transport over a library's notes and pieces.
#pragma once

#include <arrow/result.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "weft/communicator/self_messages.h"
#include "weft/communicator/transport.h"
#include "weft/communicator/wire.h"
#include "weft/communicator/wire_link.h"

namespace weft {

struct WireTransportOptions {
  Rank rank = 0;
  int world_size = 1;
  /// What tells this job and epoch from others.
  std::string job;
  /// Of the first contact with all peers.
  Deadline deadline = Deadline::Infinite();
  std::function<arrow::Status()> check_interrupt;
  /// Told of each peer that has greeted; may be empty.
  std::function<void(Rank)> met;
  /// Names the I/O thread.
  std::string name;
};

/// Threads: the calling thread drives the wire while it is in Progress, and an I/O thread while it is not, so that
/// data, heartbeats and aborts move while the caller computes. The I/O thread never runs code of the caller's but the
/// two functions of SetHeartbeat, and blocks all signals.
class WireTransport : public Transport, private WireSink {
 public:
  /// Greets all peers and returns when all have done so too: collective. A rank that does not come is kTimedOut and
  /// named. `wire` is nullptr in a world of 1.
  static arrow::Result<std::unique_ptr<Transport>> Make(std::unique_ptr<Wire> wire,
                                                        const WireTransportOptions& options);
  ~WireTransport() override;

  Rank rank() const override { return context_.rank; }
  int world_size() const override { return context_.world_size; }
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
  using Lock = std::unique_lock<std::mutex>;

  WireTransport(std::unique_ptr<Wire> wire, const WireTransportOptions& options);
  arrow::Status Start(const WireTransportOptions& options);
  arrow::Status Greet(const WireTransportOptions& options);
  arrow::Status CheckCall(Rank peer) const;
  arrow::Result<OperationPtr> Begin(const OperationRef& operation);

  // WireSink, from Poll.
  void OnNote(Rank from, ConstBytes bytes) override;
  void OnPiece(uint64_t cookie, const arrow::Status& status) override;
  void OnLost(Rank peer, const std::string& how) override;

  // All below need the mutex.
  void Drive(Lock& lock, Deadline deadline);
  void Poll();
  void FlushDirty();
  Duration ShortenWait(Duration wait) const;
  void Settle(Lock& lock);
  void RunTimers(Lock& lock);
  void SendHeartbeats(Lock& lock, Clock::time_point now);
  void LookForSilence(Clock::time_point now);
  void CheckHeard(Lock& lock);
  void Check(const arrow::Status& status);
  void Fail(const arrow::Status& status, bool own_finding);
  void WaitForPeers(Lock& lock, Deadline deadline);
  void RunIo();

  const int generation_;  // of the process: a forked child has another one
  const bool spin_;
  mutable std::mutex mutex_;
  std::unique_ptr<std::condition_variable> stand_by_ = std::make_unique<std::condition_variable>();
  std::unique_ptr<Wire> wire_;
  WireContext context_;
  std::vector<std::unique_ptr<WireLink>> links_;  // by rank; nullptr for this rank itself
  SelfMessages self_;
  arrow::Status failure_;
  bool closing_ = false;
  bool closed_ = false;
  bool stop_ = false;

  // Who drives.
  bool driver_present_ = false;
  uint64_t driver_comes_ = 0;
  int unpolled_ = 0;  // calls of Progress in a row that returned what was complete already
  Clock::time_point driver_left_;
  bool deep_stand_by_ = false;

  // Timers.
  Clock::time_point wait_began_;
  Clock::time_point last_beat_;
  Clock::time_point last_timers_;
  std::function<std::string()> make_heartbeat_;
  std::function<arrow::Status(Rank, std::string_view)> check_heartbeat_;

  std::thread io_;
};

}  // namespace weft
