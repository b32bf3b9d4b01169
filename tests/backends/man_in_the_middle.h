// Somebody through whose hands all connections of a world go: a relay, a router, or who has changed the addresses in a
// store. The ranks are told false addresses, which is in the power of a store that they do not trust.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/tcp_world.h"
#include "weft/backends/tcp/address.h"
#include "weft/backends/tcp/byte_stream.h"

namespace weft::tcp {

inline int ConnectTo(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return socket;
  ::close(socket);
  return -1;
}

/// Bytes on their way. What the attack leaves in `bytes` goes on; nothing goes on after `cut`.
struct Piece {
  int connection = 0;      // counted over all that there were
  bool to_target = false;  // from who has dialed to who was dialed
  Rank dialer = -1;        // as its HELLO says, and whom it wants
  Rank wanted = -1;
  int64_t at = 0;  // bytes that went before in this direction
  std::string bytes = {};
  bool cut = false;

  bool IsOf(Rank a, Rank b) const { return std::min(dialer, wanted) == a && std::max(dialer, wanted) == b; }
};
using Attack = std::function<void(Piece&)>;

/// The first byte of a piece that is at least `at` bytes into its direction; -1 where it has none.
inline int64_t IndexOf(const Piece& piece, int64_t at) {
  if (piece.at + static_cast<int64_t>(piece.bytes.size()) <= at) return -1;
  return std::max<int64_t>(0, at - piece.at);
}

/// Listens on a port of its own and passes what comes to another one.
class ManInTheMiddle {
 public:
  ManInTheMiddle(uint16_t target, Attack attack) : target_(target), attack_(std::move(attack)) {
    listener_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 64), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { Accept(); });
  }
  ~ManInTheMiddle() {
    stop_ = true;
    accepting_.join();
    for (std::thread& carrier : carriers_) carrier.join();
  }
  ManInTheMiddle(const ManInTheMiddle&) = delete;
  ManInTheMiddle& operator=(const ManInTheMiddle&) = delete;

  uint16_t port() const { return port_; }

 private:
  static std::atomic<int>& Connections() {
    static std::atomic<int> count{0};
    return count;
  }

  void Accept() {
    while (!stop_) {
      pollfd polled = {listener_.get(), POLLIN, 0};
      if (::poll(&polled, 1, 20) <= 0) continue;
      Descriptor dialer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      Descriptor target(ConnectTo(target_));
      if (!dialer.valid() || !target.valid()) continue;
      const int one = 1;
      for (const int socket : {dialer.get(), target.get()}) {
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      }
      carriers_.emplace_back([this, number = Connections()++, a = std::move(dialer), b = std::move(target)]() mutable {
        Carry(number, std::move(a), std::move(b));
      });
    }
  }

  /// Blocking writes: who does not read holds back the other, as a relay does.
  void Carry(int number, Descriptor dialer, Descriptor target) {
    const int ends[2] = {dialer.get(), target.get()};
    int64_t passed[2] = {0, 0};
    Rank ranks[2] = {-1, -1};
    bool open[2] = {true, true};
    std::vector<char> buffer(32 << 10);
    while (!stop_ && (open[0] || open[1])) {
      pollfd polled[2] = {{ends[0], static_cast<short>(open[0] ? POLLIN : 0), 0},
                          {ends[1], static_cast<short>(open[1] ? POLLIN : 0), 0}};
      if (::poll(polled, 2, 20) <= 0) continue;
      for (int from = 0; from < 2; ++from) {
        if (!open[from] || polled[from].revents == 0) continue;
        const ssize_t got = ::recv(ends[from], buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) continue;
        if (got <= 0) {
          open[from] = false;
          ::shutdown(ends[1 - from], SHUT_WR);
          continue;
        }
        Piece piece{.connection = number, .to_target = from == 0, .at = passed[from]};
        piece.bytes.assign(buffer.data(), static_cast<size_t>(got));
        if (from == 0 && passed[from] == 0 && got >= 56) std::memcpy(ranks, buffer.data() + 48, sizeof(ranks));
        piece.dialer = ranks[0];
        piece.wanted = ranks[1];
        passed[from] += got;
        attack_(piece);
        if (piece.cut) return;
        if (!SendAll(ends[1 - from], piece.bytes)) return;
      }
    }
  }

  bool SendAll(int socket, std::string_view bytes) const {
    while (!bytes.empty() && !stop_) {
      const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
      if (sent > 0) continue;
      if (errno != EAGAIN) return false;
      pollfd polled = {socket, POLLOUT, 0};
      ::poll(&polled, 1, 20);
    }
    return true;
  }

  const uint16_t target_;
  const Attack attack_;
  Descriptor listener_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread accepting_;
  std::list<std::thread> carriers_;
};

/// A store that gives every rank's address as that of a man in the middle.
class HostileStore : public Store {
 public:
  HostileStore(std::shared_ptr<Store> store, Attack attack) : store_(std::move(store)), attack_(std::move(attack)) {}

  arrow::Status Set(const std::string& key, const std::string& value, Duration time_to_live) override {
    const std::string rank = key.substr(key.rfind('/') + 1);
    if (!key.ends_with(":all/tcp/address/" + rank)) return store_->Set(key, value, time_to_live);
    ARROW_ASSIGN_OR_RAISE(Candidates candidates, Candidates::Decode(value));
    const std::lock_guard lock(mutex_);
    proxies_.push_back(std::make_unique<ManInTheMiddle>(candidates.list.front().port, attack_));
    real_ports_[rank] = candidates.list.front().port;
    candidates.list = {{CandidateKind::kLoopback, "127.0.0.1", proxies_.back()->port()}};
    return store_->Set(key, candidates.Encode(), time_to_live);
  }
  arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                    const std::string& desired, Duration time_to_live) override {
    return store_->CompareAndSet(key, expected, desired, time_to_live);
  }
  arrow::Result<std::optional<std::string>> Get(const std::string& key) override { return store_->Get(key); }
  arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration time_to_live) override {
    return store_->Add(key, delta, time_to_live);
  }
  arrow::Result<std::string> Wait(const std::string& key, Deadline deadline,
                                  const std::function<arrow::Status()>& check_interrupt) override {
    return store_->Wait(key, deadline, check_interrupt);
  }
  arrow::Status Delete(const std::string& key) override { return store_->Delete(key); }

  /// The port on which a rank really listens; 0 before it has published.
  uint16_t RealPort(Rank rank) {
    const std::lock_guard lock(mutex_);
    const auto found = real_ports_.find(std::to_string(rank));
    return found == real_ports_.end() ? uint16_t{0} : found->second;
  }

 private:
  const std::shared_ptr<Store> store_;
  const Attack attack_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<ManInTheMiddle>> proxies_;
  std::map<std::string, uint16_t> real_ports_;
};

}  // namespace weft::tcp
