// Messages over a UCP worker.
#pragma once

#include <ucp/api/ucp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "weft/backends/ucx/control.h"
#include "weft/backends/ucx/tag_layout.h"
#include "weft/backends/ucx/timing.h"
#include "weft/backends/ucx/ucx_library.h"
#include "weft/backends/ucx/ucx_operation.h"
#include "weft/communicator/backend.h"
#include "weft/communicator/start_up.h"
#include "weft/communicator/transport.h"

namespace weft::ucx {

/// Messages are UCP tagged messages (TagLayout); what else ranks say (Control) are active messages over the same
/// endpoints, in order with them. Large messages wait at their sender (UCX's rendezvous, from UCX_RNDV_THRESH on), so
/// one that nobody receives costs its receiver a few hundred bytes; a shorter one costs it its length.
///
/// Each link has two endpoints. UCX may send a large message in one piece, and whatever comes after it over the same
/// endpoint waits, so heartbeats and aborts have one of their own: a peer that is busy sending is not silent.
///
/// Two processes that share memory have endpoints without UCX's error handling, for with it UCX 1.13 refuses shared
/// memory; that the other one has ended is seen by its pidfd. Other endpoints report errors themselves. Silence is
/// watched on both.
///
/// Threads: the worker is driven by the calling thread while it is in Progress, and by an I/O thread while it is not,
/// so that data, heartbeats and aborts move while the caller computes. The I/O thread stands by while the caller comes
/// often, and takes over when it has been away for kStandBy. It never runs code of the caller's but the two functions
/// of SetHeartbeat, and blocks all signals.
class UcxTransport : public Transport {
 public:
  static arrow::Result<std::unique_ptr<Transport>> Make(const BackendContext& context);
  ~UcxTransport() override;

  Rank rank() const override { return rank_; }
  int world_size() const override { return static_cast<int>(peers_.size()); }
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
  struct Peer {
    LinkInfo info;
    ucp_ep_h endpoint = nullptr;  // of messages, hellos and goodbyes
    ucp_ep_h second = nullptr;    // of heartbeats and aborts
    bool reports_errors = false;  // UCX's error handling mode is PEER
    bool greeted = false;         // this rank's hello is on its way
    bool linked = false;          // its hello has come
    bool second_linked = false;   // over the other endpoint, too
    bool left = false;            // its goodbye has come
    bool released = false;        // it has answered this rank's goodbye
    bool gone = false;            // the endpoint has failed or the process has ended
    bool aborted = false;         // it has told this rank of a failure
    int32_t pid = 0;
    int process = -1;  // of another process of this host: a descriptor that becomes readable when it ends
    bool same_process = false;
    int controls_under_way = 0;
    Clock::time_point last_heard;
  };
  /// What a callback of UCX's has seen; handled when UCX's progress has returned.
  struct Event {
    Rank peer = -1;
    std::string lost;  // why; empty: `control` has come
    Control control;
  };
  struct ControlSend;
  using Lock = std::unique_lock<std::mutex>;

  UcxTransport(Rank rank, int world_size);
  arrow::Status CheckCall(Rank peer) const;

  // Linking (ucx_linking.cc): before any other thread knows the transport, but under the mutex all the same.
  arrow::Status Link(const BackendContext& context);
  arrow::Status SetUpPolling();
  arrow::Status LinkToSelf();
  arrow::Result<std::string> Listen(const std::string& advertise);
  arrow::Status Introduce(const std::vector<std::string>& introductions, const std::string& mine);
  arrow::Status ConnectByAddress(const Peer& peer, const Introduction& other, ucp_ep_h* endpoint);
  arrow::Status ConnectBySocket(const Peer& peer, const std::string& listener, ucp_ep_h* endpoint);
  arrow::Status AwaitHellos(Lock& lock, StartUp& start_up, Deadline deadline, Clock::time_point began);
  void AcceptConnections();
  arrow::Status StartIo();

  // All below need the mutex.
  Peer& peer(Rank rank) { return peers_[static_cast<size_t>(rank)]; }
  arrow::Result<OperationPtr> Start(const UcxOperationPtr& operation, void* buffer, size_t count, bool many);
  void* Post(UcxOperation& operation, uint64_t tag, void* buffer, size_t count, bool many);
  void Hold(const UcxOperationPtr& operation);
  UcxOperationPtr LetGo(UcxOperation& operation);
  void Complete(UcxOperation& operation, arrow::Status status, int64_t bytes);
  void Finish(UcxOperation& operation, ucs_status_t status, int64_t bytes);
  arrow::Status LostError(Rank who, const std::string& why) const;
  void SendControl(Rank to, ControlKind kind, int64_t clock, std::string_view text);
  void Fail(const arrow::Status& status, bool own_finding);
  void CancelReceives();

  // Progress (ucx_progress.cc).
  void Sleep(Lock& lock, Duration wait);
  void TakeEvents();
  void Settle(Lock& lock);
  void Handle(Lock& lock, Event event);
  void LosePeer(Rank who, const std::string& why);
  void RunTimers(Lock& lock);
  void SendHeartbeats(Lock& lock, Clock::time_point now);
  void LookForSilence(Clock::time_point now);
  void Wake() const;
  void RunIo();

  // Closing (ucx_closing.cc).
  void SayGoodbye(Lock& lock, Deadline deadline);
  void Flush(Lock& lock, Deadline deadline);
  void CloseEndpoints();

  // Callbacks of UCX's, by a thread that has the mutex.
  static void OnSent(void* request, ucs_status_t status, void* operation);
  static void OnReceived(void* request, ucs_status_t status, const ucp_tag_recv_info_t* info, void* operation);
  static void OnControlSent(void* request, ucs_status_t status, void* control);
  static ucs_status_t OnControl(void* self, const void* header, size_t header_length, void* data, size_t length,
                                const ucp_am_recv_param_t* param);
  static void OnEndpointError(void* self, ucp_ep_h endpoint, ucs_status_t status);
  static void OnConnection(ucp_conn_request_h request, void* self);

  const int generation_;  // of the process: a forked child has another one
  const Rank rank_;
  const TagLayout tags_;
  uint64_t world_ = 0;  // of job and epoch
  mutable std::mutex mutex_;
  std::unique_ptr<std::condition_variable> stand_by_ = std::make_unique<std::condition_variable>();
  Library library_;
  ucp_listener_h listener_ = nullptr;
  std::vector<ucp_conn_request_h> connections_;  // not yet accepted
  std::vector<ucp_ep_h> accepted_;               // of whoever has not said hello yet
  std::vector<Peer> peers_;                      // by rank, this one included
  int poll_ = -1;                                // of UCX's descriptor, the wake-up and the peers' processes
  int wake_ = -1;
  bool spin_ = false;  // this host has a core for each of its ranks
  Duration spin_time_ = kSpin;
  int busy_ = 0;  // UCX's refusals to sleep in a row
  arrow::Status failure_;
  bool linked_ = false;
  bool closing_ = false;
  bool closed_ = false;
  bool stop_ = false;

  std::vector<UcxOperationPtr> held_;  // by UCX
  std::vector<Owner> released_;        // to let go of by the calling thread, without the mutex
  std::vector<Event> events_;
  int64_t pending_ = 0;    // operations not yet complete
  int64_t completed_ = 0;  // since the last Progress
  int controls_under_way_ = 0;

  // Who drives.
  bool driver_present_ = false;
  uint64_t driver_comes_ = 0;
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

}  // namespace weft::ucx
