// The bytes of one connection at the server: those of a TCP socket, or of TLS over one.
#pragma once

#include <arrow/result.h>

#include <asio/buffer.hpp>
#include <asio/error_code.hpp>
#include <asio/ip/tcp.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/metrics.h"
#include "weft/rendezvous/tls_engine.h"

namespace weft::rendezvous {

/// Runs on the server's thread alone. One read and one write may be under way at a time; their memory is the caller's
/// and must last until they are done, which is never told within the call that begins them.
class ServerStream {
 public:
  using Done = std::function<void(asio::error_code, size_t)>;

  virtual ~ServerStream() = default;
  /// Reads some bytes; asio::error::eof where the peer says nothing more.
  virtual void Read(asio::mutable_buffer into, Done done) = 0;
  /// Writes all.
  virtual void Write(std::vector<asio::const_buffer> from, Done done) = 0;
  /// Ends a read that is under way without a byte taken: another may begin.
  virtual void CancelRead() = 0;
  /// Says nothing more, after what was written.
  virtual void ShutdownSend() = 0;
  /// What is under way ends with an error, or without a word; what is begun afterwards with an error.
  virtual void Close() = 0;
  /// The peer's address; an error where the connection has ended.
  virtual arrow::Result<Endpoint> Remote() const = 0;
  /// See MeasuredRoundTrip.
  virtual Duration RoundTrip() const = 0;
};

using ServerStreamRef = std::shared_ptr<ServerStream>;

ServerStreamRef MakePlainStream(asio::ip::tcp::socket socket);
/// `counts` outlives the stream. Fails where OpenSSL has no memory.
arrow::Result<ServerStreamRef> MakeTlsStream(asio::ip::tcp::socket socket,
                                             const std::shared_ptr<const TlsContext>& context, TlsCounts* counts);

}  // namespace weft::rendezvous
