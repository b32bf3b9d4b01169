#include "weft/rendezvous/server_stream.h"

#include <array>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>
#include <string>
#include <utility>

#include "weft/rendezvous/event_log.h"
#include "weft/rendezvous/round_trip.h"

namespace weft::rendezvous {
namespace {

using asio::ip::tcp;

/// A peer that makes TLS say more than this by itself is not served.
constexpr size_t kMostOutput = size_t{4} << 20;

arrow::Result<Endpoint> RemoteOf(const tcp::socket& socket) {
  asio::error_code error;
  const auto remote = socket.remote_endpoint(error);
  if (error) return arrow::Status::IOError(error.message());
  auto host = remote.address();
  if (host.is_v6() && host.to_v6().is_v4_mapped()) {
    host = asio::ip::make_address_v4(asio::ip::v4_mapped, host.to_v6());
  }
  return Endpoint{host.to_string(), remote.port()};
}

Duration RoundTripOf(const tcp::socket& socket) {
  return MeasuredRoundTrip(const_cast<tcp::socket&>(socket).native_handle());
}

class PlainStream : public ServerStream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {}

  void Read(asio::mutable_buffer into, Done done) override { socket_.async_read_some(into, std::move(done)); }
  void Write(std::vector<asio::const_buffer> from, Done done) override {
    asio::async_write(socket_, from, std::move(done));
  }
  void CancelRead() override {
    asio::error_code error;
    socket_.cancel(error);
  }
  void ShutdownSend() override {
    asio::error_code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
  }
  void Close() override {
    asio::error_code error;
    socket_.close(error);
  }
  arrow::Result<Endpoint> Remote() const override { return RemoteOf(socket_); }
  Duration RoundTrip() const override { return RoundTripOf(socket_); }

 private:
  tcp::socket socket_;
};

/// The handshake goes on whenever a read or a write is asked for.
class TlsStream : public ServerStream, public std::enable_shared_from_this<TlsStream> {
 public:
  TlsStream(tcp::socket socket, std::unique_ptr<TlsEngine> engine, TlsCounts* counts)
      : socket_(std::move(socket)), engine_(std::move(engine)), counts_(counts) {
    asio::error_code error;
    socket_.non_blocking(true, error);
  }

  void Read(asio::mutable_buffer into, Done done) override {
    if (closed_) return Tell(std::move(done), asio::error::bad_descriptor, 0);
    into_ = into;
    read_done_ = std::move(done);
    Go();
  }

  void Write(std::vector<asio::const_buffer> from, Done done) override {
    if (closed_) return Tell(std::move(done), asio::error::bad_descriptor, 0);
    from_ = std::move(from);
    write_done_ = std::move(done);
    Go();
  }

  void CancelRead() override { read_done_ = nullptr; }

  void ShutdownSend() override {
    shutting_ = true;
    Go();
  }

  void Close() override {
    closed_ = true;
    read_done_ = write_done_ = nullptr;
    asio::error_code error;
    socket_.close(error);
  }

  arrow::Result<Endpoint> Remote() const override { return RemoteOf(socket_); }
  Duration RoundTrip() const override { return RoundTripOf(socket_); }

 private:
  /// Does what can be done now, and begins what must be waited for.
  void Go() {
    if (closed_) return;
    if (engine_->ready()) {
      TakeWrite();
      ServeRead();
    }
    NoteHandshake();
    if (engine_->failed()) error_ = asio::error::connection_aborted;
    Flush();
    if (error_) return EndAll();
    const bool wants_bytes = read_done_ != nullptr || !engine_->ready();
    if (wants_bytes && !reading_ && !engine_->ended()) ReadWire();
  }

  void TakeWrite() {
    for (const asio::const_buffer& piece : std::exchange(from_, {})) {
      engine_->Write({static_cast<const char*>(piece.data()), piece.size()});
      taken_ += piece.size();
    }
    if (shutting_ && write_done_ == nullptr && !std::exchange(shut_, true)) engine_->Shutdown();
  }

  void ServeRead() {
    if (read_done_ == nullptr) return;
    const size_t got = engine_->Read(static_cast<char*>(into_.data()), into_.size());
    if (got > 0) Tell(std::exchange(read_done_, nullptr), {}, got);
    if (got == 0 && engine_->ended()) Tell(std::exchange(read_done_, nullptr), asio::error::eof, 0);
  }

  void NoteHandshake() {
    if (noted_ || (!engine_->ready() && !engine_->failed())) return;
    noted_ = true;
    ++(engine_->ready() ? counts_->handshakes : counts_->failures);
    if (engine_->ready()) return;
    const auto remote = Remote();
    Event(LogLevel::kInfo, "tls-failed")
        .With("client", remote.ok() ? remote->host : "")
        .With("cause", engine_->failure().cause);
  }

  /// Waits first and reads then, into memory that all streams share: thousands of them may have nothing to read.
  void ReadWire() {
    reading_ = true;
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](asio::error_code error) {
      self->reading_ = false;
      if (self->closed_) return;
      static thread_local std::array<char, size_t{64} << 10> wire;
      const size_t bytes = error ? 0 : self->socket_.read_some(asio::buffer(wire), error);
      // An end without TLS's own word for it may be somebody else's doing.
      if (error == asio::error::eof) error = asio::error::connection_reset;
      if (error && error != asio::error::would_block && error != asio::error::try_again) self->error_ = error;
      self->engine_->TakeWire({wire.data(), bytes});
      self->Go();
    });
  }

  /// What TLS says goes out as soon as what went before it is out.
  void Flush() {
    output_ += engine_->TakeOutput();
    if (output_.size() > kMostOutput) error_ = asio::error::no_buffer_space;
    if (flushing_) return;
    if (output_.empty()) {
      if (from_.empty() && write_done_ != nullptr && engine_->ready()) {
        Tell(std::exchange(write_done_, nullptr), {}, std::exchange(taken_, 0));
        if (shutting_) return Go();
      }
      asio::error_code ignored;
      if (shut_) socket_.shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    flushing_ = true;
    going_out_ = std::exchange(output_, {});
    asio::async_write(socket_, asio::buffer(going_out_), [self = shared_from_this()](asio::error_code error, size_t) {
      self->flushing_ = false;
      self->going_out_ = {};
      if (self->closed_) return;
      if (error) self->error_ = error;
      self->Go();
    });
  }

  void EndAll() {
    if (read_done_ != nullptr) Tell(std::exchange(read_done_, nullptr), error_, 0);
    if (write_done_ != nullptr) Tell(std::exchange(write_done_, nullptr), error_, 0);
  }

  void Tell(Done done, asio::error_code error, size_t bytes) {
    asio::post(socket_.get_executor(), [done = std::move(done), error, bytes] { done(error, bytes); });
  }

  tcp::socket socket_;
  std::unique_ptr<TlsEngine> engine_;
  TlsCounts* const counts_;
  asio::mutable_buffer into_;
  Done read_done_;
  std::vector<asio::const_buffer> from_;
  Done write_done_;
  size_t taken_ = 0;
  std::string output_;
  std::string going_out_;
  asio::error_code error_;
  bool reading_ = false;
  bool flushing_ = false;
  bool shutting_ = false;
  bool shut_ = false;
  bool noted_ = false;
  bool closed_ = false;
};

}  // namespace

ServerStreamRef MakePlainStream(tcp::socket socket) { return std::make_shared<PlainStream>(std::move(socket)); }

arrow::Result<ServerStreamRef> MakeTlsStream(tcp::socket socket, const std::shared_ptr<const TlsContext>& context,
                                             TlsCounts* counts) {
  ARROW_ASSIGN_OR_RAISE(auto engine, TlsEngine::Make(context, ""));
  return std::make_shared<TlsStream>(std::move(socket), std::move(engine), counts);
}

}  // namespace weft::rendezvous
