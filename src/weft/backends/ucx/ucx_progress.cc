// How the transport waits, what it does by time, and what it does with what ranks say to each other.
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "weft/backends/ucx/timing.h"
#include "weft/backends/ucx/ucx_transport.h"
#include "weft/base/communication_error.h"
#include "weft/base/process_state.h"
#include "weft/base/signals_blocked.h"
#include "weft/communicator/abort_text.h"
#include "weft/communicator/message_limits.h"

namespace weft::ucx {
namespace {

/// A peer that takes nothing for long is not sent more of what will be outdated when it does.
constexpr int kMaxHeartbeatsUnderWay = 4;
constexpr unsigned kControlId = 1;
/// Refusals to sleep in a row, with nothing done between them, after which UCX is not believed.
constexpr int kMaxBusy = 100;
constexpr Duration kBusySlice = std::chrono::microseconds(200);

int64_t Nanoseconds(Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

/// A control message that UCX has not let go of.
struct UcxTransport::ControlSend {
  UcxTransport* transport;
  Rank to;
  std::string bytes;
};

arrow::Status UcxTransport::Progress(Duration max_wait) {
  ARROW_RETURN_NOT_OK(CheckCall(rank_));
  std::vector<Owner> released;
  const Deadline deadline = Deadline::After(max_wait);
  Lock lock(mutex_);
  if (closing_) return arrow::Status::Invalid("this communicator is closed");
  driver_present_ = true;
  ++driver_comes_;
  Clock::time_point spin_end = Clock::time_point::max();
  bool slept = false;
  while (failure_.ok()) {
    while (ucp_worker_progress(library_.worker()) != 0) {
      busy_ = 0;
      if (completed_ > 0) break;
    }
    if (completed_ > 0 && events_.empty()) break;
    Settle(lock);
    if (completed_ > 0 || !failure_.ok()) break;
    const Clock::time_point now = Clock::now();
    if (!deadline.infinite() && now >= deadline.when()) break;
    if (spin_end == Clock::time_point::max()) spin_end = spin_ ? now + spin_time_ : now;
    if (now < spin_end) continue;
    // In vain: on a busy host the peer may need this core, so the next spin is shorter.
    if (std::exchange(slept, true) == false) spin_time_ = std::max(spin_time_ / 2, kLeastSpin);
    Sleep(lock, deadline.LeftUpTo(kTimersWhileWaiting));
  }
  if (spin_end != Clock::time_point::max() && !slept && completed_ > 0) spin_time_ = std::min(spin_time_ * 2, kSpin);
  completed_ = 0;
  driver_present_ = false;
  driver_left_ = Clock::now();
  if (deep_stand_by_) stand_by_->notify_one();
  released.swap(released_);
  return failure_;
}

/// Waits without the mutex until UCX has something to do, a process ends, somebody calls Wake, or `wait` is over.
void UcxTransport::Sleep(Lock& lock, Duration wait) {
  if (ucp_worker_arm(library_.worker()) == UCS_OK) {
    busy_ = 0;
    lock.unlock();
    pollfd polled = {poll_, POLLIN, 0};
    const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(wait).count();
    const timespec bound = {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    const int ready = ::ppoll(&polled, 1, &bound, nullptr);
    lock.lock();
    if (ready <= 0) return;  // an interrupted wait is a short one
  } else {
    // There is something to do. Where progress never does it, a peer has ended or been stopped in the middle of a write
    // to this rank's shared memory: then nothing more comes that way.
    if (++busy_ < kMaxBusy) return;
    lock.unlock();
    std::this_thread::sleep_for(std::min<Duration>(wait, kBusySlice));
    lock.lock();
  }
  TakeEvents();
}

/// What the descriptors say.
void UcxTransport::TakeEvents() {
  epoll_event events[16];
  const int count = ::epoll_wait(poll_, events, std::size(events), 0);
  for (int i = 0; i < count; ++i) {
    const auto what = static_cast<int64_t>(events[i].data.u64);
    if (what == -1) {
      uint64_t wakes = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_, &wakes, sizeof(wakes));
    } else if (what >= 0) {
      Peer& ended = peer(static_cast<Rank>(what));
      ::epoll_ctl(poll_, EPOLL_CTL_DEL, ended.process, nullptr);
      // What it sent before its end comes first.
      while (ucp_worker_progress(library_.worker()) != 0) {
      }
      events_.push_back({static_cast<Rank>(what), "is gone: its process has ended", {}});
    }
  }
}

void UcxTransport::Wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof(one));
}

/// What is to be done after progress: what has been said, and timers.
void UcxTransport::Settle(Lock& lock) {
  const Clock::time_point now = Clock::now();
  if (now - last_timers_ >= (pending_ > 0 ? kTimersWhileWaiting : kTimersWhileIdle)) RunTimers(lock);
  while (!events_.empty()) {
    std::vector<Event> events = std::exchange(events_, {});
    // What a peer has said counts before that it is gone; the two may have come over different endpoints.
    std::stable_partition(events.begin(), events.end(), [](const Event& it) { return it.lost.empty(); });
    for (Event& event : events) Handle(lock, std::move(event));
  }
}

void UcxTransport::Handle(Lock& lock, Event event) {
  Peer& from = peer(event.peer);
  if (!event.lost.empty()) return LosePeer(event.peer, event.lost);
  const Control& control = event.control;
  const Clock::time_point now = Clock::now();
  from.last_heard = now;
  switch (control.kind) {
    case ControlKind::kHello:
      from.info.tries = 1;
      (control.text.empty() ? from.linked : from.second_linked) = true;
      return;
    case ControlKind::kHeartbeat: {
      SendControl(event.peer, ControlKind::kAnswer, control.clock, {});
      if (!check_heartbeat_ || control.text.empty() || !failure_.ok() || closing_) return;
      const auto check = check_heartbeat_;
      lock.unlock();
      const arrow::Status status = check(event.peer, control.text);
      lock.lock();
      if (!status.ok() && !closing_) Fail(status, true);
      return;
    }
    case ControlKind::kAnswer:
      from.info.round_trip_seconds = static_cast<double>(Nanoseconds(now) - control.clock) * 1e-9;
      return;
    case ControlKind::kAbort:
      from.aborted = true;
      if (!closing_) Fail(DecodeAbort(control.text, event.peer, rank_), true);
      return;
    case ControlKind::kFarewell:
      from.released = true;
      return;
    case ControlKind::kGoodbye:
      SendControl(event.peer, ControlKind::kFarewell, 0, {});
      from.left = true;
      if (closing_ || !failure_.ok()) return;
      for (const UcxOperationPtr& it : held_) {
        if (it->peer != event.peer || it->done()) continue;
        return Fail(LostError(event.peer, it->receive ? "has left the job (closed its communicator) before its message "
                                                        "was sent"
                                                      : "has left the job (closed its communicator)"),
                    true);
      }
      return;
  }
}

void UcxTransport::LosePeer(Rank who, const std::string& why) {
  Peer& lost = peer(who);
  const bool news = !lost.gone;
  lost.gone = true;
  if (lost.left || closing_ || !news) return;
  Fail(LostError(who, why), true);
}

void UcxTransport::RunTimers(Lock& lock) {
  const Clock::time_point now = Clock::now();
  if (now - last_timers_ >= kWasStopped) wait_began_ = now;
  last_timers_ = now;
  if (!failure_.ok() || closing_) return;
  SendHeartbeats(lock, now);
  if (failure_.ok() && !closing_ && pending_ > 0) LookForSilence(now);
}

void UcxTransport::SendHeartbeats(Lock& lock, Clock::time_point now) {
  if (pending_ == 0 || now - std::max(wait_began_, last_beat_) < kHeartbeatEvery) return;
  last_beat_ = now;
  std::string text;
  if (make_heartbeat_) {
    const auto make = make_heartbeat_;
    lock.unlock();
    text = make();
    lock.lock();
    if (!failure_.ok() || closing_) return;
  }
  for (Rank r = 0; r < world_size(); ++r) {
    if (r == rank_ || peer(r).controls_under_way >= kMaxHeartbeatsUnderWay) continue;
    SendControl(r, ControlKind::kHeartbeat, Nanoseconds(now), text);
  }
}

void UcxTransport::LookForSilence(Clock::time_point now) {
  Rank silent = -1;
  Duration silence = Duration::zero();
  for (Rank r = 0; r < world_size(); ++r) {
    Peer& it = peer(r);
    if (r == rank_ || it.left) continue;
    const Duration since = now - std::max(wait_began_, it.last_heard);
    if (since < kLostAfter) continue;
    // One that was stopped in the middle of a write silences all who share the memory: it is the one to name. One of
    // this host that goes on is busy in UCX, which moves gigabytes in one call; its end is seen by its descriptor.
    const bool stopped = it.process >= 0 && ProcessIsStopped(it.pid);
    if (!stopped && (silent >= 0 || it.process >= 0 || it.same_process)) continue;
    silent = r;
    silence = since;
    if (stopped) break;
  }
  if (silent < 0) return;
  Fail(LostError(silent, "has not been heard of for " +
                             std::to_string(std::chrono::duration_cast<std::chrono::seconds>(silence).count()) +
                             " s; is its process stopped, or its host cut off?"),
       true);
}

void UcxTransport::SendControl(Rank to, ControlKind kind, int64_t clock, std::string_view text) {
  Peer& other = peer(to);
  const bool by_second = kind == ControlKind::kHeartbeat || kind == ControlKind::kAnswer ||
                         kind == ControlKind::kAbort || (kind == ControlKind::kHello && !text.empty());
  const ucp_ep_h endpoint = by_second ? other.second : other.endpoint;
  if (other.gone || other.left || endpoint == nullptr) return;
  Control control{kind, rank_, world_, clock, std::string(text.substr(0, kMaxText))};
  auto send = std::make_unique<ControlSend>(this, to, control.Encode());
  ucp_request_param_t param = {};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_AM_SEND_FLAG_EAGER;
  if (kind == ControlKind::kHello) param.flags |= UCP_AM_SEND_FLAG_REPLY;
  param.cb.send = &OnControlSent;
  param.user_data = send.get();
  ++other.controls_under_way;
  ++controls_under_way_;
  void* const request =
      ucp_am_send_nbx(endpoint, kControlId, nullptr, 0, send->bytes.data(), send->bytes.size(), &param);
  if (UCS_PTR_IS_PTR(request)) {
    (void)send.release();
    return;
  }
  --other.controls_under_way;
  --controls_under_way_;
  if (UCS_PTR_IS_ERR(request)) {
    events_.push_back(
        {to, std::string("cannot be reached: UCX says '") + ucs_status_string(UCS_PTR_STATUS(request)) + "'", {}});
  }
}

void UcxTransport::OnControlSent(void* request, ucs_status_t, void* control) {
  const std::unique_ptr<ControlSend> send(static_cast<ControlSend*>(control));
  --send->transport->peer(send->to).controls_under_way;
  --send->transport->controls_under_way_;
  ucp_request_free(request);  // an error of the endpoint's comes to OnEndpointError as well
}

ucs_status_t UcxTransport::OnControl(void* self, const void*, size_t, void* data, size_t length,
                                     const ucp_am_recv_param_t* param) {
  auto& transport = *static_cast<UcxTransport*>(self);
  if ((param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0) return UCS_OK;  // never sent so
  auto control = Control::Decode({static_cast<const char*>(data), length});
  // What is not of this world, or not understood, does not count.
  if (!control.ok() || control->world != transport.world_ || control->from < 0 ||
      control->from >= transport.world_size()) {
    return UCS_OK;
  }
  Peer& from = transport.peer(control->from);
  ucp_ep_h& endpoint = control->text.empty() ? from.endpoint : from.second;
  if (control->kind == ControlKind::kHello && endpoint == nullptr &&
      (param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP) != 0) {
    endpoint = param->reply_ep;
  }
  transport.events_.push_back({control->from, {}, *std::move(control)});
  return UCS_OK;
}

void UcxTransport::OnEndpointError(void* self, ucp_ep_h endpoint, ucs_status_t status) {
  auto& transport = *static_cast<UcxTransport*>(self);
  for (Rank r = 0; r < transport.world_size(); ++r) {
    if (transport.peer(r).endpoint != endpoint && transport.peer(r).second != endpoint) continue;
    transport.events_.push_back({r, std::string("is gone: UCX says '") + ucs_status_string(status) + "'", {}});
  }
}

arrow::Status UcxTransport::StartIo() {
  if (world_size() == 1) return arrow::Status::OK();  // no one to talk to
  const SignalsBlocked blocked;
  try {
    io_ = std::thread([this] { RunIo(); });
    ::pthread_setname_np(io_.native_handle(), "weft-ucx");
  } catch (const std::system_error& error) {
    return arrow::Status::IOError("ucx: no I/O thread: ", error.what());
  }
  return arrow::Status::OK();
}

void UcxTransport::RunIo() {
  uint64_t seen = 0;
  Lock lock(mutex_);
  while (!stop_) {
    const bool away = !driver_present_ && Clock::now() - driver_left_ >= kStandBy;
    if (!away) {
      // A caller that has not left since the last look waits for long: look less often, it will say when it leaves.
      deep_stand_by_ = driver_present_ && seen == driver_comes_;
      seen = driver_comes_;
      stand_by_->wait_for(lock, deep_stand_by_ ? kDeepStandBy : kStandBy);
      deep_stand_by_ = false;
      continue;
    }
    while (ucp_worker_progress(library_.worker()) != 0) {
    }
    Settle(lock);
    if (stop_ || driver_present_) continue;
    Sleep(lock, pending_ > 0 ? kTimersWhileWaiting : kTimersWhileIdle);
  }
}

}  // namespace weft::ucx
