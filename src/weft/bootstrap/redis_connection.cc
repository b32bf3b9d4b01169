#include "weft/bootstrap/redis_connection.h"

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "weft/base/without_sigpipe.h"
#include "weft/bootstrap/store_url.h"
#if WEFT_HAVE_REDIS_TLS
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

namespace weft::redis {
namespace {

class Refusal : public arrow::StatusDetail {
 public:
  explicit Refusal(std::string text) : text_(std::move(text)) {}
  const char* type_id() const override { return "weft::redis::Refusal"; }
  std::string ToString() const override { return text_; }
  const std::string& text() const { return text_; }

 private:
  const std::string text_;
};

timeval TimeLeft(Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(
      std::clamp<Duration>(deadline.Left(), std::chrono::milliseconds(1), std::chrono::hours(1)));
  timeval time;
  time.tv_sec = left.count() / 1000000;
  time.tv_usec = left.count() % 1000000;
  return time;
}

arrow::Status ContextError(const redisContext* context) {
  const bool late = context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ETIMEDOUT);
  return arrow::Status::IOError(late ? "no answer in time" : context->errstr);
}

arrow::Result<int> ParseInt(std::string_view text, const char* what, int most) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > most) {
    return arrow::Status::Invalid("the Redis URL's ", what, " '", text, "' is no number from 0 to ", most);
  }
  return number;
}

arrow::Status ParseOptions(std::string_view options, Address* address) {
  while (!options.empty()) {
    const std::string_view option = options.substr(0, options.find('&'));
    options.remove_prefix(std::min(options.size(), option.size() + 1));
    const size_t equals = option.find('=');
    const std::string_view name = option.substr(0, equals);
    std::string* const field = name == "ca"     ? &address->ca_file
                               : name == "cert" ? &address->cert_file
                               : name == "key"  ? &address->key_file
                                                : nullptr;
    if (field == nullptr || !address->tls || equals == std::string_view::npos) {
      return arrow::Status::Invalid("the Redis URL's option '", name, "' is not known; rediss:// takes ca=FILE, ",
                                    "cert=FILE and key=FILE, redis:// none");
    }
    ARROW_ASSIGN_OR_RAISE(*field, PercentDecode(option.substr(equals + 1), name));
  }
  if (address->cert_file.empty() != address->key_file.empty()) {
    return arrow::Status::Invalid("the Redis URL needs both cert=FILE and key=FILE, or neither");
  }
  return arrow::Status::OK();
}

}  // namespace

std::string Address::name() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

arrow::Result<Address> ParseAddress(const std::string& rest, bool tls) {
  Address address;
  address.tls = tls;
  std::string_view text = rest;
  // The last @ before the path: what stands before it is never shown.
  const size_t path = text.find('/', text.rfind('@') == std::string_view::npos ? 0 : text.rfind('@'));
  const size_t at = text.substr(0, path).rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view who = text.substr(0, at);
    text.remove_prefix(at + 1);
    const size_t colon = who.find(':');
    if (colon == std::string_view::npos) {
      return arrow::Status::Invalid("the Redis URL has a user but no password: write redis://user:password@host, or ",
                                    "redis://:password@host where there is no user");
    }
    ARROW_ASSIGN_OR_RAISE(address.user, PercentDecode(who.substr(0, colon), "the user"));
    ARROW_ASSIGN_OR_RAISE(address.password, PercentDecode(who.substr(colon + 1), "the password"));
    if (address.password.empty()) return arrow::Status::Invalid("the Redis URL's password is empty");
  }
  if (const size_t question = text.find('?'); question != std::string_view::npos) {
    ARROW_RETURN_NOT_OK(ParseOptions(text.substr(question + 1), &address));
    text = text.substr(0, question);
  }
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view database = text.substr(slash + 1);
    if (!database.empty()) {
      ARROW_ASSIGN_OR_RAISE(address.database, ParseInt(database, "database", 1 << 20));
    }
    text = text.substr(0, slash);
  }
  size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return arrow::Status::Invalid("the Redis URL's host has a [ without ]");
    address.host = text.substr(1, end - 1);
    colon = end + 1 < text.size() && text[end + 1] == ':' ? end + 1 : std::string_view::npos;
    if (colon == std::string_view::npos && end + 1 != text.size()) {
      return arrow::Status::Invalid("the Redis URL's host is followed by '", text.substr(end + 1), "'");
    }
  } else {
    address.host = text.substr(0, colon);
  }
  if (colon != std::string_view::npos) {
    ARROW_ASSIGN_OR_RAISE(address.port, ParseInt(text.substr(colon + 1), "port", 65535));
  }
  if (address.host.empty() || address.port == 0) {
    return arrow::Status::Invalid("the Redis URL names no ", address.host.empty() ? "host" : "port",
                                  ": write redis://[user:password@]host[:port][/db]");
  }
  return address;
}

const std::string* RefusalIn(const arrow::Status& status) {
  const auto* refusal = dynamic_cast<const Refusal*>(status.detail().get());
  return refusal == nullptr ? nullptr : &refusal->text();
}

arrow::Result<std::unique_ptr<Connection>> Connection::Open(const Address& address, Deadline deadline) {
  const WithoutSigpipe guard;
  redisContext* const context = ::redisConnectWithTimeout(address.host.c_str(), address.port, TimeLeft(deadline));
  if (context == nullptr) return arrow::Status::OutOfMemory("a connection to Redis");
  std::unique_ptr<Connection> made(new Connection(context));
  if (context->err != 0) return ContextError(context);
  const int yes = 1;
  ::setsockopt(context->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  ::redisSetTimeout(context, TimeLeft(deadline));
  if (address.tls) ARROW_RETURN_NOT_OK(made->StartTls(address));
  if (!address.password.empty()) {
    ARROW_RETURN_NOT_OK(address.user.empty() ? made->Expect({"AUTH", address.password}, deadline)
                                             : made->Expect({"AUTH", address.user, address.password}, deadline));
  }
  if (address.database != 0) {
    ARROW_RETURN_NOT_OK(made->Expect({"SELECT", std::to_string(address.database)}, deadline));
  }
  // A server that asks for a password, or still reads its files, says so now.
  ARROW_RETURN_NOT_OK(made->Expect({"PING"}, deadline));
  return made;
}

Connection::~Connection() {
  const WithoutSigpipe guard;
  ::redisFree(context_);
}

arrow::Status Connection::Expect(const std::vector<std::string_view>& command, Deadline deadline) {
  ARROW_ASSIGN_OR_RAISE(const Reply reply, Call(command, deadline));
  if (reply.kind != Reply::Kind::kError) return arrow::Status::OK();
  return arrow::Status::IOError(command[0], ": ", reply.text).WithDetail(std::make_shared<Refusal>(reply.text));
}

arrow::Result<Reply> Connection::Call(const std::vector<std::string_view>& command, Deadline deadline) {
  std::vector<const char*> words;
  std::vector<size_t> lengths;
  for (const std::string_view word : command) {
    words.push_back(word.data());
    lengths.push_back(word.size());
  }
  const WithoutSigpipe guard;
  ::redisSetTimeout(context_, TimeLeft(deadline));
  auto* const raw = static_cast<redisReply*>(
      ::redisCommandArgv(context_, static_cast<int>(words.size()), words.data(), lengths.data()));
  if (raw == nullptr) return ContextError(context_);
  Reply reply;
  switch (raw->type) {
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::kInteger;
      reply.integer = raw->integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = Reply::Kind::kText;
      reply.text.assign(raw->str, static_cast<size_t>(raw->len));
      break;
    case REDIS_REPLY_ERROR:
      reply.kind = Reply::Kind::kError;
      reply.text.assign(raw->str, static_cast<size_t>(raw->len));
      break;
    default:
      break;
  }
  ::freeReplyObject(raw);
  return reply;
}

#if WEFT_HAVE_REDIS_TLS

namespace {

arrow::Status TlsError(const std::string& what) {
  char text[256] = "";
  if (const unsigned long code = ::ERR_get_error(); code != 0) ::ERR_error_string_n(code, text, sizeof(text));
  ::ERR_clear_error();
  return arrow::Status::IOError("TLS: ", what, text[0] == '\0' ? "" : ": ", text);
}

arrow::Status LoadTrust(SSL_CTX* context, const Address& address) {
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (address.ca_file.empty()) {
    if (::SSL_CTX_set_default_verify_paths(context) != 1) return TlsError("the system's authorities cannot be read");
  } else if (::SSL_CTX_load_verify_locations(context, address.ca_file.c_str(), nullptr) != 1) {
    return TlsError("ca=" + address.ca_file + " cannot be read");
  }
  if (address.cert_file.empty()) return arrow::Status::OK();
  if (::SSL_CTX_use_certificate_chain_file(context, address.cert_file.c_str()) != 1 ||
      ::SSL_CTX_use_PrivateKey_file(context, address.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return TlsError("cert=" + address.cert_file + " and key=" + address.key_file + " cannot be used");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Status Connection::StartTls(const Address& address) {
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(::SSL_CTX_new(::TLS_client_method()), &::SSL_CTX_free);
  if (context == nullptr) return TlsError("no context");
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  ARROW_RETURN_NOT_OK(LoadTrust(context.get(), address));
  std::unique_ptr<SSL, void (*)(SSL*)> session(::SSL_new(context.get()), &::SSL_free);
  if (session == nullptr) return TlsError("no session");
  // hiredis checks the certificate, but not whose it is.
  X509_VERIFY_PARAM* const verify = ::SSL_get0_param(session.get());
  if (::X509_VERIFY_PARAM_set1_ip_asc(verify, address.host.c_str()) != 1) {
    ::ERR_clear_error();
    if (::SSL_set1_host(session.get(), address.host.c_str()) != 1) return TlsError("the host's name cannot be checked");
    ::SSL_set_tlsext_host_name(session.get(), address.host.c_str());
  }
  if (::redisInitiateSSL(context_, session.get()) != REDIS_OK) {
    const int verified = static_cast<int>(::SSL_get_verify_result(session.get()));
    ::ERR_clear_error();
    std::string why = verified == X509_V_OK ? context_->errstr : ::X509_verify_cert_error_string(verified);
    return arrow::Status::IOError("TLS: ", why).WithDetail(std::make_shared<Refusal>("TLS: " + why));
  }
  // The connection's own from now on.
  [[maybe_unused]] SSL* const taken = session.release();
  return arrow::Status::OK();
}

#else

arrow::Status Connection::StartTls(const Address& /*address*/) {
  const std::string text =
      "TLS is not built in: it needs hiredis 1.0 with hiredis_ssl (libhiredis-dev of Debian 13 or Ubuntu 22.04); use "
      "redis:// on a network that you trust, or file://";
  return arrow::Status::IOError(text).WithDetail(std::make_shared<Refusal>(text));
}

#endif

}  // namespace weft::redis
