// A client's way through TLS: a plain local socket whose bytes a thread of this process carries to and from the server.
// So whoever uses a connection to the server, links included, need not know whether there is TLS on it.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "weft/rendezvous/socket.h"
#include "weft/rendezvous/tls_engine.h"

namespace weft::rendezvous {

/// Why a tunnel has ended before its time. Thread-safe.
class TunnelOutcome {
 public:
  void Set(const TlsFailure& failure);
  std::optional<TlsFailure> failure() const;

 private:
  mutable std::mutex mutex_;
  std::optional<TlsFailure> failure_;
};

struct TlsTunnel {
  /// Non-blocking. Ends of stream go through both ways; it ends, too, where the connection or the handshake fails.
  Socket plain;
  std::shared_ptr<TunnelOutcome> outcome;
};

/// Takes over `socket`, connected or connecting, and returns at once. `host` is what the server's certificate must be
/// good for. All tunnels of a process share one thread; those of a parent are not usable in its forked child.
/// Thread-safe.
arrow::Result<TlsTunnel> OpenTlsTunnel(Socket socket, const std::shared_ptr<const TlsContext>& context,
                                       const std::string& host);

}  // namespace weft::rendezvous
