// How a rank meets the others.
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "weft/backends/ucx/ucx_transport.h"
#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"
#include "weft/base/host_identity.h"
#include "weft/base/open_files.h"
#include "weft/base/process_state.h"

namespace weft::ucx {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kControlId = 1;
/// What epoll says for descriptors that are no peer's process.
constexpr int64_t kWakeEvent = -1;
constexpr int64_t kUcxEvent = -2;

arrow::Status SystemError(const char* what) { return arrow::Status::IOError("ucx: ", what, ": ", ErrnoText(errno)); }

arrow::Status Watch(int poll, int descriptor, int64_t what) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(what);
  if (::epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) != 0) return SystemError("epoll_ctl");
  return arrow::Status::OK();
}

/// FNV-1a (Fowler, Noll, Vo).
uint64_t HashOf(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

/// "host:port" or "[host]:port" in its two halves; the port may be missing.
std::pair<std::string, std::string> SplitEndpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  std::string host = text;
  std::string port;
  const bool bare_v6 = colon != std::string::npos && text.find(':') != colon && text.front() != '[';
  if (colon != std::string::npos && !bare_v6 && (text.front() != '[' || text[colon - 1] == ']')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return {host, port};
}

arrow::Result<sockaddr_storage> Resolve(const std::string& host, const std::string& port, bool passive,
                                        socklen_t* length) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return arrow::Status::Invalid("ucx: address '", host, ":", port, "': ", ::gai_strerror(error));
  sockaddr_storage address = {};
  std::memcpy(&address, found->ai_addr, found->ai_addrlen);
  *length = found->ai_addrlen;
  ::freeaddrinfo(found);
  return address;
}

}  // namespace

arrow::Status UcxTransport::Link(const BackendContext& context) {
  Membership& membership = *context.membership;
  const auto began = Clock::now();
  const Deadline deadline = Deadline::After(context.connect_timeout);
  Lock lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(library_, Library::Open(world_size()));
  world_ = HashOf(membership.job() + "\n" + std::to_string(membership.epoch()));
  ARROW_RETURN_NOT_OK(SetUpPolling());
  last_timers_ = Clock::now();
  ARROW_RETURN_NOT_OK(LinkToSelf());
  if (world_size() == 1) return arrow::Status::OK();

  ARROW_ASSIGN_OR_RAISE(const auto start_up, StartUp::Begin(context));
  ucp_am_handler_param_t handler = {};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = kControlId;
  handler.cb = &OnControl;
  handler.arg = this;
  const ucs_status_t status = ucp_worker_set_am_recv_handler(library_.worker(), &handler);
  if (status != UCS_OK) return UcxError("ucp_worker_set_am_recv_handler", status);

  Introduction mine;
  mine.ucx_version = LibraryVersion();
  // Where the network is another one the line between the two can break, as between hosts.
  mine.host = HostIdentity({"pid", "ipc", "net"});
  mine.pid = static_cast<int32_t>(::getpid());
  mine.process_start = ProcessStart(mine.pid);
  mine.shared_memory = library_.shared_memory();
  if (!context.advertise.empty()) {
    ARROW_ASSIGN_OR_RAISE(mine.listener, Listen(context.advertise));
  }
  ARROW_ASSIGN_OR_RAISE(mine.address, library_.Address());
  const std::string encoded = mine.Encode();
  const auto all = membership.ExchangeAll("ucx", encoded, deadline, [&] { return start_up->Check(); });
  const arrow::Status introduced = all.ok() ? Introduce(*all, encoded) : all.status();
  // UCX may not find the memory of one that is gone.
  if (!introduced.ok()) return start_up->Explain(introduced);
  return AwaitHellos(lock, *start_up, deadline, began);
}

arrow::Status UcxTransport::SetUpPolling() {
  poll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (poll_ < 0) return SystemError("epoll_create1");
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return SystemError("eventfd");
  ARROW_RETURN_NOT_OK(Watch(poll_, wake_, kWakeEvent));
  return Watch(poll_, library_.event_descriptor(), kUcxEvent);
}

arrow::Status UcxTransport::LinkToSelf() {
  ARROW_ASSIGN_OR_RAISE(const std::string address, library_.Address());
  ucp_ep_params_t params = {};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS;
  params.address = reinterpret_cast<const ucp_address_t*>(address.data());
  const ucs_status_t status = ucp_ep_create(library_.worker(), &params, &peer(rank_).endpoint);
  peer(rank_).linked = true;
  return status == UCS_OK ? arrow::Status::OK() : UcxError("an endpoint to this rank itself", status);
}

/// Peers that are given an address to dial get their connection through a listener: a worker address names the
/// interfaces that UCX has found, and cannot be made to name another.
arrow::Result<std::string> UcxTransport::Listen(const std::string& advertise) {
  const auto [host, port] = SplitEndpoint(advertise);
  socklen_t length = 0;
  sockaddr_storage local = {};
  const bool v6 = host.find(':') != std::string::npos;
  ARROW_ASSIGN_OR_RAISE(local, Resolve(v6 ? "::" : "0.0.0.0", port.empty() ? "0" : port, true, &length));
  ucp_listener_params_t params = {};
  params.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER;
  params.sockaddr = {reinterpret_cast<const sockaddr*>(&local), length};
  params.conn_handler = {&OnConnection, this};
  ucs_status_t status = ucp_listener_create(library_.worker(), &params, &listener_);
  if (status != UCS_OK) {
    listener_ = nullptr;
    return UcxError(("a listener for the advertised address " + advertise + " (UCX_TLS must allow tcp)").c_str(),
                    status);
  }
  ucp_listener_attr_t attributes = {};
  attributes.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR;
  status = ucp_listener_query(listener_, &attributes);
  if (status != UCS_OK) return UcxError("ucp_listener_query", status);
  const auto* bound = reinterpret_cast<const sockaddr*>(&attributes.sockaddr);
  const uint16_t number = bound->sa_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(bound)->sin6_port
                                                       : reinterpret_cast<const sockaddr_in*>(bound)->sin_port;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(ntohs(number));
}

arrow::Status UcxTransport::Introduce(const std::vector<std::string>& introductions, const std::string& mine) {
  ARROW_ASSIGN_OR_RAISE(const Introduction self, Introduction::Decode(mine));
  unsigned on_host = 0;
  for (Rank r = 0; r < world_size(); ++r) {
    if (r == rank_) {
      ++on_host;
      continue;
    }
    auto decoded = Introduction::Decode(introductions[static_cast<size_t>(r)]);
    if (!decoded.ok()) return decoded.status().WithMessage("ucx: rank ", r, ": ", decoded.status().message());
    const Introduction& other = *decoded;
    if (other.ucx_version != self.ucx_version) {
      return arrow::Status::Invalid("ucx: rank ", r, " runs UCX ", other.ucx_version, " and rank ", rank_, " ",
                                    self.ucx_version, "; all ranks need the same version");
    }
    FaultPoint(FaultPhase::kConnect);
    const bool same_host = other.host == self.host;
    if (same_host) ++on_host;
    Peer& it = peer(r);
    it.reports_errors = !(same_host && self.shared_memory && other.shared_memory);
    it.same_process = same_host && other.pid == self.pid;
    if (same_host && !it.same_process) it.process = OpenProcessEnd(other.pid, other.process_start);
    it.pid = other.pid;
    if (it.process >= 0) {
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u64 = static_cast<uint64_t>(r);
      if (::epoll_ctl(poll_, EPOLL_CTL_ADD, it.process, &event) != 0) return SystemError("epoll_ctl");
    }
    // Of two that advertise the lower rank is dialled; one that is to be dialled waits.
    const bool dials = !other.listener.empty() && (self.listener.empty() || r < rank_);
    if (dials) {
      it.reports_errors = true;
      ARROW_RETURN_NOT_OK(ConnectBySocket(it, other.listener, &it.endpoint));
      ARROW_RETURN_NOT_OK(ConnectBySocket(it, other.listener, &it.second));
    } else if (self.listener.empty()) {
      ARROW_RETURN_NOT_OK(ConnectByAddress(it, other, &it.endpoint));
      ARROW_RETURN_NOT_OK(ConnectByAddress(it, other, &it.second));
    } else {
      it.reports_errors = true;
    }
  }
  spin_ = on_host <= std::thread::hardware_concurrency();
  return arrow::Status::OK();
}

arrow::Status UcxTransport::ConnectByAddress(const Peer& peer, const Introduction& other, ucp_ep_h* endpoint) {
  ucp_ep_params_t params = {};
  params.field_mask =
      UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(other.address.data());
  params.err_mode = peer.reports_errors ? UCP_ERR_HANDLING_MODE_PEER : UCP_ERR_HANDLING_MODE_NONE;
  params.err_handler = {&OnEndpointError, this};
  const ucs_status_t status = ucp_ep_create(library_.worker(), &params, endpoint);
  if (status == UCS_OK) return arrow::Status::OK();
  *endpoint = nullptr;
  return UcxError(("no transport leads to rank " + std::to_string(peer.info.peer) +
                   "; look at UCX_TLS and UCX_NET_DEVICES on both sides")
                      .c_str(),
                  status);
}

arrow::Status UcxTransport::ConnectBySocket(const Peer& peer, const std::string& listener, ucp_ep_h* endpoint) {
  const auto [host, port] = SplitEndpoint(listener);
  socklen_t length = 0;
  ARROW_ASSIGN_OR_RAISE(const sockaddr_storage address, Resolve(host, port, false, &length));
  ucp_ep_params_t params = {};
  params.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER;
  params.sockaddr = {reinterpret_cast<const sockaddr*>(&address), length};
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler = {&OnEndpointError, this};
  const ucs_status_t status = ucp_ep_create(library_.worker(), &params, endpoint);
  if (status == UCS_OK) return arrow::Status::OK();
  *endpoint = nullptr;
  return UcxError(("dialling rank " + std::to_string(peer.info.peer) + " at " + listener).c_str(), status);
}

void UcxTransport::OnConnection(ucp_conn_request_h request, void* self) {
  static_cast<UcxTransport*>(self)->connections_.push_back(request);
}

void UcxTransport::AcceptConnections() {
  for (const ucp_conn_request_h request : std::exchange(connections_, {})) {
    ucp_ep_params_t params = {};
    params.field_mask =
        UCP_EP_PARAM_FIELD_CONN_REQUEST | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
    params.conn_request = request;
    params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
    params.err_handler = {&OnEndpointError, this};
    ucp_ep_h endpoint = nullptr;
    // One that cannot be accepted is missed when its hello does not come.
    if (ucp_ep_create(library_.worker(), &params, &endpoint) == UCS_OK) accepted_.push_back(endpoint);
  }
}

arrow::Status UcxTransport::AwaitHellos(Lock& lock, StartUp& start_up, Deadline deadline, Clock::time_point began) {
  Clock::time_point next_check = began;
  for (;;) {
    while (ucp_worker_progress(library_.worker()) != 0) {
    }
    AcceptConnections();
    Settle(lock);
    ARROW_RETURN_NOT_OK(failure_);
    Rank missing = -1;
    for (Rank r = 0; r < world_size(); ++r) {
      Peer& it = peer(r);
      if (r == rank_) continue;
      const bool connected = it.endpoint != nullptr && it.second != nullptr;
      if (connected && !std::exchange(it.greeted, true)) {
        FaultPoint(FaultPhase::kHandshake);
        SendControl(r, ControlKind::kHello, 0, {});
        SendControl(r, ControlKind::kHello, 0, kSecond);
      }
      if (it.linked && it.second_linked && it.info.link_seconds == 0) {
        it.info.link_seconds = Seconds(Clock::now() - began);
        start_up.Met(r);
        FaultPoint(FaultPhase::kHandshake);
      }
      if (!(connected && it.linked && it.second_linked) && missing < 0) missing = r;
    }
    if (missing < 0) return arrow::Status::OK();
    if (deadline.Passed()) {
      return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                     .operation = "init",
                                     .phase = "connect",
                                     .rank = rank_,
                                     .peer = missing,
                                     .elapsed = Clock::now() - began},
                                    "rank " + std::to_string(missing) +
                                        " has published its address and cannot be reached by UCX, or has not "
                                        "answered; look at UCX_TLS, UCX_NET_DEVICES and firewalls");
    }
    if (Clock::now() >= next_check) {
      next_check = Clock::now() + 50ms;
      lock.unlock();
      const arrow::Status interrupted = start_up.Check();
      lock.lock();
      ARROW_RETURN_NOT_OK(interrupted);
    }
    Sleep(lock, deadline.LeftUpTo(10ms));
  }
}

}  // namespace weft::ucx
