// Plain non-blocking sockets whose waits have deadlines, for the rendezvous client.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "weft/base/deadline.h"
#include "weft/rendezvous/endpoint.h"

namespace weft::rendezvous {

/// Owns a file descriptor.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(other.Release()) {}
  Socket& operator=(Socket&& other) noexcept;
  int fd() const { return fd_; }
  int Release();

 private:
  int fd_;
};

/// How a wait on a socket ended. Anything but kReady sets the cause.
enum class SocketResult { kReady, kTimedOut, kFailed, kInterrupted };

/// What the waits below are bounded by and report to.
struct SocketWait {
  Deadline deadline;
  const std::function<arrow::Status()>& check_interrupt;
  std::string cause;
  arrow::Status interrupted;
  bool own = false;  // this process' trouble, and not the server's
};

/// Connects to one of the server's addresses, tried in turn. The socket is non-blocking, closed on exec, without delay
/// and with TCP keepalive. `local_port` is the port of a Listener to dial from, or 0; where that port cannot be had (an
/// earlier connection from it to the same server may linger), any other is taken.
SocketResult Connect(const Endpoint& server, uint16_t local_port, SocketWait* wait, Socket* socket);

/// Begins to connect to a numeric address; the socket is set up like Connect's. What becomes of it shows later.
arrow::Result<Socket> BeginConnect(const Endpoint& server);

/// The numeric address and port that a connected socket leads to.
arrow::Result<Endpoint> PeerOf(int fd);

SocketResult SendAll(int fd, std::string_view bytes, SocketWait* wait);

/// Appends exactly `bytes`.
SocketResult ReceiveExactly(int fd, size_t bytes, SocketWait* wait, std::string* received);

}  // namespace weft::rendezvous
