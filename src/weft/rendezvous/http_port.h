// A port that answers GET with a few fixed documents, for health checks and Prometheus. HTTP/1.1 (RFC 9112) as far as
// that needs it: one request a connection, no body.
#pragma once

#include <arrow/status.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "weft/base/deadline.h"
#include "weft/rendezvous/endpoint.h"

namespace weft::rendezvous {

class HttpConnection;

/// Runs on the server's thread alone.
class HttpPort {
 public:
  struct Answer {
    int status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::string body;
  };
  /// The document at a path; status 404 where there is none.
  using Handler = std::function<Answer(std::string_view path)>;
  /// At most so many connections at once: a further one takes the place of the oldest.
  static constexpr size_t kMostConnections = 64;
  /// From connecting to having taken the answer.
  static constexpr Duration kTime = std::chrono::seconds(5);
  static constexpr size_t kMostHeadBytes = 8192;

  struct Counts {
    int64_t requests = 0;
    int64_t dropped = 0;  // closed without an answer
  };

  HttpPort(asio::io_context* io, Handler handler);
  ~HttpPort();

  /// An address that cannot be had is an IOError that names it.
  arrow::Status Listen(const Endpoint& wanted);
  const Endpoint& bound() const { return bound_; }
  bool open() const { return acceptor_.is_open(); }
  void Accept();
  /// Takes no more connections and ends those that there are.
  void Close();
  const Counts& counts() const { return counts_; }

 private:
  friend class HttpConnection;
  void Take(asio::ip::tcp::socket socket);

  asio::io_context* const io_;
  const Handler handler_;
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  Endpoint bound_;
  std::list<std::shared_ptr<HttpConnection>> connections_;
  Counts counts_;
};

}  // namespace weft::rendezvous
