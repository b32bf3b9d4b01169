// One connection to a Redis server, by hiredis. Part of the module libweft_redis.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/deadline.h"

struct redisContext;

namespace weft::redis {

/// What a URL says: "[user:password@]host[:port][/db]", for rediss:// with "?ca=FILE&cert=FILE&key=FILE".
struct Address {
  std::string user;
  std::string password;
  std::string host;
  int port = 6379;
  int database = 0;
  bool tls = false;
  std::string ca_file;    // default: the system's authorities
  std::string cert_file;  // for servers that ask for one
  std::string key_file;

  /// Without user and password: what errors show.
  std::string name() const;
};

/// `rest` is the URL behind "://". Errors do not repeat user and password.
arrow::Result<Address> ParseAddress(const std::string& rest, bool tls);

struct Reply {
  enum class Kind { kNil, kInteger, kText, kError };
  Kind kind = Kind::kNil;
  int64_t integer = 0;
  std::string text;
};

/// Not thread-safe. After an IOError it is good for nothing but its end.
class Connection {
 public:
  /// Connects, proves, and chooses the database. A reply that is an error is Status::IOError with Refusal's detail,
  /// what the network does Status::IOError without.
  static arrow::Result<std::unique_ptr<Connection>> Open(const Address& address, Deadline deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends one command and takes its reply, which may be an error. Status::IOError where the server does not answer.
  arrow::Result<Reply> Call(const std::vector<std::string_view>& command, Deadline deadline);

 private:
  explicit Connection(redisContext* context) : context_(context) {}
  arrow::Status StartTls(const Address& address);
  arrow::Status Expect(const std::vector<std::string_view>& command, Deadline deadline);

  redisContext* const context_;
};

/// The server's own words where it has refused a command of Open, else nullptr.
const std::string* RefusalIn(const arrow::Status& status);

}  // namespace weft::redis
