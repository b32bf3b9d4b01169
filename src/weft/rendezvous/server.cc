#include "weft/rendezvous/server.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "weft/base/logging.h"
#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/pairing.h"
#include "weft/rendezvous/relay.h"
#include "weft/rendezvous/server_session.h"
#include "weft/rendezvous/store_service.h"

namespace weft {

using asio::ip::tcp;
using rendezvous::RefusalCode;
using rendezvous::ServerSession;

namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
/// After an accept that failed for want of file descriptors or memory.
constexpr Duration kAcceptPause = std::chrono::milliseconds(50);
/// Clients that are being told that the server is full; more than these are closed without a word.
constexpr int kMaxRefusedAtOnce = 256;
/// How long Stop waits for clients to read that the server stops.
constexpr Duration kStopTime = std::chrono::seconds(1);

/// No process started by this one shall keep a connection open.
void SetCloseOnExec(int fd) { ::fcntl(fd, F_SETFD, FD_CLOEXEC); }

/// A host that is gone without a word is noticed, also while it waits.
void SetUp(tcp::socket* socket) {
  asio::error_code error;
  socket->set_option(tcp::no_delay(true), error);
  socket->set_option(asio::socket_base::keep_alive(true), error);
  const int fd = socket->native_handle();
  const int idle = 15, interval = 5, count = 3;
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
  SetCloseOnExec(fd);
}

/// What connections are counted by: an IPv4 address, or an IPv6 /64, which is what one customer gets.
std::string CountedAddress(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  if (address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return asio::ip::make_address_v6(bytes).to_string() + "/64";
}

}  // namespace

class RendezvousServer::Impl : public rendezvous::SessionHost {
 public:
  explicit Impl(const RendezvousServerOptions& options)
      : process(::getpid()),
        options_(options),
        acceptor_(io_),
        ticker_(io_),
        pause_(io_),
        service_({.table = options.limits.table,
                  .waits_per_client = static_cast<size_t>(options.limits.waits_per_connection)}),
        pairing_({}),
        relay_(&io_, options.limits.relay) {}

  arrow::Status Listen();
  void Run();
  void Stop();

  void OnAdmitted(ServerSession* /*session*/) override { ++admitted_; }
  void OnClosed(ServerSession* session) override;

  const pid_t process;
  Endpoint bound;
  std::atomic<int64_t> connections{0}, accepted{0}, refused{0}, waits{0}, keys{0}, bytes{0}, admitted{0};
  std::atomic<int64_t> rooms{0}, gos{0}, relayed_pairs{0}, relayed_bytes{0};

 private:
  void Accept();
  void OnAccept(tcp::socket socket);
  void Tick();
  void BeginStop();
  void Serve();

  const RendezvousServerOptions options_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer ticker_;
  asio::steady_timer pause_;
  rendezvous::StoreService service_;
  rendezvous::Pairing pairing_;
  rendezvous::Relay relay_;
  std::unordered_map<ServerSession*, std::shared_ptr<ServerSession>> sessions_;
  /// Closed, but perhaps still on the stack or in a list that is being walked.
  std::vector<std::shared_ptr<ServerSession>> closed_;
  std::unordered_map<std::string, int> by_address_;
  std::unordered_set<ServerSession*> turned_away_;  // being told that the server is full; not counted
  int64_t admitted_ = 0;
  bool stopping_ = false;
  KeyTable::Time stop_by_;
  std::mutex stop_mutex_;
  std::thread thread_;
};

arrow::Status RendezvousServer::Impl::Listen() {
  const Endpoint wanted{options_.host, options_.port};
  const auto failed = [&wanted](const char* what, const asio::error_code& error) {
    return arrow::Status::IOError("the rendezvous server cannot listen on ", wanted.ToString(), ": ", what, ": ",
                                  error.message());
  };
  asio::error_code error;
  tcp::resolver resolver(io_);
  const auto found = resolver.resolve(options_.host, std::to_string(options_.port), tcp::resolver::passive, error);
  if (error || found.empty()) return failed("no such address", error);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  if (options_.key.empty() && !options_.open && !endpoint.address().is_loopback()) {
    return arrow::Status::Invalid("a rendezvous server without an admission key on ", wanted.ToString(),
                                  ", which is no loopback address, would admit anyone: give it a key (--key-file), or "
                                  "say that it is meant to be open (--open)");
  }
  acceptor_.open(endpoint.protocol(), error);
  if (error) return failed("socket", error);
  SetCloseOnExec(acceptor_.native_handle());
  acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (endpoint.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(false), error);
  acceptor_.bind(endpoint, error);
  if (error) return failed("bind", error);
  acceptor_.listen(4096, error);
  if (error) return failed("listen", error);
  const tcp::endpoint local = acceptor_.local_endpoint(error);
  if (error) return failed("getsockname", error);
  bound = {local.address().to_string(), local.port()};
  return arrow::Status::OK();
}

void RendezvousServer::Impl::Run() {
  // Signals are the program's: Ctrl-C must reach its main thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  Accept();
  Tick();
  thread_ = std::thread([this] { Serve(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void RendezvousServer::Impl::Serve() {
  for (;;) {
    try {
      io_.run();
      break;
    } catch (const std::exception& error) {
      // Most likely memory: the operation that failed is lost, its connection ends by its limits of time.
      WEFT_LOG(kError, "rendezvous: " << error.what());
    }
  }
}

void RendezvousServer::Impl::Accept() {
  acceptor_.async_accept([this](asio::error_code error, tcp::socket socket) {
    if (stopping_) return;
    if (!error) {
      // First the next, so that nothing that goes wrong with this one stops the server from accepting.
      Accept();
      return OnAccept(std::move(socket));
    }
    WEFT_LOG(kWarning, "rendezvous: a connection could not be accepted: " << error.message());
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](asio::error_code stopped) {
      if (!stopped && !stopping_) Accept();
    });
  });
}

void RendezvousServer::Impl::OnAccept(tcp::socket socket) {
  ++accepted;
  SetUp(&socket);
  asio::error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;
  const std::string address = CountedAddress(remote.address());
  const int from_address = by_address_.contains(address) ? by_address_[address] : 0;
  std::string full;
  if (connections.load() >= options_.limits.connections) {
    full = "the server has " + std::to_string(options_.limits.connections) + " connections, its limit";
  } else if (from_address >= options_.limits.connections_per_address) {
    full = "the server has " + std::to_string(from_address) + " connections from " + address + ", its limit";
  }
  if (!full.empty()) {
    ++refused;
    if (turned_away_.size() >= kMaxRefusedAtOnce) return;
  }
  auto session = std::make_shared<ServerSession>(
      std::move(socket), this, rendezvous::Services{&service_, &pairing_, &relay_}, &options_, address);
  sessions_.emplace(session.get(), session);
  if (!full.empty()) {
    turned_away_.insert(session.get());
    return session->Refuse(RefusalCode::kFull, full);
  }
  ++connections;
  ++by_address_[address];
  session->Start();
}

void RendezvousServer::Impl::OnClosed(ServerSession* session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  closed_.push_back(std::move(found->second));
  sessions_.erase(found);
  if (turned_away_.erase(session) > 0) return;
  --connections;
  if (session->admitted()) --admitted_;
  const auto address = by_address_.find(session->address());
  if (--address->second == 0) by_address_.erase(address);
}

void RendezvousServer::Impl::Tick() {
  ticker_.expires_after(stopping_ ? std::chrono::milliseconds(5) : kTick);
  ticker_.async_wait([this](asio::error_code) { Tick(); });
  const auto now = Clock::now();
  closed_.clear();
  service_.Tick(now);
  pairing_.Tick(now);
  relay_.Tick(now);
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto session = (it++)->second;
    session->Tick(now);
  }
  waits = service_.waits();
  keys = service_.table().keys();
  bytes = service_.table().bytes();
  admitted = admitted_;
  rooms = static_cast<int64_t>(pairing_.rooms());
  gos = pairing_.gos();
  relayed_pairs = relay_.counts().pairs;
  relayed_bytes = relay_.counts().bytes;
  if (stopping_ && (sessions_.empty() || now >= stop_by_)) io_.stop();
}

void RendezvousServer::Impl::BeginStop() {
  stopping_ = true;
  stop_by_ = Clock::now() + kStopTime;
  asio::error_code error;
  acceptor_.close(error);
  pause_.cancel();
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto session = (it++)->second;
    session->Refuse(RefusalCode::kStopping, "the server is being stopped");
  }
  ticker_.cancel();
}

void RendezvousServer::Impl::Stop() {
  const std::lock_guard lock(stop_mutex_);
  if (!thread_.joinable()) return;
  asio::post(io_, [this] { BeginStop(); });
  thread_.join();
  sessions_.clear();
  closed_.clear();
}

arrow::Result<std::unique_ptr<RendezvousServer>> RendezvousServer::Start(const RendezvousServerOptions& options) {
  try {
    auto impl = std::make_unique<Impl>(options);
    ARROW_RETURN_NOT_OK(impl->Listen());
    impl->Run();
    return std::unique_ptr<RendezvousServer>(new RendezvousServer(std::move(impl)));
  } catch (const std::exception& error) {
    return arrow::Status::IOError("the rendezvous server could not be started: ", error.what());
  }
}

RendezvousServer::RendezvousServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RendezvousServer::~RendezvousServer() {
  // A forked child has a copy of the memory but not the thread: there is nothing that could be taken down.
  if (impl_->process != ::getpid()) {
    [[maybe_unused]] Impl* leaked = impl_.release();
    return;
  }
  impl_->Stop();
}

std::string RendezvousServer::address() const { return impl_->bound.ToString(); }
uint16_t RendezvousServer::port() const { return impl_->bound.port; }
void RendezvousServer::Stop() {
  if (impl_->process == ::getpid()) impl_->Stop();
}

RendezvousServer::Statistics RendezvousServer::statistics() const {
  return {.connections = impl_->connections,
          .admitted = impl_->admitted,
          .accepted_in_all = impl_->accepted,
          .refused_in_all = impl_->refused,
          .waits = impl_->waits,
          .keys = impl_->keys,
          .bytes = impl_->bytes,
          .rooms = impl_->rooms,
          .gos = impl_->gos,
          .relayed_pairs = impl_->relayed_pairs,
          .relayed_bytes = impl_->relayed_bytes};
}

}  // namespace weft
