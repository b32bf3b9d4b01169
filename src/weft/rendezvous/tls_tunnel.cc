#include "weft/rendezvous/tls_tunnel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/base/logging.h"
#include "weft/base/open_files.h"
#include "weft/base/signals_blocked.h"

namespace weft::rendezvous {
namespace {

/// Read ahead of what the other side takes, each way.
constexpr size_t kAhead = size_t{256} << 10;
/// For what was written before the plain side was closed.
constexpr Duration kFlushTime = std::chrono::seconds(5);
/// The same where the process ends.
constexpr Duration kExitTime = std::chrono::seconds(1);

using Chunk = std::array<char, size_t{64} << 10>;

/// Sends what can be sent now. False where the socket is broken.
bool SendSome(int fd, std::string* bytes) {
  size_t done = 0;
  while (done < bytes->size()) {
    const ssize_t sent = ::send(fd, bytes->data() + done, bytes->size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
    if (sent < 0) break;
    done += static_cast<size_t>(sent);
  }
  bytes->erase(0, done);
  return true;
}

class Tunnel {
 public:
  Tunnel(Socket wire, Socket plain, std::unique_ptr<TlsEngine> engine, std::shared_ptr<TunnelOutcome> outcome)
      : wire_(std::move(wire)), plain_(std::move(plain)), engine_(std::move(engine)), outcome_(std::move(outcome)) {
    to_wire_ = engine_->TakeOutput();
  }

  /// What to poll; descriptors of nothing to wait for are -1.
  pollfd Wire() const {
    short events = 0;
    if (connecting_ || !to_wire_.empty()) events |= POLLOUT;
    if (!connecting_ && !engine_->ended() && to_plain_.size() < kAhead) events |= POLLIN;
    return {.fd = events == 0 ? -1 : wire_.fd(), .events = events, .revents = 0};
  }
  pollfd Plain() const {
    short events = 0;
    if (!to_plain_.empty()) events |= POLLOUT;
    if (engine_->ready() && !plain_ended_ && to_wire_.size() < kAhead) events |= POLLIN;
    return {.fd = plain_closed_ ? -1 : plain_.fd(), .events = events, .revents = 0};
  }

  /// False when the tunnel has ended.
  bool Drive(short wire, short plain, Chunk* chunk) {
    if (connecting_ && wire != 0 && !Connected()) return false;
    if (!connecting_ && (wire & (POLLIN | POLLHUP | POLLERR)) != 0 && !TakeWire(chunk)) return false;
    if ((plain & POLLIN) != 0) TakePlain(chunk);
    if ((plain & (POLLHUP | POLLERR)) != 0 && (plain & POLLIN) == 0) ClosePlain();
    Decrypt(chunk);
    to_wire_ += engine_->TakeOutput();
    if (!connecting_ && !SendSome(wire_.fd(), &to_wire_)) return Fail({"the connection was closed", false});
    if (!plain_closed_ && !SendSome(plain_.fd(), &to_plain_)) ClosePlain();
    if (engine_->failed()) return Fail(engine_->failure());
    if (engine_->ended() && to_plain_.empty() && !std::exchange(told_end_, true)) ::shutdown(plain_.fd(), SHUT_WR);
    if (plain_closed_) return !to_wire_.empty() && !flush_by_.Passed();
    return !(engine_->ended() && plain_ended_ && to_wire_.empty() && to_plain_.empty());
  }

  bool flushing() const { return !to_wire_.empty() && !connecting_; }
  bool closing() const { return plain_closed_; }

 private:
  bool Connected() {
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(wire_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Fail({ErrnoText(error), false});
    connecting_ = false;
    return true;
  }

  bool TakeWire(Chunk* chunk) {
    const ssize_t got = ::recv(wire_.fd(), chunk->data(), chunk->size(), 0);
    if (got > 0) {
      engine_->TakeWire({chunk->data(), static_cast<size_t>(got)});
      return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return true;
    Decrypt(chunk);
    if (engine_->ended()) return true;
    return Fail({got == 0 ? "the connection was closed" : ErrnoText(errno), false});
  }

  void TakePlain(Chunk* chunk) {
    const ssize_t got = ::recv(plain_.fd(), chunk->data(), chunk->size(), 0);
    if (got > 0) return engine_->Write({chunk->data(), static_cast<size_t>(got)});
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    plain_ended_ = true;
    engine_->Shutdown();
  }

  void Decrypt(Chunk* chunk) {
    while (to_plain_.size() < kAhead) {
      const size_t got = engine_->Read(chunk->data(), chunk->size());
      if (got == 0) return;
      to_plain_.append(chunk->data(), got);
    }
  }

  void ClosePlain() {
    if (std::exchange(plain_closed_, true)) return;
    if (!std::exchange(plain_ended_, true)) engine_->Shutdown();
    flush_by_ = Deadline::After(kFlushTime);
  }

  bool Fail(const TlsFailure& failure) {
    WEFT_LOG(kDebug, "TLS to the rendezvous server ends: " << failure.cause);
    outcome_->Set(failure);
    if (!plain_closed_) SendSome(plain_.fd(), &to_plain_);
    return false;
  }

  Socket wire_;
  Socket plain_;
  std::unique_ptr<TlsEngine> engine_;
  const std::shared_ptr<TunnelOutcome> outcome_;
  std::string to_wire_;
  std::string to_plain_;
  bool connecting_ = true;  // a connected socket is writable at once
  bool plain_ended_ = false;
  bool plain_closed_ = false;
  bool told_end_ = false;
  Deadline flush_by_ = Deadline::Infinite();
};

/// The thread of all tunnels of this process.
class Pump {
 public:
  Pump() : process_(::getpid()), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { Run(); });
  }

  bool here() const { return process_ == ::getpid(); }

  void Add(Tunnel tunnel) {
    const std::lock_guard lock(mutex_);
    added_.push_back(std::move(tunnel));
    Wake();
  }

  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      Wake();
    }
    thread_.join();
  }

 private:
  void Wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.fd(), &one, sizeof(one));
  }

  /// True when the thread is to end.
  bool TakeAdded() {
    const std::lock_guard lock(mutex_);
    tunnels_.splice(tunnels_.end(), added_);
    if (stop_ && !stop_by_) stop_by_ = Deadline::After(kExitTime);
    if (!stop_by_) return false;
    bool flushing = false;
    for (const Tunnel& tunnel : tunnels_) flushing = flushing || tunnel.flushing();
    return !flushing || stop_by_->Passed();
  }

  void Run() {
    auto chunk = std::make_unique<Chunk>();
    std::vector<pollfd> polled;
    while (!TakeAdded()) {
      polled.assign({{.fd = wake_.fd(), .events = POLLIN, .revents = 0}});
      bool hurry = stop_by_.has_value();
      for (const Tunnel& tunnel : tunnels_) {
        polled.push_back(tunnel.Wire());
        polled.push_back(tunnel.Plain());
        hurry = hurry || tunnel.closing();
      }
      ::poll(polled.data(), polled.size(), hurry ? 50 : -1);
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_.fd(), &count, sizeof(count));
      size_t at = 1;
      for (auto it = tunnels_.begin(); it != tunnels_.end(); at += 2) {
        const bool goes_on = it->Drive(polled[at].revents, polled[at + 1].revents, chunk.get());
        it = goes_on ? std::next(it) : tunnels_.erase(it);
      }
    }
  }

  const pid_t process_;
  Socket wake_;
  std::mutex mutex_;
  std::list<Tunnel> added_;
  bool stop_ = false;
  std::list<Tunnel> tunnels_;
  std::optional<Deadline> stop_by_;
  std::thread thread_;
};

/// Ends the thread before OpenSSL takes itself down: it was set up earlier, so it goes later.
class PumpOwner {
 public:
  ~PumpOwner() {
    if (pump_ == nullptr || !pump_->here()) return;
    pump_->Stop();
    delete pump_;
  }
  void Add(Tunnel tunnel) {
    const std::lock_guard lock(mutex_);
    // A parent's is not here: its memory is left as it is.
    if (pump_ == nullptr || !pump_->here()) pump_ = new Pump();
    pump_->Add(std::move(tunnel));
  }

 private:
  std::mutex mutex_;
  Pump* pump_ = nullptr;
};

}  // namespace

void TunnelOutcome::Set(const TlsFailure& failure) {
  const std::lock_guard lock(mutex_);
  if (!failure_.has_value()) failure_ = failure;
}

std::optional<TlsFailure> TunnelOutcome::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

arrow::Result<TlsTunnel> OpenTlsTunnel(Socket socket, const std::shared_ptr<const TlsContext>& context,
                                       const std::string& host) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return arrow::Status::IOError("no local sockets for TLS: ", ErrnoText(errno));
  }
  TlsTunnel tunnel{Socket(ends[0]), std::make_shared<TunnelOutcome>()};
  Socket inner(ends[1]);
  ARROW_ASSIGN_OR_RAISE(auto engine, TlsEngine::Make(context, host));
  static PumpOwner owner;
  owner.Add(Tunnel(std::move(socket), std::move(inner), std::move(engine), tunnel.outcome));
  return tunnel;
}

}  // namespace weft::rendezvous
