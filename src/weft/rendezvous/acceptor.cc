#include "weft/rendezvous/acceptor.h"

#include <fcntl.h>

#include <asio/ip/v6_only.hpp>
#include <string>

namespace weft::rendezvous {

using asio::ip::tcp;

void SetCloseOnExec(int fd) { ::fcntl(fd, F_SETFD, FD_CLOEXEC); }

arrow::Result<tcp::acceptor> OpenAcceptor(asio::io_context* io, const Endpoint& wanted) {
  const auto failed = [&wanted](const char* what, const asio::error_code& error) {
    return arrow::Status::IOError("the rendezvous server cannot listen on ", wanted.ToString(), ": ", what, ": ",
                                  error.message());
  };
  asio::error_code error;
  tcp::resolver resolver(*io);
  const auto found = resolver.resolve(wanted.host, std::to_string(wanted.port), tcp::resolver::passive, error);
  if (error || found.empty()) return failed("no such address", error);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  tcp::acceptor acceptor(*io);
  acceptor.open(endpoint.protocol(), error);
  if (error) return failed("socket", error);
  SetCloseOnExec(acceptor.native_handle());
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), error);
  acceptor.bind(endpoint, error);
  if (error) return failed("bind", error);
  acceptor.listen(4096, error);
  if (error) return failed("listen", error);
  return acceptor;
}

arrow::Result<Endpoint> BoundAt(const tcp::acceptor& acceptor) {
  asio::error_code error;
  const tcp::endpoint local = acceptor.local_endpoint(error);
  if (error) return arrow::Status::IOError("a listening socket has no address: ", error.message());
  return Endpoint{local.address().to_string(), local.port()};
}

}  // namespace weft::rendezvous
