// The transport: all links of a rank, one poll set, and the two threads that may drive them.
#pragma once

#include <sys/epoll.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "weft/backends/tcp/link.h"
#include "weft/communicator/self_messages.h"
#include "weft/communicator/transport.h"

namespace weft::tcp {

class Relinker;
struct Remade;

/// A peer and the authenticated stream to it; the entry of this rank itself has no stream.
struct LinkedPeer {
  LinkInfo info;
  std::unique_ptr<ByteStream> stream;
};

/// Threads: the calling thread drives the links while it is in Progress, and an I/O thread while it is not, so that
/// data, heartbeats and aborts move while the caller computes. Only one of them polls: the I/O thread stands by while
/// the caller comes often, and takes over when it has been away for kStandBy. The I/O thread never runs code of the
/// caller's but the two functions of SetHeartbeat, and blocks all signals.
///
/// A link whose stream breaks is made again by the relinker's thread, which hands the new stream over as an event of
/// the poll set. What waits on the link waits for that, kRemakeWithin at most.
class TcpTransport : public Transport {
 public:
  /// `peers` by rank. Without a relinker (the first form) a link that breaks is lost.
  static arrow::Result<std::unique_ptr<Transport>> Make(Rank rank, std::vector<LinkedPeer> peers);
  /// `shared_bytes`: of memory to share with ranks of this host, all together; 0: none.
  static arrow::Result<std::unique_ptr<Transport>> Make(Rank rank, std::vector<LinkedPeer> peers,
                                                        std::unique_ptr<Relinker> relinker, int64_t shared_bytes);
  ~TcpTransport() override;

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
  struct Slot {
    std::unique_ptr<Link> link;  // nullptr for this rank itself
    uint32_t interest = 0;       // what is polled for
    bool polled = false;
    uint32_t links = 1;  // how many streams it has had
  };
  using Lock = std::unique_lock<std::mutex>;

  TcpTransport(Rank rank, int world_size, int64_t shared_bytes);
  arrow::Status Start(std::vector<LinkedPeer> peers, std::unique_ptr<Relinker> relinker);
  arrow::Status StartThread();
  arrow::Status CheckCall(Rank peer) const;
  arrow::Result<OperationPtr> Begin(OperationRef operation);

  // All below need the mutex.
  int Poll(Lock& lock, Duration spin, Duration wait, std::span<epoll_event> events);
  void Handle(std::span<const epoll_event> events);
  void UpdateInterest(Slot& slot);
  void Settle(Lock& lock);
  void RunTimers(Lock& lock);
  void SendHeartbeats(Lock& lock, Clock::time_point now);
  void LookForSilence(Clock::time_point now);
  void LookForSuspects(Clock::time_point now);
  void TakeRemade();
  void TakeStream(Slot& slot, Remade& remade);
  /// A link whose time to be made again is over.
  arrow::Status NotRemade(const Slot& slot, const std::string& why) const;
  void GiveUpLate(Clock::time_point now);
  void CheckHeard(Lock& lock);
  void Fail(const arrow::Status& status, bool own_finding);
  void FlushAll();
  void Wake() const;
  void WaitForPeers(Lock& lock, Deadline deadline);
  void RunIo();

  const int generation_;  // of the process: a forked child has another one
  mutable std::mutex mutex_;
  std::unique_ptr<std::condition_variable> stand_by_ = std::make_unique<std::condition_variable>();
  LinkContext context_;
  std::vector<Slot> slots_;
  SelfMessages self_;
  Descriptor poll_;
  Descriptor wake_;
  std::unique_ptr<Relinker> relinker_;  // or nullptr
  arrow::Status failure_;
  bool troubled_ = false;  // a link may be broken or suspected: timers are looked at often
  bool closing_ = false;
  bool closed_ = false;
  bool stop_ = false;

  // Who drives.
  Duration spin_ = Duration::zero();
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

}  // namespace weft::tcp
