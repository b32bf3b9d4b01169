#include "weft/rendezvous/server.h"

#include <netinet/tcp.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "weft/base/signals_blocked.h"
#include "weft/rendezvous/acceptor.h"
#include "weft/rendezvous/event_log.h"
#include "weft/rendezvous/http_port.h"
#include "weft/rendezvous/metrics.h"
#include "weft/rendezvous/pairing.h"
#include "weft/rendezvous/relay.h"
#include "weft/rendezvous/server_session.h"
#include "weft/rendezvous/server_stream.h"
#include "weft/rendezvous/store_service.h"

namespace weft {

using asio::ip::tcp;
using rendezvous::Event;
using rendezvous::HttpPort;
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
  rendezvous::SetCloseOnExec(fd);
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
        limits_(options.limits),
        acceptor_(io_),
        ticker_(io_),
        pause_(io_),
        http_(&io_, [this](std::string_view path) { return Document(path); }),
        service_({.table = options.limits.table,
                  .waits_per_client = static_cast<size_t>(options.limits.waits_per_connection)}),
        pairing_({.rooms = static_cast<size_t>(options.limits.rooms),
                  .rooms_per_address = static_cast<size_t>(options.limits.rooms_per_address),
                  .world = static_cast<uint32_t>(options.limits.world)}),
        relay_(&io_, options.limits.relay) {}

  arrow::Status Listen(const RendezvousServerOptions& options);
  void Run();
  arrow::Status Renew(const RendezvousServerOptions& options);
  void Stop(Duration drain);

  void OnAdmitted(ServerSession* session) override;
  void OnClosed(ServerSession* session) override;

  const pid_t process;
  Endpoint bound;
  std::string http_bound;
  std::atomic<int64_t> connections{0}, accepted{0}, refused{0}, waits{0}, keys{0}, bytes{0}, admitted{0};
  std::atomic<int64_t> rooms{0}, gos{0}, relayed_pairs{0}, relayed_bytes{0};

 private:
  /// What new connections are met with.
  struct Secrets {
    rendezvous::AdmissionKeys keys;
    std::shared_ptr<const rendezvous::TlsContext> tls;
  };

  static arrow::Result<Secrets> Read(const RendezvousServerOptions& options);
  void Accept();
  void OnAccept(tcp::socket socket);
  /// Empty, or why a connection from this address is one too many.
  std::string Full(const std::string& address);
  bool MakeRoom();
  void Tick();
  void Publish();
  void BeginStop(Duration drain);
  void RefuseAll(bool relayed);
  void Serve();
  HttpPort::Answer Document(std::string_view path);
  rendezvous::ServerMetrics Metrics() const;

  const RendezvousLimits limits_;
  Secrets secrets_;
  bool keyed_ = false;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer ticker_;
  asio::steady_timer pause_;
  HttpPort http_;
  rendezvous::StoreService service_;
  rendezvous::Pairing pairing_;
  rendezvous::Relay relay_;
  rendezvous::ServerCounters counters_;
  std::unordered_map<ServerSession*, std::shared_ptr<ServerSession>> sessions_;
  /// Closed, but perhaps still on the stack or in a list that is being walked.
  std::vector<std::shared_ptr<ServerSession>> closed_;
  std::unordered_map<std::string, int> by_address_;
  std::unordered_set<ServerSession*> turned_away_;  // being told that the server is full; not counted
  std::list<ServerSession*> greeting_;              // not admitted yet, the oldest first
  std::unordered_map<ServerSession*, std::list<ServerSession*>::iterator> greeting_places_;
  int64_t admitted_ = 0;
  bool stopping_ = false;
  KeyTable::Time drain_until_;
  KeyTable::Time stop_by_;
  std::mutex stop_mutex_;
  std::thread thread_;
};

arrow::Result<RendezvousServer::Impl::Secrets> RendezvousServer::Impl::Read(const RendezvousServerOptions& options) {
  Secrets secrets;
  if (!options.key.empty()) secrets.keys.push_back(options.key);
  for (const std::string& key : options.more_keys) {
    if (options.key.empty() || key.empty()) return arrow::Status::Invalid("an admission key is empty");
    secrets.keys.push_back(key);
  }
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return arrow::Status::Invalid("TLS needs both a certificate (--tls-certificate) and its key (--tls-key)");
  }
  if (!options.tls_key.empty()) {
    ARROW_ASSIGN_OR_RAISE(secrets.tls, rendezvous::TlsContext::ForServer(options.tls_certificate, options.tls_key));
  }
  return secrets;
}

arrow::Status RendezvousServer::Impl::Listen(const RendezvousServerOptions& options) {
  const Endpoint wanted{options.host, options.port};
  ARROW_ASSIGN_OR_RAISE(secrets_, Read(options));
  keyed_ = !secrets_.keys.empty();
  ARROW_ASSIGN_OR_RAISE(acceptor_, rendezvous::OpenAcceptor(&io_, wanted));
  ARROW_ASSIGN_OR_RAISE(bound, rendezvous::BoundAt(acceptor_));
  asio::error_code error;
  if (!keyed_ && !options.open && !asio::ip::make_address(bound.host, error).is_loopback()) {
    return arrow::Status::Invalid("a rendezvous server without an admission key on ", wanted.ToString(),
                                  ", which is no loopback address, would admit anyone: give it a key (--key-file), or "
                                  "say that it is meant to be open (--open)");
  }
  if (!options.http.has_value()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(http_.Listen(*options.http));
  http_bound = http_.bound().ToString();
  return arrow::Status::OK();
}

void RendezvousServer::Impl::Run() {
  const SignalsBlocked blocked;
  Accept();
  if (http_.open()) http_.Accept();
  Tick();
  thread_ = std::thread([this] { Serve(); });
}

void RendezvousServer::Impl::Serve() {
  for (;;) {
    try {
      io_.run();
      break;
    } catch (const std::exception& error) {
      // Most likely memory: the operation that failed is lost, its connection ends by its limits of time.
      Event(LogLevel::kError, "exception").With("cause", error.what());
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
    Event(LogLevel::kWarning, "accept-failed").With("port", "rendezvous").With("cause", error.message());
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](asio::error_code stopped) {
      if (!stopped && !stopping_) Accept();
    });
  });
}

std::string RendezvousServer::Impl::Full(const std::string& address) {
  const auto found = by_address_.find(address);
  if (found != by_address_.end() && found->second >= limits_.connections_per_address) {
    return "the server has " + std::to_string(found->second) + " connections from " + address + ", its limit";
  }
  if (connections.load() >= limits_.connections && !MakeRoom()) {
    return "the server has " + std::to_string(limits_.connections) + " connections, its limit";
  }
  return "";
}

/// Closes the oldest connection that has not been admitted: strangers that hold connections open keep nobody out.
bool RendezvousServer::Impl::MakeRoom() {
  if (greeting_.empty()) return false;
  ++counters_.evicted;
  greeting_.front()->Close();
  return true;
}

void RendezvousServer::Impl::OnAccept(tcp::socket socket) {
  ++accepted;
  ++counters_.accepted;
  SetUp(&socket);
  asio::error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;
  const std::string address = CountedAddress(remote.address());
  const std::string full = Full(address);
  if (!full.empty()) {
    ++refused;
    if (turned_away_.size() >= kMaxRefusedAtOnce) return;
  }
  rendezvous::ServerStreamRef stream;
  if (secrets_.tls != nullptr) {
    auto made = rendezvous::MakeTlsStream(std::move(socket), secrets_.tls, &counters_.tls);
    if (!made.ok()) return;
    stream = *std::move(made);
  } else {
    stream = rendezvous::MakePlainStream(std::move(socket));
  }
  const rendezvous::Services services{&service_, &pairing_, &relay_, &counters_, &secrets_.keys, &limits_};
  auto session = std::make_shared<ServerSession>(std::move(stream), this, services, address);
  sessions_.emplace(session.get(), session);
  if (!full.empty()) {
    turned_away_.insert(session.get());
    return session->Refuse(RefusalCode::kFull, full);
  }
  ++connections;
  ++by_address_[address];
  greeting_places_[session.get()] = greeting_.insert(greeting_.end(), session.get());
  session->Start();
}

void RendezvousServer::Impl::OnAdmitted(ServerSession* session) {
  ++admitted_;
  const auto place = greeting_places_.find(session);
  greeting_.erase(place->second);
  greeting_places_.erase(place);
}

void RendezvousServer::Impl::OnClosed(ServerSession* session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  closed_.push_back(std::move(found->second));
  sessions_.erase(found);
  if (turned_away_.erase(session) > 0) return;
  --connections;
  if (session->admitted()) --admitted_;
  if (const auto place = greeting_places_.find(session); place != greeting_places_.end()) {
    greeting_.erase(place->second);
    greeting_places_.erase(place);
  }
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
  Publish();
  if (!stopping_) return;
  if (now >= drain_until_) RefuseAll(true);
  if (sessions_.empty() || now >= stop_by_) {
    http_.Close();
    io_.stop();
  }
}

void RendezvousServer::Impl::Publish() {
  waits = service_.waits();
  keys = service_.table().keys();
  bytes = service_.table().bytes();
  admitted = admitted_;
  rooms = static_cast<int64_t>(pairing_.rooms());
  gos = pairing_.counts().gos;
  relayed_pairs = relay_.counts().pairs;
  relayed_bytes = relay_.counts().bytes;
}

rendezvous::ServerMetrics RendezvousServer::Impl::Metrics() const {
  const auto relay = relay_.counts();
  const auto& pairing = pairing_.counts();
  rendezvous::ServerMetrics metrics{.counters = counters_,
                                    .max_connections = limits_.connections,
                                    .jobs = service_.table().jobs(),
                                    .keys = service_.table().keys(),
                                    .bytes = service_.table().bytes(),
                                    .waits = service_.waits(),
                                    .rooms = static_cast<int64_t>(pairing_.rooms()),
                                    .members = pairing.members,
                                    .asks = pairing.asks,
                                    .gos = pairing.gos,
                                    .members_ended = pairing.ended,
                                    .members_silent = pairing.silent,
                                    .relay_parked = relay.parked,
                                    .relay_pairs = relay.pairs,
                                    .relay_pairs_in_all = relay.pairs_in_all,
                                    .relay_bytes = relay.bytes,
                                    .http_requests = http_.counts().requests,
                                    .http_dropped = http_.counts().dropped};
  for (const auto& [session, owner] : sessions_) {
    const auto state = static_cast<size_t>(session->state());
    if (state < metrics.connections.size()) ++metrics.connections[state];
    metrics.backlog_bytes += session->backlog();
  }
  return metrics;
}

HttpPort::Answer RendezvousServer::Impl::Document(std::string_view path) {
  if (path == "/metrics") {
    return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = rendezvous::RenderMetrics(Metrics())};
  }
  // Whoever reads this knows that the server's one thread is at work.
  if (path == "/healthz") return {.body = "ok\n"};
  if (path != "/readyz") return {.status = 404, .body = "there are /metrics, /healthz and /readyz\n"};
  if (stopping_) return {.status = 503, .body = "stopping\n"};
  const bool full = connections.load() >= limits_.connections && greeting_.empty();
  return full ? HttpPort::Answer{.status = 503, .body = "full\n"} : HttpPort::Answer{.body = "ready\n"};
}

void RendezvousServer::Impl::RefuseAll(bool relayed) {
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto session = (it++)->second;
    const auto state = session->state();
    if (state == ServerSession::State::kRelaying && !relayed) continue;
    session->Refuse(RefusalCode::kStopping, "the server is being stopped");
  }
}

void RendezvousServer::Impl::BeginStop(Duration drain) {
  stopping_ = true;
  drain_until_ = Clock::now() + drain;
  stop_by_ = drain_until_ + kStopTime;
  asio::error_code error;
  acceptor_.close(error);
  pause_.cancel();
  RefuseAll(drain == Duration::zero());
  ticker_.cancel();
}

void RendezvousServer::Impl::Stop(Duration drain) {
  const std::lock_guard lock(stop_mutex_);
  if (!thread_.joinable()) return;
  asio::post(io_, [this, drain] { BeginStop(drain); });
  thread_.join();
  sessions_.clear();
  closed_.clear();
}

arrow::Status RendezvousServer::Impl::Renew(const RendezvousServerOptions& options) {
  const std::lock_guard lock(stop_mutex_);
  ARROW_ASSIGN_OR_RAISE(Secrets secrets, Read(options));
  if (secrets.keys.empty() == keyed_) {
    return arrow::Status::Invalid("a server that runs cannot begin or cease to ask for admission keys: start it anew");
  }
  if (!thread_.joinable()) return arrow::Status::Invalid("the rendezvous server has been stopped");
  asio::post(io_, [this, secrets = std::move(secrets)] { secrets_ = secrets; });
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<RendezvousServer>> RendezvousServer::Start(const RendezvousServerOptions& options) {
  try {
    auto impl = std::make_unique<Impl>(options);
    ARROW_RETURN_NOT_OK(impl->Listen(options));
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
  impl_->Stop(Duration::zero());
}

std::string RendezvousServer::address() const { return impl_->bound.ToString(); }

std::string RendezvousServer::http_address() const { return impl_->http_bound; }

arrow::Status RendezvousServer::Renew(const RendezvousServerOptions& options) {
  if (impl_->process != ::getpid()) return arrow::Status::Invalid("the rendezvous server is the parent process's");
  return impl_->Renew(options);
}
uint16_t RendezvousServer::port() const { return impl_->bound.port; }
void RendezvousServer::Stop(Duration drain) {
  if (impl_->process == ::getpid()) impl_->Stop(drain);
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
