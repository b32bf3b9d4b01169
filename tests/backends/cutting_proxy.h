// A proxy between the ranks of a test that spoils the connections through it.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "weft/backends/tcp/byte_stream.h"
#include "weft/base/deadline.h"

namespace weft::tcp {

/// Listens on a loopback port and carries each connection to the target port. While `cutting`, each connection has a
/// fate, which meets it after so many bytes, both ways together.
class CuttingProxy {
 public:
  enum class Fate : uint8_t {
    kReset,      // both ends get a reset
    kEnd,        // both ends get an end of file
    kHalfReset,  // one end gets a reset, the other nothing at all
    kBlackHole,  // nothing goes through any more, and nobody is told
  };
  struct Plan {
    std::vector<Fate> fates = {Fate::kReset, Fate::kEnd};
    /// Bytes before the fate: drawn between these, evenly by their logarithm.
    double least = 1000;
    double most = 4e6;
  };

  CuttingProxy(uint16_t target, const Plan& plan, uint64_t seed) : target_(target), plan_(plan), random_(seed) {
    listener_ = Socket();
    sockaddr_in any = Loopback(0);
    socklen_t size = sizeof(any);
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&any), size) != 0 || ::listen(listener_.get(), 64) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&any), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(any.sin_port);
    NonBlocking(listener_.get());
    thread_ = std::thread([this] { Run(); });
  }
  ~CuttingProxy() {
    stop_ = true;
    thread_.join();
  }

  uint16_t port() const { return port_; }
  int64_t cuts() const { return cuts_; }
  void set_cutting(bool cutting) { cutting_ = cutting; }
  /// The fate meets all connections now.
  void CutNow(Fate fate) {
    const std::lock_guard lock(mutex_);
    for (Pair& pair : pairs_) {
      if (!pair.spoiled) Spoil(pair, fate);
    }
  }
  /// From now on nobody is let in; whoever comes is reset.
  void set_closed(bool closed) { closed_ = closed; }

 private:
  static constexpr size_t kBuffer = 256 << 10;

  struct Way {
    std::string bytes;  // read and not yet written
    bool end = false;
  };
  struct Pair {
    Descriptor ends[2];
    Way ways[2];  // from ends[i] to the other
    double left = 0;
    Fate fate = Fate::kReset;
    bool spoiled = false;
    Clock::time_point spoiled_at;
  };

  static Descriptor Socket() { return Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }
  static void NonBlocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }
  static void Reset(Descriptor& end) {
    const linger now = {1, 0};
    ::setsockopt(end.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    end.Reset();
  }

  void Accept() {
    for (;;) {
      Descriptor incoming(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!incoming.valid()) return;
      Descriptor outgoing = Socket();
      const sockaddr_in to = Loopback(target_);
      if (closed_ || ::connect(outgoing.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
        Reset(incoming);
        continue;
      }
      NonBlocking(outgoing.get());
      const int one = 1;
      for (const int fd : {incoming.get(), outgoing.get()}) {
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      }
      Pair& pair = pairs_.emplace_back();
      pair.ends[0] = std::move(incoming);
      pair.ends[1] = std::move(outgoing);
      std::uniform_real_distribution<double> exponent(std::log(plan_.least), std::log(plan_.most));
      pair.left = std::exp(exponent(random_));
      pair.fate = plan_.fates[random_() % plan_.fates.size()];
    }
  }

  void Spoil(Pair& pair, Fate fate) {
    pair.spoiled = true;
    pair.spoiled_at = Clock::now();
    ++cuts_;
    switch (fate) {
      case Fate::kReset:
        Reset(pair.ends[0]);
        Reset(pair.ends[1]);
        break;
      case Fate::kEnd:
        pair.ends[0].Reset();
        pair.ends[1].Reset();
        break;
      case Fate::kHalfReset:
        Reset(pair.ends[random_() % 2]);
        break;
      case Fate::kBlackHole:
        break;
    }
  }

  /// False where the pair is over.
  bool Carry(Pair& pair, const pollfd* polled) {
    if (pair.spoiled) {
      // What is black-holed stays so until both ends have given it up; nobody here reads that.
      return (pair.ends[0].valid() || pair.ends[1].valid()) &&
             Clock::now() - pair.spoiled_at < std::chrono::seconds(20);
    }
    for (size_t from = 0; from < 2; ++from) {
      Way& way = pair.ways[from];
      if (!way.end && (polled[from].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && way.bytes.size() < kBuffer) {
        char buffer[64 << 10];
        // Not all at once: the fate may lie anywhere.
        const double allowed = cutting_ ? std::max(1.0, std::min<double>(sizeof(buffer), pair.left)) : sizeof(buffer);
        const ssize_t got = ::recv(pair.ends[from].get(), buffer, static_cast<size_t>(allowed), 0);
        if (got > 0) {
          way.bytes.append(buffer, static_cast<size_t>(got));
        } else if (got == 0) {
          way.end = true;
        } else if (errno != EAGAIN) {
          Reset(pair.ends[1 - from]);
          return false;
        }
      }
      while (!way.bytes.empty()) {
        const ssize_t sent = ::send(pair.ends[1 - from].get(), way.bytes.data(), way.bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) {
          Reset(pair.ends[from]);
          return false;
        }
        way.bytes.erase(0, static_cast<size_t>(sent));
        pair.left -= static_cast<double>(sent);
        if (cutting_ && pair.left <= 0) {
          Spoil(pair, pair.fate);
          return pair.ends[0].valid() || pair.ends[1].valid();
        }
      }
      if (way.end && way.bytes.empty()) ::shutdown(pair.ends[1 - from].get(), SHUT_WR);
    }
    return !(pair.ways[0].end && pair.ways[1].end && pair.ways[0].bytes.empty() && pair.ways[1].bytes.empty());
  }

  void Run() {
    std::vector<pollfd> polled;
    while (!stop_) {
      polled.assign({{listener_.get(), POLLIN, 0}});
      {
        const std::lock_guard lock(mutex_);
        for (const Pair& pair : pairs_) {
          for (size_t end = 0; end < 2; ++end) {
            const bool room = !pair.spoiled && !pair.ways[end].end && pair.ways[end].bytes.size() < kBuffer;
            const bool has = !pair.spoiled && !pair.ways[1 - end].bytes.empty();
            const auto events = static_cast<short>((room ? POLLIN : 0) | (has ? POLLOUT : 0));
            polled.push_back({events != 0 ? pair.ends[end].get() : -1, events, 0});
          }
        }
      }
      ::poll(polled.data(), polled.size(), 20);
      const std::lock_guard lock(mutex_);
      const pollfd* at = polled.data() + 1;
      for (auto it = pairs_.begin(); it != pairs_.end(); at += 2)
        it = Carry(*it, at) ? std::next(it) : pairs_.erase(it);
      if (polled[0].revents != 0) Accept();
    }
  }

  const uint16_t target_;
  const Plan plan_;
  std::mt19937_64 random_;  // guarded by mutex_, as pairs_
  Descriptor listener_;
  uint16_t port_ = 0;
  std::mutex mutex_;
  std::list<Pair> pairs_;
  std::atomic<int64_t> cuts_{0};
  std::atomic<bool> cutting_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace weft::tcp
