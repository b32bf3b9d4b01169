#include "weft/rendezvous/http_port.h"

#include <array>
#include <asio/buffer.hpp>
#include <asio/write.hpp>
#include <utility>

#include "weft/rendezvous/acceptor.h"
#include "weft/rendezvous/event_log.h"

namespace weft::rendezvous {

using asio::ip::tcp;

namespace {

/// After an accept that failed for want of file descriptors or memory.
constexpr Duration kAcceptPause = std::chrono::milliseconds(50);

const char* Phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

struct RequestLine {
  std::string_view method;
  std::string_view path;
};

/// "GET /path?query HTTP/1.1"; nothing where it is none.
bool ReadRequestLine(std::string_view head, RequestLine* line) {
  const std::string_view text = head.substr(0, head.find("\r\n"));
  const size_t first = text.find(' ');
  const size_t second = first == std::string_view::npos ? first : text.find(' ', first + 1);
  if (second == std::string_view::npos || !text.substr(second + 1).starts_with("HTTP/1.")) return false;
  line->method = text.substr(0, first);
  line->path = text.substr(first + 1, second - first - 1);
  line->path = line->path.substr(0, line->path.find('?'));
  return line->path.starts_with('/');
}

}  // namespace

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(HttpPort* port, tcp::socket socket)
      : port_(port), socket_(std::move(socket)), timer_(socket_.get_executor()) {}

  void Start(std::list<std::shared_ptr<HttpConnection>>::iterator place) {
    place_ = place;
    timer_.expires_after(HttpPort::kTime);
    timer_.async_wait([self = shared_from_this()](asio::error_code error) {
      if (!error) self->End();
    });
    Read();
  }

  void End() {
    if (std::exchange(ended_, true)) return;
    if (!answered_) ++port_->counts_.dropped;
    timer_.cancel();
    asio::error_code error;
    socket_.close(error);
    port_->connections_.erase(place_);
  }

 private:
  void Read() {
    socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](asio::error_code error, size_t bytes) {
      if (self->ended_) return;
      if (error) return self->End();
      if (self->answered_) return self->Read();  // until the client closes, or time is up
      self->head_.append(self->buffer_.data(), bytes);
      const bool whole = self->head_.find("\r\n\r\n") != std::string::npos;
      if (whole) return self->AnswerRequest();
      if (self->head_.size() > HttpPort::kMostHeadBytes) return self->Say({.status = 431, .body = "too long\n"}, true);
      self->Read();
    });
  }

  void AnswerRequest() {
    RequestLine line;
    if (!ReadRequestLine(head_, &line)) return Say({.status = 400, .body = "no request\n"}, true);
    if (line.method != "GET" && line.method != "HEAD") return Say({.status = 405, .body = "GET or HEAD\n"}, true);
    Say(port_->handler_(line.path), line.method == "GET");
  }

  void Say(const HttpPort::Answer& answer, bool with_body) {
    answered_ = true;
    ++port_->counts_.requests;
    text_ = "HTTP/1.1 " + std::to_string(answer.status) + " " + Phrase(answer.status) +
            "\r\nContent-Type: " + answer.type + "\r\nContent-Length: " + std::to_string(answer.body.size()) +
            "\r\nConnection: close\r\nCache-Control: no-store\r\n";
    if (answer.status == 405) text_ += "Allow: GET, HEAD\r\n";
    text_ += "\r\n";
    if (with_body) text_ += answer.body;
    asio::async_write(socket_, asio::buffer(text_), [self = shared_from_this()](asio::error_code error, size_t) {
      if (self->ended_) return;
      if (error) return self->End();
      asio::error_code ignored;
      self->socket_.shutdown(tcp::socket::shutdown_send, ignored);
      self->Read();
    });
  }

  HttpPort* const port_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  std::list<std::shared_ptr<HttpConnection>>::iterator place_;
  std::array<char, 1024> buffer_;
  std::string head_;
  std::string text_;
  bool answered_ = false;
  bool ended_ = false;
};

HttpPort::HttpPort(asio::io_context* io, Handler handler)
    : io_(io), handler_(std::move(handler)), acceptor_(*io), pause_(*io) {}

HttpPort::~HttpPort() = default;

arrow::Status HttpPort::Listen(const Endpoint& wanted) {
  ARROW_ASSIGN_OR_RAISE(acceptor_, OpenAcceptor(io_, wanted));
  ARROW_ASSIGN_OR_RAISE(bound_, BoundAt(acceptor_));
  return arrow::Status::OK();
}

void HttpPort::Accept() {
  acceptor_.async_accept([this](asio::error_code error, tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (!error) {
      Accept();
      return Take(std::move(socket));
    }
    Event(LogLevel::kWarning, "accept-failed").With("port", "http").With("cause", error.message());
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](asio::error_code stopped) {
      if (!stopped && acceptor_.is_open()) Accept();
    });
  });
}

void HttpPort::Take(tcp::socket socket) {
  SetCloseOnExec(socket.native_handle());
  if (connections_.size() >= kMostConnections) connections_.front()->End();
  connections_.push_back(std::make_shared<HttpConnection>(this, std::move(socket)));
  connections_.back()->Start(std::prev(connections_.end()));
}

void HttpPort::Close() {
  asio::error_code error;
  acceptor_.close(error);
  pause_.cancel();
  while (!connections_.empty()) connections_.front()->End();
}

}  // namespace weft::rendezvous
