#include "weft/backends/tcp/byte_stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace weft::tcp {

void Descriptor::Reset() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

namespace {

IoResult FromReturn(ssize_t moved, bool reading) {
  if (moved > 0) return {IoResult::Kind::kMoved, moved, 0};
  if (moved == 0) return {reading ? IoResult::Kind::kEnd : IoResult::Kind::kWouldBlock, 0, 0};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS) return {};
  return {IoResult::Kind::kFailed, 0, errno};
}

class SocketStream : public ByteStream {
 public:
  explicit SocketStream(Descriptor socket) : socket_(std::move(socket)) {
    const int one = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
  }

  int descriptor() const override { return socket_.get(); }

  IoResult Read(std::span<const iovec> into) override {
    return FromReturn(::readv(socket_.get(), into.data(), static_cast<int>(into.size())), true);
  }

  IoResult Write(std::span<const iovec> from) override {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(from.data());
    message.msg_iovlen = from.size();
    return FromReturn(::sendmsg(socket_.get(), &message, MSG_NOSIGNAL), false);
  }

  void ShutdownWrite() override { ::shutdown(socket_.get(), SHUT_WR); }

 private:
  Descriptor socket_;
};

}  // namespace

std::unique_ptr<ByteStream> MakeSocketStream(Descriptor socket) {
  return std::make_unique<SocketStream>(std::move(socket));
}

}  // namespace weft::tcp
