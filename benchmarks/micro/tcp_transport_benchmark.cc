// The tcp transport beside a plain socket: round trips of small messages, bandwidth of large ones, between two threads
// over loopback. Usage: tcp_transport_benchmark [SECONDS_EACH [SIZE]]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "weft/backends/tcp/tcp_backend.h"
#include "weft/bootstrap/membership.h"
#include "weft/bootstrap/store.h"

namespace {

using weft::Clock;
using weft::Rank;

double seconds_each = 1.0;

/// What one rank of a pair does: a send or a receive of a whole message of one size, and waiting for it.
class Pair {
 public:
  virtual ~Pair() = default;
  virtual void Send(const std::byte* data, size_t size) = 0;
  virtual void Recv(std::byte* data, size_t size) = 0;
};

class SocketPair : public Pair {
 public:
  explicit SocketPair(int socket) : socket_(socket) {
    const int one = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }
  ~SocketPair() override { ::close(socket_); }
  void Send(const std::byte* data, size_t size) override {
    while (size > 0) {
      const ssize_t sent = ::send(socket_, data, size, MSG_NOSIGNAL);
      if (sent <= 0) std::abort();
      data += sent;
      size -= static_cast<size_t>(sent);
    }
  }
  void Recv(std::byte* data, size_t size) override {
    while (size > 0) {
      const ssize_t got = ::recv(socket_, data, size, 0);
      if (got <= 0) std::abort();
      data += got;
      size -= static_cast<size_t>(got);
    }
  }

 private:
  int socket_;
};

class TransportPair : public Pair {
 public:
  explicit TransportPair(std::unique_ptr<weft::Transport> transport) : transport_(std::move(transport)) {}
  void Send(const std::byte* data, size_t size) override {
    Await(*transport_->Send(1 - transport_->rank(), 1, {{data, size}}, nullptr));
  }
  void Recv(std::byte* data, size_t size) override {
    Await(*transport_->Recv(1 - transport_->rank(), 1, {{data, size}}, nullptr));
  }

 private:
  void Await(const weft::OperationPtr& operation) {
    while (!operation->done()) {
      if (!transport_->Progress(std::chrono::seconds(1)).ok()) std::abort();
    }
  }
  std::unique_ptr<weft::Transport> transport_;
};

std::vector<std::unique_ptr<Pair>> MakeSockets() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1) != 0) std::abort();
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const int dialed = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(dialed, reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
  std::vector<std::unique_ptr<Pair>> pair;
  pair.push_back(std::make_unique<SocketPair>(::accept(listener, nullptr, nullptr)));
  pair.push_back(std::make_unique<SocketPair>(dialed));
  ::close(listener);
  return pair;
}

std::vector<std::unique_ptr<Pair>> MakeTransports() {
  std::vector<std::unique_ptr<Pair>> pair(2);
  const auto make = [&pair](Rank rank) {
    const auto membership =
        *weft::Membership::Join(*weft::OpenStore("inprocess://benchmark", {}), {"benchmark", -1, 2, rank});
    weft::BackendContext context;
    context.membership = membership.get();
    context.secret = std::string(32, 's');
    pair[static_cast<size_t>(rank)] = std::make_unique<TransportPair>(*weft::tcp::MakeTransport(context));
  };
  std::thread other([&] { make(1); });
  make(0);
  other.join();
  return pair;
}

struct Times {
  double wall = 0;
  double cpu = 0;  // of the whole process: both ends; what counts on a machine that has other work
};

double CpuSeconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Rounds of one message there and one (of `back` bytes) back; returns seconds a round.
Times Rounds(std::vector<std::unique_ptr<Pair>>& pair, size_t there, size_t back) {
  // The first bytes of a message say whether it is the last.
  const size_t least = 1;
  std::thread echo([&] {
    std::vector<std::byte> in(std::max(there, least));
    const std::vector<std::byte> out(std::max(back, least));
    do {
      pair[1]->Recv(in.data(), in.size());
      pair[1]->Send(out.data(), out.size());
    } while (in[0] == std::byte{0});
  });
  std::vector<std::byte> out(std::max(there, least));
  std::vector<std::byte> in(std::max(back, least));
  const double cpu = CpuSeconds();
  const auto began = Clock::now();
  int64_t rounds = 0;
  double elapsed = 0;
  bool last = false;
  while (!last) {
    elapsed = weft::Seconds(Clock::now() - began);
    last = elapsed > seconds_each;
    out[0] = std::byte{last};
    pair[0]->Send(out.data(), out.size());
    pair[0]->Recv(in.data(), in.size());
    ++rounds;
  }
  echo.join();
  const auto count = static_cast<double>(rounds);
  return {weft::Seconds(Clock::now() - began) / count, (CpuSeconds() - cpu) / count};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) seconds_each = std::atof(argv[1]);
  const size_t only = argc > 2 ? static_cast<size_t>(std::atoll(argv[2])) : 0;
  auto sockets = MakeSockets();
  auto transports = MakeTransports();
  std::printf("%-34s %10s %10s %7s   %10s %10s %7s\n", "", "socket", "tcp", "ratio", "socket cpu", "tcp cpu", "ratio");
  const auto row = [](const char* format, size_t size, Times plain, Times ours, double scale) {
    std::printf(format, size);
    std::printf(" %10.2f %10.2f %7.2f   %10.2f %10.2f %7.2f\n", plain.wall * scale, ours.wall * scale,
                ours.wall / plain.wall, plain.cpu * scale, ours.cpu * scale, ours.cpu / plain.cpu);
  };
  for (const size_t size : {size_t{8}, size_t{1024}, size_t{16 << 10}, size_t{64 << 10}, size_t{100'000}}) {
    if (only != 0 && size != only) continue;
    const Times plain = Rounds(sockets, size, size);
    row("round trip of %8zu bytes: us     ", size, plain, Rounds(transports, size, size), 1e6);
  }
  for (const size_t size : {size_t{256 << 10}, size_t{1 << 20}, size_t{4 << 20}, size_t{64 << 20}}) {
    if (only != 0 && size != only) continue;
    const Times plain = Rounds(sockets, size, 1);
    row("one way in %9zu bytes: us a MB", size, plain, Rounds(transports, size, 1), 1e12 / static_cast<double>(size));
  }
  return 0;
}
