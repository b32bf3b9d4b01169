// A linker's connections that become TLS in the middle of their handshake.
#include "weft/backends/tcp/linker.h"

namespace weft::tcp {

/// Goes on with TLS where the handshake waits for it. False where the connection is closed.
bool Linker::DriveTls(Connection& connection) {
  Handshake& handshake = connection.handshake;
  // What was said in the clear is to be gone before the first byte of TLS.
  if (handshake.state() != Handshake::State::kAwaitTls || !connection.output.empty()) return true;
  if (connection.tls == nullptr) {
    const arrow::Result<TlsKey> key = handshake.MakeTlsKey();
    auto channel = key.ok() ? TlsChannel::Open(connection.socket.get(), *key) : key.status();
    if (!channel.ok()) {
      Close(connection, channel.status().message());
      return false;
    }
    connection.tls = *std::move(channel);
  }
  const int64_t received = connection.tls->received();
  const TlsChannel::Step step = connection.tls->Handshake();
  if (connection.tls->received() > received) connection.moved = Clock::now();
  if (step == TlsChannel::Step::kWait) return true;
  const arrow::Result<Hash> exported =
      step == TlsChannel::Step::kDone ? connection.tls->Export() : arrow::Status::IOError(connection.tls->cause());
  if (exported.ok()) {
    handshake.TlsDone(*exported);
  } else {
    handshake.TlsFailed(step == TlsChannel::Step::kWrongKey, exported.status().message());
  }
  return true;
}

IoResult Linker::Receive(Connection& connection, std::span<char> into) {
  const iovec span = {into.data(), into.size()};
  if (connection.tls != nullptr) return connection.tls->Read({&span, 1});
  return ReadFrom(connection.socket.get(), {&span, 1});
}

IoResult Linker::Transmit(Connection& connection, std::string_view bytes) {
  const iovec span = {const_cast<char*>(bytes.data()), bytes.size()};
  if (connection.tls != nullptr) return connection.tls->Write({&span, 1});
  return bytes.empty() ? IoResult{} : WriteTo(connection.socket.get(), {&span, 1});
}

}  // namespace weft::tcp
