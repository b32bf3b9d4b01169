// How the transport ends.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "weft/backends/ucx/timing.h"
#include "weft/backends/ucx/ucx_transport.h"
#include "weft/base/communication_error.h"

namespace weft::ucx {

arrow::Status UcxTransport::Close(Deadline deadline) {
  ARROW_RETURN_NOT_OK(CheckCall(rank_));
  std::vector<Owner> released;
  Lock lock(mutex_);
  if (closed_) return arrow::Status::OK();
  closing_ = true;
  driver_present_ = true;  // the I/O thread keeps off
  const arrow::Status cancelled = MakeCommunicationError({.failure = CommunicationFailure::kCancelled, .rank = rank_},
                                                         "the communicator was closed");
  for (const UcxOperationPtr& it : held_) Complete(*it, cancelled, 0);
  if (library_.worker() != nullptr) {
    CancelReceives();
    if (failure_.ok()) {
      SayGoodbye(lock, deadline);
    } else {
      Flush(lock, Deadline::After(kLinger));
    }
  }
  stop_ = true;
  stand_by_->notify_all();
  if (wake_ >= 0) Wake();
  lock.unlock();
  if (io_.joinable()) io_.join();
  lock.lock();
  const auto has_endpoint = [](const Peer& it) { return it.endpoint != nullptr || it.second != nullptr; };
  if (!linked_ && (!accepted_.empty() || std::any_of(peers_.begin(), peers_.end(), has_endpoint))) {
    // UCX 1.13 ends the process where an endpoint is closed whose wire-up messages still wait. So worker and context
    // are left to the process' end; nothing drives them any more, and none of their callbacks runs.
    if (listener_ != nullptr) ucp_listener_destroy(std::exchange(listener_, nullptr));
    library_.Forget();
  }
  if (library_.worker() != nullptr) CloseEndpoints();
  // UCX runs the callbacks of what is still under way, and touches no memory afterwards.
  library_.Destroy();
  while (!held_.empty()) (void)LetGo(*held_.back());
  for (Peer& it : peers_) {
    if (it.process >= 0) ::close(std::exchange(it.process, -1));
    it.endpoint = nullptr;
    it.second = nullptr;
  }
  if (poll_ >= 0) ::close(std::exchange(poll_, -1));
  if (wake_ >= 0) ::close(std::exchange(wake_, -1));
  closed_ = true;
  released.swap(released_);
  return arrow::Status::OK();
}

/// Sends goodbyes behind all that was sent before, and waits until each peer has answered or has left itself.
void UcxTransport::SayGoodbye(Lock& lock, Deadline deadline) {
  for (Rank r = 0; r < world_size(); ++r) {
    if (r != rank_) SendControl(r, ControlKind::kGoodbye, 0, {});
  }
  const auto settled = [this](const Peer& it) {
    return it.info.peer == rank_ || it.released || it.left || it.gone || it.aborted;
  };
  for (;;) {
    while (ucp_worker_progress(library_.worker()) != 0) {
    }
    Settle(lock);
    if (std::all_of(peers_.begin(), peers_.end(), settled) || deadline.Passed()) break;
    Sleep(lock, deadline.LeftUpTo(kTimersWhileWaiting));
  }
  Flush(lock, Earlier(Deadline::After(kLinger), Deadline::After(std::max<Duration>(deadline.Left(), kLinger / 4))));
}

/// Drives UCX until all that was sent has left this process, at most until `deadline`.
void UcxTransport::Flush(Lock& lock, Deadline deadline) {
  ucp_request_param_t param = {};
  void* const request = ucp_worker_flush_nbx(library_.worker(), &param);
  while (UCS_PTR_IS_PTR(request) || controls_under_way_ > 0) {
    while (ucp_worker_progress(library_.worker()) != 0) {
    }
    Settle(lock);
    const bool flushed = !UCS_PTR_IS_PTR(request) || ucp_request_check_status(request) != UCS_INPROGRESS;
    if ((flushed && controls_under_way_ == 0) || deadline.Passed()) break;
    Sleep(lock, deadline.LeftUpTo(std::chrono::milliseconds(1)));
  }
  if (UCS_PTR_IS_PTR(request)) ucp_request_free(request);
}

/// Endpoints with error handling give back what they hold when they are closed by force; others are closed with the
/// worker.
void UcxTransport::CloseEndpoints() {
  std::vector<void*> requests;
  const auto close = [&](ucp_ep_h endpoint) {
    ucp_request_param_t param = {};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    param.flags = UCP_EP_CLOSE_FLAG_FORCE;
    void* const request = ucp_ep_close_nbx(endpoint, &param);
    if (UCS_PTR_IS_PTR(request)) requests.push_back(request);
  };
  for (Peer& it : peers_) {
    for (const ucp_ep_h endpoint : {it.endpoint, it.second}) {
      if (endpoint == nullptr || !it.reports_errors) continue;
      close(endpoint);
      std::erase(accepted_, endpoint);
    }
  }
  for (const ucp_ep_h endpoint : accepted_) close(endpoint);
  if (listener_ != nullptr) ucp_listener_destroy(std::exchange(listener_, nullptr));
  const Deadline deadline = Deadline::After(kLinger);
  while (!deadline.Passed()) {
    while (ucp_worker_progress(library_.worker()) != 0) {
    }
    const bool done = std::all_of(requests.begin(), requests.end(),
                                  [](void* request) { return ucp_request_check_status(request) != UCS_INPROGRESS; });
    if (done) break;
    std::this_thread::yield();
  }
  for (void* const request : requests) ucp_request_free(request);
}

}  // namespace weft::ucx
