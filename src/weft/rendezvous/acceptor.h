// A port that the rendezvous server listens on.
#pragma once

#include <arrow/result.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include "weft/rendezvous/endpoint.h"

namespace weft::rendezvous {

/// Resolves, binds and listens; "::" takes IPv4, too. An address that cannot be had is an IOError that names it.
arrow::Result<asio::ip::tcp::acceptor> OpenAcceptor(asio::io_context* io, const Endpoint& wanted);

/// The address as it is bound.
arrow::Result<Endpoint> BoundAt(const asio::ip::tcp::acceptor& acceptor);

/// No process started by this one shall keep a socket open.
void SetCloseOnExec(int fd);

}  // namespace weft::rendezvous
