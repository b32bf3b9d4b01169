#include "weft/rendezvous/tls_engine.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <climits>
#include <system_error>
#include <utility>

namespace weft::rendezvous {
namespace {

/// A record of TLS (RFC 8446, 5.1 and 6) with a fatal protocol_version.
constexpr std::string_view kProtocolVersionAlert("\x15\x03\x03\x00\x02\x02\x46", 7);

/// The last thing that OpenSSL found wrong in this thread, taken out.
std::string LastError() {
  const unsigned long first = ERR_peek_error();
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  // The last one only says that the system found something wrong.
  if (ERR_GET_LIB(first) == ERR_LIB_SYS) return std::generic_category().message(ERR_GET_REASON(first));
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

bool IsAddress(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

/// What a certificate that is not taken means to who runs the client.
std::string CertificateText(long result, const std::string& host) {
  const std::string reason = X509_verify_cert_error_string(result);
  switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "its certificate is not for '" + host + "' (" + reason + "): name the server as its certificate does";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired: the server needs a new one";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not valid yet: is a clock wrong?";
    default:
      return "its certificate is not signed by a CA that is trusted here (" + reason +
             "): give its CA's file by WEFT_RENDEZVOUS_CA";
  }
}

}  // namespace

TlsContext::TlsContext(bool server)
    : context_(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()), &SSL_CTX_free), server_(server) {
  if (context_ == nullptr) return;
  SSL_CTX_set_min_proto_version(get(), TLS1_3_VERSION);
  // Thousands of idle connections shall not hold buffers, and each connection is made from the beginning.
  SSL_CTX_set_mode(get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_num_tickets(get(), 0);
}

arrow::Result<std::shared_ptr<const TlsContext>> TlsContext::ForServer(const std::string& certificate,
                                                                       const std::string& key) {
  std::shared_ptr<TlsContext> made(new TlsContext(true));
  if (made->get() == nullptr) return arrow::Status::IOError("OpenSSL makes no TLS context: ", LastError());
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(made->get(), certificate.c_str()) != 1) {
    return arrow::Status::Invalid("the TLS certificate '", certificate, "' cannot be used: ", LastError());
  }
  if (SSL_CTX_use_PrivateKey_file(made->get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return arrow::Status::Invalid("the TLS key '", key, "' cannot be used: ", LastError());
  }
  if (SSL_CTX_check_private_key(made->get()) != 1) {
    return arrow::Status::Invalid("the TLS key '", key, "' does not belong to the certificate '", certificate, "'");
  }
  return made;
}

arrow::Result<std::shared_ptr<const TlsContext>> TlsContext::ForClient(const std::string& ca) {
  std::shared_ptr<TlsContext> made(new TlsContext(false));
  if (made->get() == nullptr) return arrow::Status::IOError("OpenSSL makes no TLS context: ", LastError());
  ERR_clear_error();
  const int loaded =
      ca.empty() ? SSL_CTX_set_default_verify_paths(made->get()) : SSL_CTX_load_verify_file(made->get(), ca.c_str());
  if (loaded != 1) {
    return arrow::Status::Invalid("the file of CA certificates '", ca,
                                  "' (WEFT_RENDEZVOUS_CA) cannot be used: ", LastError());
  }
  SSL_CTX_set_verify(made->get(), SSL_VERIFY_PEER, nullptr);
  return made;
}

arrow::Result<std::unique_ptr<TlsEngine>> TlsEngine::Make(const std::shared_ptr<const TlsContext>& context,
                                                          const std::string& host) {
  std::unique_ptr<TlsEngine> engine(new TlsEngine(context, host));
  SSL* ssl = engine->ssl_.get();
  engine->in_ = BIO_new(BIO_s_mem());
  engine->out_ = BIO_new(BIO_s_mem());
  if (ssl == nullptr || engine->in_ == nullptr || engine->out_ == nullptr) {
    BIO_free(engine->in_);
    BIO_free(engine->out_);
    return arrow::Status::IOError("OpenSSL makes no TLS stream: ", LastError());
  }
  SSL_set_bio(ssl, engine->in_, engine->out_);
  if (context->server()) {
    SSL_set_accept_state(ssl);
    return engine;
  }
  SSL_set_connect_state(ssl);
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl);
  const bool address = IsAddress(host);
  const bool set = address ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1
                           : SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  if (!set) return arrow::Status::Invalid("the server's name '", host, "' cannot be looked for in a certificate");
  engine->Handshake();
  return engine;
}

TlsEngine::TlsEngine(std::shared_ptr<const TlsContext> context, std::string host)
    : context_(std::move(context)), host_(std::move(host)), ssl_(SSL_new(context_->get()), &SSL_free) {}

void TlsEngine::TakeWire(std::string_view bytes) {
  if (failed_ || bytes.empty()) return;
  if (BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())) != static_cast<int>(bytes.size())) {
    return Fail(SSL_ERROR_SSL);
  }
  if (!ready_) Handshake();
}

void TlsEngine::Handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    ready_ = true;
    return;
  }
  const int error = SSL_get_error(ssl_.get(), done);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) Fail(error);
}

std::string TlsEngine::TakeOutput() {
  std::string bytes(BIO_ctrl_pending(out_), '\0');
  if (bytes.empty()) return bytes;
  const int got = BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return bytes;
}

size_t TlsEngine::Read(char* into, size_t size) {
  if (!ready_ || ended_ || failed_ || size == 0) return 0;
  ERR_clear_error();
  size_t got = 0;
  if (SSL_read_ex(ssl_.get(), into, size, &got) == 1) return got;
  const int error = SSL_get_error(ssl_.get(), 0);
  if (error == SSL_ERROR_ZERO_RETURN) {
    ended_ = true;
  } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    Fail(error);
  }
  return 0;
}

void TlsEngine::Write(std::string_view bytes) {
  if (!ready_ || failed_ || bytes.empty()) return;
  ERR_clear_error();
  size_t written = 0;
  // Into memory: all is taken, or nothing can be.
  if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1 || written != bytes.size()) {
    Fail(SSL_ERROR_SSL);
  }
}

void TlsEngine::Shutdown() {
  if (!ready_ || failed_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

void TlsEngine::Fail(int error) {
  if (failed_) return;
  failed_ = true;
  const long verified = SSL_get_verify_result(ssl_.get());
  if (!context_->server() && verified != X509_V_OK) {
    ERR_clear_error();
    failure_ = {CertificateText(verified, host_), true};
    return;
  }
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
      (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST)) {
    ERR_clear_error();
    failure_ = {"it does not speak TLS", false};
    // OpenSSL says nothing to such a peer. One of Weft's own knows an alert when it sees one (ClientGreeting).
    if (context_->server())
      BIO_write(out_, kProtocolVersionAlert.data(), static_cast<int>(kProtocolVersionAlert.size()));
    return;
  }
  failure_ = {error == SSL_ERROR_SYSCALL && code == 0 ? "the connection was closed" : "TLS: " + LastError(), false};
}

}  // namespace weft::rendezvous
