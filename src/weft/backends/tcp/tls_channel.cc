#include "weft/backends/tcp/tls_channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "weft/base/open_files.h"

namespace weft::tcp {
namespace {

constexpr size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;
/// Records that go to the socket in one call.
constexpr size_t kOutTarget = 8 * kRecord;
constexpr size_t kInSize = 128 << 10;
constexpr std::string_view kExporterLabel = "EXPORTER-weft-link";

/// The key's own cipher says no more than its hash function; the connection's is chosen by the two ends.
constexpr unsigned char kKeyCipher[] = {0x13, 0x01};  // TLS_AES_128_GCM_SHA256

/// Instructions for AES: without them ChaCha20 is several times faster.
bool HasFastAes() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__)
  return (::getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return false;
#endif
}

arrow::Status OpenSslError(const char* what) {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return arrow::Status::IOError("OpenSSL: ", what, ": ", reason == nullptr ? "no reason given" : reason);
}

}  // namespace

/// What OpenSSL calls, and what it holds of a channel.
struct TlsChannel::OpenSsl {
  SSL* ssl = nullptr;
  ~OpenSsl() { SSL_free(ssl); }

  static TlsChannel* Of(const SSL* ssl) { return static_cast<TlsChannel*>(SSL_get_app_data(ssl)); }

  static SSL_SESSION* MakeSession(SSL* ssl) {
    SSL_SESSION* session = SSL_SESSION_new();
    const Hash& secret = Of(ssl)->key_.secret;
    if (session != nullptr && SSL_SESSION_set1_master_key(session, secret.data(), secret.size()) == 1 &&
        SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, kKeyCipher)) == 1 &&
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1) {
      return session;
    }
    SSL_SESSION_free(session);
    return nullptr;
  }

  /// The client's key. `hash`, where given, is that of the cipher which the server has asked for: all have SHA-256.
  static int UseSession(SSL* ssl, const EVP_MD* hash, const unsigned char** identity, size_t* size,
                        SSL_SESSION** session) {
    *session = nullptr;
    if (hash != nullptr && EVP_MD_get_type(hash) != NID_sha256) return 1;
    *session = MakeSession(ssl);
    const std::string& name = Of(ssl)->key_.identity;
    *identity = reinterpret_cast<const unsigned char*>(name.data());
    *size = name.size();
    return *session != nullptr ? 1 : 0;
  }

  /// The server's key. Without one OpenSSL looks for a certificate, and there is none: the handshake fails.
  static int FindSession(SSL* ssl, const unsigned char* identity, size_t size, SSL_SESSION** session) {
    *session = nullptr;
    if (std::string_view(reinterpret_cast<const char*>(identity), size) != Of(ssl)->key_.identity) return 1;
    *session = MakeSession(ssl);
    return *session != nullptr ? 1 : 0;
  }

  static int BioRead(BIO* bio, char* into, int size) {
    auto& channel = *static_cast<TlsChannel*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (channel.in_begin_ < channel.in_end_) {
      const size_t taken = std::min(static_cast<size_t>(size), channel.in_end_ - channel.in_begin_);
      std::memcpy(into, channel.in_.get() + channel.in_begin_, taken);
      channel.in_begin_ += taken;
      return static_cast<int>(taken);
    }
    const bool ahead = channel.in_ != nullptr;
    const ssize_t got = channel.Receive(ahead ? static_cast<void*>(channel.in_.get()) : into,
                                        ahead ? kInSize : static_cast<size_t>(size));
    if (got < 0 && channel.error_ == 0) BIO_set_retry_read(bio);
    if (got <= 0 || !ahead) return static_cast<int>(got);
    channel.in_begin_ = 0;
    channel.in_end_ = static_cast<size_t>(got);
    return BioRead(bio, into, size);
  }

  static int BioWrite(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    static_cast<TlsChannel*>(BIO_get_data(bio))->out_.append(from, static_cast<size_t>(size));
    return size;
  }

  static long BioControl(BIO* bio, int command, long /*number*/, void* /*pointer*/) {  // NOLINT(google-runtime-int)
    if (command == BIO_CTRL_EOF) return static_cast<TlsChannel*>(BIO_get_data(bio))->socket_ended_ ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO_METHOD* MakeMethod() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft");
    if (method == nullptr) return nullptr;
    BIO_meth_set_read(method, BioRead);
    BIO_meth_set_write(method, BioWrite);
    BIO_meth_set_ctrl(method, BioControl);
    return method;
  }

  static SSL_CTX* MakeContext() {
    SSL_CTX* context = SSL_CTX_new(TLS_method());
    if (context == nullptr) return nullptr;
    constexpr const char* kAesFirst = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
    constexpr const char* kChaChaFirst = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
    const bool set = SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                     SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
                     SSL_CTX_set_ciphersuites(context, HasFastAes() ? kAesFirst : kChaChaFirst) == 1 &&
                     SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
                     SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_set_max_early_data(context, 0) == 1;
    if (!set) {
      SSL_CTX_free(context);
      return nullptr;
    }
    // An end that has ChaCha20 first is slow at AES: it has its way.
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT | SSL_OP_ALLOW_NO_DHE_KEX);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_psk_use_session_callback(context, UseSession);
    SSL_CTX_set_psk_find_session_callback(context, FindSession);
    return context;
  }
};

TlsChannel::TlsChannel(int socket, const TlsKey& key)
    : socket_(socket), key_(key), ssl_(std::make_unique<OpenSsl>()), stage_(new std::byte[kRecord]) {}

TlsChannel::~TlsChannel() { OPENSSL_cleanse(const_cast<Hash&>(key_.secret).data(), key_.secret.size()); }

arrow::Result<std::unique_ptr<TlsChannel>> TlsChannel::Open(int socket, const TlsKey& key) {
  // For the life of the process: a channel may be closed by whatever runs last.
  static SSL_CTX* const context = OpenSsl::MakeContext();
  static BIO_METHOD* const method = OpenSsl::MakeMethod();
  if (context == nullptr || method == nullptr) return OpenSslError("TLS 1.3 cannot be set up");
  std::unique_ptr<TlsChannel> channel(new TlsChannel(socket, key));
  SSL* ssl = channel->ssl_->ssl = SSL_new(context);
  BIO* bio = ssl == nullptr ? nullptr : BIO_new(method);
  if (bio == nullptr) return OpenSslError("no TLS connection");
  BIO_set_data(bio, channel.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_app_data(ssl, channel.get());
  if (key.server) {
    SSL_set_accept_state(ssl);
    return channel;
  }
  SSL_set_connect_state(ssl);
  // There is no certificate that this would accept: a server that does not know the key is refused.
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  return channel;
}

TlsChannel::Step TlsChannel::Handshake() {
  if (failed_) return wrong_key_ ? Step::kWrongKey : Step::kFailed;
  ERR_clear_error();
  const int code = SSL_do_handshake(ssl_->ssl);
  const IoResult result = code == 1 ? IoResult{} : Explain(code);
  const bool written = FlushOut();
  if (wrong_key_) return Step::kWrongKey;
  if (result.kind == IoResult::Kind::kFailed) return Step::kFailed;
  if (result.kind == IoResult::Kind::kEnd) {
    cause_ = "the other end has ended it";
    return Step::kFailed;
  }
  if (!written) cause_ = ErrnoText(write_error_);
  if (code != 1) return written ? Step::kWait : Step::kFailed;
  // Both have shown that they know the key; nothing else may stand for it.
  done_ = SSL_session_reused(ssl_->ssl) == 1 && SSL_version(ssl_->ssl) == TLS1_3_VERSION;
  if (done_) return Step::kDone;
  failed_ = true;
  cause_ = "the peer has made TLS without the job's key";
  return Step::kFailed;
}

arrow::Result<Hash> TlsChannel::Export() const {
  Hash out;
  if (SSL_export_keying_material(ssl_->ssl, out.data(), out.size(), kExporterLabel.data(), kExporterLabel.size(),
                                 nullptr, 0, 0) != 1) {
    return OpenSslError("no key of the connection");
  }
  return out;
}

std::string TlsChannel::cipher() const { return SSL_get_cipher_name(ssl_->ssl); }

void TlsChannel::ReadAhead() {
  if (in_ == nullptr) in_.reset(new std::byte[kInSize]);
}

/// recv, with -1 and no error_ where there is nothing now.
ssize_t TlsChannel::Receive(void* into, size_t size) {
  if (allowed_ <= 0) return -1;
  const ssize_t got = ::recv(socket_, into, size, 0);
  if (got > 0) {
    received_ += got;
    allowed_ -= got;
  } else if (got == 0) {
    socket_ended_ = true;
  } else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
    error_ = errno;
  }
  return got;
}

IoResult TlsChannel::Read(std::span<const iovec> into) {
  if (failed_) return Failed();
  int64_t moved = 0;
  for (const iovec& span : into) {
    size_t done = 0;
    while (done < span.iov_len) {
      size_t got = 0;
      ERR_clear_error();
      const int code = SSL_read_ex(ssl_->ssl, static_cast<std::byte*>(span.iov_base) + done, span.iov_len - done, &got);
      if (code == 1) {
        done += got;
        moved += static_cast<int64_t>(got);
        continue;
      }
      IoResult why = Explain(code);
      if (moved == 0) return why;
      return {.kind = IoResult::Kind::kMoved, .bytes = moved, .more = why.kind != IoResult::Kind::kWouldBlock};
    }
  }
  return {.kind = IoResult::Kind::kMoved, .bytes = moved, .more = true};
}

IoResult TlsChannel::Write(std::span<const iovec> from) {
  if (failed_) return Failed();
  int64_t taken = 0;
  bool good = FlushOut();
  size_t span = 0;
  size_t offset = 0;
  while (good && !pending() && span < from.size()) {
    EncryptSome(from, &span, &offset, &taken);
    good = FlushOut() && !failed_;
  }
  // What has failed after bytes were taken shows in the next call.
  if (taken > 0) return {.kind = IoResult::Kind::kMoved, .bytes = taken};
  if (failed_) return Failed();
  if (!good) return {.kind = IoResult::Kind::kFailed, .error = write_error_};
  return {};
}

/// Makes records of what the spans have from a place on, until there are enough for one call of the socket. A record is
/// full as long as there is enough to fill it, wherever it lies.
void TlsChannel::EncryptSome(std::span<const iovec> from, size_t* span, size_t* offset, int64_t* taken) {
  const auto advance = [&](size_t size) {
    *offset += size;
    *taken += static_cast<int64_t>(size);
    if (*offset < from[*span].iov_len) return;
    ++*span;
    *offset = 0;
  };
  while (*span < from.size() && out_.size() < kOutTarget) {
    const auto* bytes = static_cast<const std::byte*>(from[*span].iov_base) + *offset;
    const size_t left = from[*span].iov_len - *offset;
    if (left >= kRecord || *span + 1 == from.size()) {
      const size_t size = std::min(left, kRecord);
      if (size > 0 && !Encrypt(bytes, size)) return;
      advance(size);
      continue;
    }
    size_t have = 0;
    while (*span < from.size() && have < kRecord) {
      const iovec& part = from[*span];
      const size_t size = std::min(part.iov_len - *offset, kRecord - have);
      if (size > 0) std::memcpy(stage_.get() + have, static_cast<const std::byte*>(part.iov_base) + *offset, size);
      have += size;
      advance(size);
    }
    if (have > 0 && !Encrypt(stage_.get(), have)) return;
  }
}

bool TlsChannel::Encrypt(const void* bytes, size_t size) {
  ERR_clear_error();
  if (encrypted_ >= bytes_of_a_key_) {
    SSL_key_update(ssl_->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    encrypted_ = 0;
  }
  size_t written = 0;
  const int code = SSL_write_ex(ssl_->ssl, bytes, size, &written);
  encrypted_ += static_cast<int64_t>(written);
  if (code == 1) return true;  // what it was given is in out_, all of it
  (void)Explain(code);
  if (!failed_) {
    failed_ = true;
    cause_ = "TLS did not take what was to be sent";
  }
  return false;
}

/// Sends what the socket takes of the ciphertext; false where the socket is broken.
bool TlsChannel::FlushOut() {
  while (pending()) {
    if (write_error_ != 0) return false;
    const ssize_t sent = ::send(socket_, out_.data() + out_done_, out_.size() - out_done_, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return true;
      write_error_ = errno;
      return false;
    }
    out_done_ += static_cast<size_t>(sent);
  }
  out_.clear();
  out_done_ = 0;
  return true;
}

void TlsChannel::SayGoodbye() {
  ERR_clear_error();
  if (done_ && !failed_) SSL_shutdown(ssl_->ssl);
  ERR_clear_error();
  (void)FlushOut();
}

IoResult TlsChannel::Failed() const {
  return {.kind = IoResult::Kind::kFailed, .error = error_, .cause = cause_.empty() ? nullptr : cause_.c_str()};
}

/// What OpenSSL means by a call that did not succeed.
IoResult TlsChannel::Explain(int code) {
  const int kind = SSL_get_error(ssl_->ssl, code);
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return {};
  if (kind == SSL_ERROR_ZERO_RETURN) return {.kind = IoResult::Kind::kEnd};
  failed_ = true;
  if (error_ != 0) return Failed();
  const unsigned long error = ERR_peek_error();  // NOLINT(google-runtime-int)
  int reason = ERR_GET_REASON(error);
  if (reason == 0 && socket_ended_) reason = SSL_R_UNEXPECTED_EOF_WHILE_READING;
  const char* name = ERR_reason_error_string(error);
  const std::string said = std::string(" (TLS: ") + (name == nullptr ? "no reason given" : name) + ")";
  ERR_clear_error();
  switch (reason) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      cause_ = !done_ ? "the connection was closed during the TLS handshake"
                      : "the connection ended without TLS's goodbye: its process was killed, or the connection was "
                        "cut on its way";
      break;
    case SSL_R_BINDER_DOES_NOT_VERIFY:
      wrong_key_ = true;
      cause_ = "another key" + said;
      break;
    case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
      wrong_key_ = !key_.server && !done_;
      cause_ = "the other end has ended TLS" + said;
      break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_HTTP_REQUEST:
      cause_ = "what came is not the TLS that both ends had agreed on: it is in the clear, or was changed" + said;
      break;
    default:
      if (reason >= SSL_AD_REASON_OFFSET) {
        cause_ = "the other end has ended TLS: what reached it was not what was sent" + said;
      } else {
        cause_ = "what came is not what was sent: bytes were changed, lost or put in on their way" + said;
      }
  }
  return Failed();
}

}  // namespace weft::tcp
