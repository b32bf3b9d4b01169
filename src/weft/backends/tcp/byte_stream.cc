#include "weft/backends/tcp/byte_stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "weft/backends/tcp/tls_channel.h"
#include "weft/base/open_files.h"

namespace weft::tcp {

void Descriptor::Reset() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

namespace {

IoResult FromReturn(ssize_t moved, bool reading) {
  if (moved > 0) return {.kind = IoResult::Kind::kMoved, .bytes = moved};
  if (moved == 0) return {.kind = reading ? IoResult::Kind::kEnd : IoResult::Kind::kWouldBlock};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS) return {};
  return {.kind = IoResult::Kind::kFailed, .error = errno};
}

/// Unsent bytes that the kernel takes. Megabytes in its queue leave the caches before they are sent, which costs a
/// third of the bandwidth between processes of one host, and a heartbeat or an abort would wait behind them.
constexpr int kUnsent = 64 << 10;

void SetUp(int socket) {
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsent, sizeof(kUnsent));
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
}

class SocketStream : public ByteStream {
 public:
  explicit SocketStream(Descriptor socket) : socket_(std::move(socket)) { SetUp(socket_.get()); }

  int descriptor() const override { return socket_.get(); }
  void Allow(int64_t bytes) override { allowed_ = bytes; }

  IoResult Read(std::span<const iovec> into) override {
    if (allowed_ <= 0) return {};
    const IoResult result = ReadFrom(socket_.get(), into);
    allowed_ -= result.bytes;
    return result;
  }

  IoResult Write(std::span<const iovec> from) override { return WriteTo(socket_.get(), from); }
  void ShutdownWrite() override { ::shutdown(socket_.get(), SHUT_WR); }

 private:
  Descriptor socket_;
  int64_t allowed_ = INT64_MAX;
};

class TlsStream : public ByteStream {
 public:
  TlsStream(Descriptor socket, std::unique_ptr<TlsChannel> channel)
      : socket_(std::move(socket)), channel_(std::move(channel)) {
    SetUp(socket_.get());
    channel_->ReadAhead();
  }

  int descriptor() const override { return socket_.get(); }
  void Allow(int64_t bytes) override { channel_->Allow(bytes); }
  IoResult Read(std::span<const iovec> into) override { return channel_->Read(into); }
  IoResult Write(std::span<const iovec> from) override { return channel_->Write(from); }
  bool pending() const override { return channel_->pending(); }

  void ShutdownWrite() override {
    channel_->SayGoodbye();
    ::shutdown(socket_.get(), SHUT_WR);
  }

 private:
  Descriptor socket_;
  std::unique_ptr<TlsChannel> channel_;
};

}  // namespace

IoResult ReadFrom(int socket, std::span<const iovec> into) {
  return FromReturn(::readv(socket, into.data(), static_cast<int>(into.size())), true);
}

IoResult WriteTo(int socket, std::span<const iovec> from) {
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = from.size();
  return FromReturn(::sendmsg(socket, &message, MSG_NOSIGNAL), false);
}

std::string FailureText(const IoResult& result) {
  return result.cause != nullptr ? result.cause : ErrnoText(result.error);
}

std::unique_ptr<ByteStream> MakeSocketStream(Descriptor socket) {
  return std::make_unique<SocketStream>(std::move(socket));
}

std::unique_ptr<ByteStream> MakeTlsStream(Descriptor socket, std::unique_ptr<TlsChannel> channel) {
  return std::make_unique<TlsStream>(std::move(socket), std::move(channel));
}

}  // namespace weft::tcp
