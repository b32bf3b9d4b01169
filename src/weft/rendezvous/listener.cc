#include "weft/rendezvous/listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "weft/base/open_files.h"

namespace weft {

int BindToPort(int fd, int family, uint16_t port) {
  const int one = 1;
  const int zero = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
  sockaddr_storage any{};
  any.ss_family = static_cast<sa_family_t>(family);
  socklen_t size = sizeof(sockaddr_in);
  if (family == AF_INET6) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    reinterpret_cast<sockaddr_in6*>(&any)->sin6_port = htons(port);
    size = sizeof(sockaddr_in6);
  } else {
    reinterpret_cast<sockaddr_in*>(&any)->sin_port = htons(port);
  }
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&any), size) == 0 ? 0 : errno;
}

arrow::Result<std::shared_ptr<Listener>> Listener::Open(int backlog) {
  int error = 0;
  for (const int family : {AF_INET6, AF_INET}) {
    rendezvous::Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    error = socket.fd() < 0 ? errno : BindToPort(socket.fd(), family, 0);
    if (error != 0) continue;
    sockaddr_storage bound{};
    socklen_t size = sizeof(bound);
    if (::listen(socket.fd(), backlog) != 0 ||
        ::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
      error = errno;
      continue;
    }
    std::shared_ptr<Listener> listener(new Listener());
    listener->socket_ = std::move(socket);
    listener->port_ = ntohs(family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port
                                               : reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
    return listener;
  }
  return arrow::Status::IOError("cannot listen on any port: ", ErrnoText(error));
}

}  // namespace weft
