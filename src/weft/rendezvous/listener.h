// A rank's one local port: it listens there, talks to the rendezvous server from there, and dials from there where a
// NAT is to be passed, so that all of it is one mapping of the NAT's.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>

#include "weft/rendezvous/socket.h"

namespace weft {

class Listener {
 public:
  /// Listens on any free port, IPv6 and IPv4 in one socket, or IPv4 alone where there is no IPv6. Non-blocking.
  static arrow::Result<std::shared_ptr<Listener>> Open(int backlog);

  int fd() const { return socket_.fd(); }
  uint16_t port() const { return port_; }
  /// Takes no more connections. The port stays known.
  void Close() { socket_ = rendezvous::Socket(); }

 private:
  Listener() = default;
  rendezvous::Socket socket_;
  uint16_t port_ = 0;
};

/// Gives a fresh TCP socket the local port of a Listener (SO_REUSEADDR, SO_REUSEPORT, any address). Returns 0 or errno.
int BindToPort(int fd, int family, uint16_t port);

}  // namespace weft
