// The store that a Redis server keeps: "redis://[user:password@]host[:port][/db]", with TLS "rediss://". A module of
// its own, libweft_redis, which store.cc loads when such a URL is opened.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "weft/bootstrap/redis_connection.h"
#include "weft/bootstrap/store.h"

namespace weft::redis {

/// Keys are Redis strings of the same name with PX; CompareAndSet and Add are one script each, which the server runs
/// whole. Nothing is flushed, and nothing but such keys is touched. Needs Redis 5 or a server like it.
///
/// One connection, used by one thread at a time; Wait polls (see polling.h) and holds it for one Get each time. A
/// connection that ends is made anew, with growing pauses, within the call's time-out, and the call is repeated where
/// that does no harm; CompareAndSet and Add whose answer was lost are not, and their error says that they may have
/// been done. A forked child must open a store of its own: the parent's is Status::Invalid there.
class RedisStore : public Store {
 public:
  /// Waits for a server that is not up yet, or still reads its files, until the connect time-out. A wrong password is
  /// kAuthenticationFailed at once.
  static arrow::Result<std::shared_ptr<Store>> Open(const std::string& rest, bool tls, const StoreOptions& options);

  RedisStore(Address address, const StoreOptions& options);

  arrow::Status Set(const std::string& key, const std::string& value, Duration time_to_live) override;
  arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                    const std::string& desired, Duration time_to_live) override;
  arrow::Result<std::optional<std::string>> Get(const std::string& key) override;
  arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration time_to_live) override;
  arrow::Result<std::string> Wait(const std::string& key, Deadline deadline,
                                  const std::function<arrow::Status()>& check_interrupt = {}) override;
  arrow::Status Delete(const std::string& key) override;
  void StartUpIsOver() override { patient_ = false; }

 private:
  struct Attempt {
    const char* operation;
    Clock::time_point begin;
    Deadline deadline;
  };
  arrow::Status Connect(const Attempt& attempt, const std::function<arrow::Status()>& check_interrupt);
  arrow::Result<Reply> Call(const char* operation, const std::vector<std::string_view>& command, bool repeatable);
  arrow::Result<Reply> CallNow(const Attempt& attempt, const std::vector<std::string_view>& command, bool repeatable);
  arrow::Status Unreachable(const Attempt& attempt, const std::string& why) const;
  arrow::Status Refused(const Attempt& attempt, const std::string& why) const;

  const Address address_;
  const Duration call_timeout_;
  const int64_t process_;
  std::atomic<bool> patient_{true};  // waits for a server that has gone
  // Not a std::timed_mutex: ThreadSanitizer of GCC 12 does not see it locked by the steady clock.
  std::mutex mutex_;
  std::condition_variable idle_;
  bool busy_ = false;  // some thread uses the connection
  std::unique_ptr<Connection> connection_;
};

}  // namespace weft::redis
