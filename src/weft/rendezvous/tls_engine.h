// TLS 1.3 (RFC 8446) between the rendezvous server and its clients, by certificate. No sockets: bytes in, bytes out.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <openssl/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace weft::rendezvous {

/// What one end of many connections is set up with. Thread-safe.
class TlsContext {
 public:
  /// A server's: PEM files with the certificate, its chain behind it, and the private key. Status::Invalid where a file
  /// cannot be read or the two do not belong together, IOError where OpenSSL fails otherwise.
  static arrow::Result<std::shared_ptr<const TlsContext>> ForServer(const std::string& certificate,
                                                                    const std::string& key);
  /// A client's: it takes certificates that are signed by one in the PEM file `ca`, or, where that is empty, by one
  /// that the system trusts.
  static arrow::Result<std::shared_ptr<const TlsContext>> ForClient(const std::string& ca);

  SSL_CTX* get() const { return context_.get(); }
  bool server() const { return server_; }

 private:
  explicit TlsContext(bool server);
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  bool server_;
};

/// Why a stream cannot go on.
struct TlsFailure {
  std::string cause;
  /// The certificate is not one to be taken.
  bool certificate = false;
};

/// One end of one stream. Not thread-safe.
class TlsEngine {
 public:
  /// `host` is the name or address that the server's certificate must be good for; a server ignores it.
  static arrow::Result<std::unique_ptr<TlsEngine>> Make(const std::shared_ptr<const TlsContext>& context,
                                                        const std::string& host);

  /// Takes bytes that came from the peer, and goes on with the handshake.
  void TakeWire(std::string_view bytes);
  /// Bytes for the peer, taken out.
  std::string TakeOutput();
  /// Reads what the peer has said; 0 where there is nothing now.
  size_t Read(char* into, size_t size);
  /// Takes bytes to be said. Only once the handshake is done; output grows by a little more than their size.
  void Write(std::string_view bytes);
  /// Says that nothing more will be said.
  void Shutdown();

  bool ready() const { return ready_; }
  /// The peer says nothing more.
  bool ended() const { return ended_; }
  bool failed() const { return failed_; }
  const TlsFailure& failure() const { return failure_; }

 private:
  TlsEngine(std::shared_ptr<const TlsContext> context, std::string host);
  void Handshake();
  void Fail(int error);

  const std::shared_ptr<const TlsContext> context_;
  const std::string host_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  BIO* in_ = nullptr;   // the stream's
  BIO* out_ = nullptr;  // the stream's
  bool ready_ = false;
  bool ended_ = false;
  bool failed_ = false;
  TlsFailure failure_;
};

}  // namespace weft::rendezvous
