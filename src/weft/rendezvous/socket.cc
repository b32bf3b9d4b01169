#include "weft/rendezvous/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "weft/base/open_files.h"
#include "weft/rendezvous/listener.h"

namespace weft::rendezvous {
namespace {

/// check_interrupt is polled this often.
constexpr Duration kPollInterval = std::chrono::milliseconds(50);

SocketResult Fail(SocketWait* wait, std::string cause) {
  wait->cause = std::move(cause);
  return SocketResult::kFailed;
}

SocketResult Poll(int fd, short events, SocketWait* wait) {
  for (;;) {
    if (wait->check_interrupt) {
      wait->interrupted = wait->check_interrupt();
      if (!wait->interrupted.ok()) return SocketResult::kInterrupted;
    }
    const Duration slice = wait->deadline.LeftUpTo(wait->check_interrupt ? kPollInterval : std::chrono::seconds(60));
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(slice).count();
    const int ready = ::poll(&entry, 1, static_cast<int>(milliseconds));
    if (ready > 0) return SocketResult::kReady;
    if (ready < 0 && errno != EINTR) return Fail(wait, ErrnoText(errno));
    if (wait->deadline.Passed()) {
      wait->cause = "no answer in time";
      return SocketResult::kTimedOut;
    }
  }
}

void SetUp(int fd) {
  const int on = 1, idle = 15, interval = 5, count = 3;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

SocketResult ConnectOne(const addrinfo& address, uint16_t local_port, SocketWait* wait, Socket* socket) {
  Socket made(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (made.fd() < 0) {
    wait->own = OutOfFiles(errno);
    return Fail(wait, "socket: " + ErrnoText(errno));
  }
  SetUp(made.fd());
  if (local_port != 0 && BindToPort(made.fd(), address.ai_family, local_port) != 0) {
    return ConnectOne(address, 0, wait, socket);
  }
  if (::connect(made.fd(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno == EADDRNOTAVAIL && local_port != 0) return ConnectOne(address, 0, wait, socket);
    if (errno != EINPROGRESS) return Fail(wait, ErrnoText(errno));
    const SocketResult result = Poll(made.fd(), POLLOUT, wait);
    if (result != SocketResult::kReady) return result;
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(made.fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return Fail(wait, ErrnoText(error));
  }
  // A connection to a free local port can meet itself; that is no server.
  sockaddr_storage here{}, there{};
  socklen_t here_length = sizeof(here), there_length = sizeof(there);
  if (::getsockname(made.fd(), reinterpret_cast<sockaddr*>(&here), &here_length) == 0 &&
      ::getpeername(made.fd(), reinterpret_cast<sockaddr*>(&there), &there_length) == 0 &&
      here_length == there_length && std::memcmp(&here, &there, here_length) == 0) {
    return Fail(wait, ErrnoText(ECONNREFUSED));
  }
  *socket = std::move(made);
  return SocketResult::kReady;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) ::close(fd_);
  fd_ = other.Release();
  return *this;
}

int Socket::Release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

SocketResult Connect(const Endpoint& server, uint16_t local_port, SocketWait* wait, Socket* socket) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
  if (error != 0) return Fail(wait, std::string("the host's name does not resolve: ") + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, &::freeaddrinfo);
  SocketResult result = SocketResult::kFailed;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    result = ConnectOne(*address, local_port, wait, socket);
    if (result != SocketResult::kFailed) break;
  }
  return result;
}

arrow::Result<Socket> BeginConnect(const Endpoint& server) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
  if (error != 0) return arrow::Status::IOError(server.ToString(), ": ", ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, &::freeaddrinfo);
  Socket socket(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0) return arrow::Status::IOError("socket: ", ErrnoText(errno));
  SetUp(socket.fd());
  if (::connect(socket.fd(), found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
    return arrow::Status::IOError(server.ToString(), ": ", ErrnoText(errno));
  }
  return socket;
}

arrow::Result<Endpoint> PeerOf(int fd) {
  sockaddr_storage there{};
  socklen_t size = sizeof(there);
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&there), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&there), size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return arrow::Status::IOError("the connection to the rendezvous server has no address");
  }
  return Endpoint{host, static_cast<uint16_t>(std::atoi(port))};
}

SocketResult SendAll(int fd, std::string_view bytes, SocketWait* wait) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      const SocketResult result = Poll(fd, POLLOUT, wait);
      if (result != SocketResult::kReady) return result;
    } else if (errno != EINTR) {
      return Fail(wait, ErrnoText(errno));
    }
  }
  return SocketResult::kReady;
}

SocketResult ReceiveExactly(int fd, size_t bytes, SocketWait* wait, std::string* received) {
  const size_t begin = received->size();
  received->resize(begin + bytes);
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got = ::recv(fd, received->data() + begin + have, bytes - have, 0);
    if (got > 0) {
      have += static_cast<size_t>(got);
    } else if (got == 0) {
      return Fail(wait, "the connection was closed");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      const SocketResult result = Poll(fd, POLLIN, wait);
      if (result != SocketResult::kReady) return result;
    } else if (errno != EINTR) {
      return Fail(wait, ErrnoText(errno));
    }
  }
  return SocketResult::kReady;
}

}  // namespace weft::rendezvous
