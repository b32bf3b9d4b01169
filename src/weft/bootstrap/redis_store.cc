#include "weft/bootstrap/redis_store.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/base/logging.h"
#include "weft/bootstrap/polling.h"
#include "weft/rendezvous/key_table.h"

namespace weft::redis {
namespace {

/// ARGV: "1" where a value is expected, that value, the value to write, milliseconds to live.
constexpr std::string_view kCompareAndSet =
    "local there = redis.call('GET', KEYS[1]) "
    "if ARGV[1] == '1' then if there ~= ARGV[2] then return 0 end elseif there then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) return 1";

/// ARGV: what to add, milliseconds to live. The sum is read back as text, because Lua's numbers hold 53 bits.
constexpr std::string_view kAdd =
    "redis.call('INCRBY', KEYS[1], ARGV[1]) redis.call('PEXPIRE', KEYS[1], ARGV[2]) return redis.call('GET', KEYS[1])";

constexpr Duration kFirstPause = std::chrono::milliseconds(20);
constexpr Duration kLongestPause = std::chrono::seconds(1);
/// A host that drops packets is dialled anew after this long.
constexpr Duration kDialTime = std::chrono::seconds(5);
constexpr Duration kInterruptInterval = std::chrono::milliseconds(50);

std::string Milliseconds(Duration time_to_live) {
  const auto bounded = std::min(time_to_live, kStoreMaxTimeToLive);
  return std::to_string(std::max<int64_t>(1, std::chrono::duration_cast<std::chrono::milliseconds>(bounded).count()));
}

/// What passes by itself: the server reads its files, or is busy with a script.
bool IsPassing(const std::string& refusal) {
  return refusal.starts_with("LOADING") || refusal.starts_with("BUSY ") || refusal.starts_with("TRYAGAIN") ||
         refusal.starts_with("MASTERDOWN");
}

bool IsAboutPassword(const std::string& refusal) {
  return refusal.starts_with("WRONGPASS") || refusal.starts_with("NOAUTH") ||
         refusal.starts_with("ERR invalid password") || refusal.find("AUTH") != std::string::npos;
}

}  // namespace

RedisStore::RedisStore(Address address, const StoreOptions& options)
    : address_(std::move(address)), call_timeout_(options.call_timeout), process_(::getpid()) {}

arrow::Result<std::shared_ptr<Store>> RedisStore::Open(const std::string& rest, bool tls, const StoreOptions& options) {
  ARROW_ASSIGN_OR_RAISE(Address address, ParseAddress(rest, tls));
  auto store = std::make_shared<RedisStore>(std::move(address), options);
  const Attempt attempt{"open", Clock::now(), Deadline::After(options.connect_timeout)};
  ARROW_RETURN_NOT_OK(store->Connect(attempt, options.check_interrupt));
  return store;
}

arrow::Status RedisStore::Unreachable(const Attempt& attempt, const std::string& why) const {
  return MakeCommunicationError(
      {.operation = attempt.operation, .phase = "rendezvous", .elapsed = Clock::now() - attempt.begin},
      "the Redis store at " + address_.name() + " cannot be reached (" + why +
          "): start redis-server there, see that this host may connect to it, or name another store");
}

arrow::Status RedisStore::Refused(const Attempt& attempt, const std::string& why) const {
  const bool password = IsAboutPassword(why);
  return MakeCommunicationError(
      {.failure = password ? CommunicationFailure::kAuthenticationFailed : CommunicationFailure::kOther,
       .operation = attempt.operation,
       .phase = "rendezvous",
       .elapsed = Clock::now() - attempt.begin},
      "the Redis store at " + address_.name() + " refuses: " + why +
          (password ? "; give redis://user:password@host, percent-encoded" : ""));
}

/// The caller has the connection for itself, as in CallNow.
arrow::Status RedisStore::Connect(const Attempt& attempt, const std::function<arrow::Status()>& check_interrupt) {
  Duration pause = kFirstPause;
  for (;;) {
    auto opened = Connection::Open(address_, Earlier(attempt.deadline, Deadline::After(kDialTime)));
    if (opened.ok()) {
      connection_ = *std::move(opened);
      return arrow::Status::OK();
    }
    const std::string* const refusal = RefusalIn(opened.status());
    if (refusal != nullptr && !IsPassing(*refusal)) return Refused(attempt, *refusal);
    if (attempt.deadline.Passed() || !patient_) return Unreachable(attempt, opened.status().message());
    WEFT_LOG(kInfo, "the Redis store at " << address_.name() << " is not there yet: " << opened.status().message());
    const auto again = Deadline::After(std::min(Jittered(pause), attempt.deadline.Left()));
    do {
      if (check_interrupt) ARROW_RETURN_NOT_OK(check_interrupt());
      std::this_thread::sleep_for(again.LeftUpTo(kInterruptInterval));
    } while (!again.Passed());
    pause = std::min(pause * 2, kLongestPause);
  }
}

arrow::Result<Reply> RedisStore::Call(const char* operation, const std::vector<std::string_view>& command,
                                      bool repeatable) {
  if (process_ != ::getpid()) {
    return arrow::Status::Invalid("this store was opened before a fork and cannot be used in the child: open another");
  }
  const Attempt attempt{operation, Clock::now(), Deadline::After(call_timeout_)};
  {
    std::unique_lock lock(mutex_);
    if (!idle_.wait_until(lock, attempt.deadline.when(), [&] { return !busy_; })) {
      return Unreachable(attempt, "another call still waits for its answer");
    }
    busy_ = true;
  }
  auto reply = CallNow(attempt, command, repeatable);
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
  }
  idle_.notify_one();
  return reply;
}

arrow::Result<Reply> RedisStore::CallNow(const Attempt& attempt, const std::vector<std::string_view>& command,
                                         bool repeatable) {
  Duration pause = kFirstPause;
  for (;;) {
    if (connection_ == nullptr) ARROW_RETURN_NOT_OK(Connect(attempt, {}));
    auto reply = connection_->Call(command, attempt.deadline);
    if (!reply.ok()) {
      connection_.reset();
      if (!repeatable) {
        return Unreachable(attempt, reply.status().message() + "; the " + attempt.operation + " may have been done");
      }
      if (attempt.deadline.Passed()) return Unreachable(attempt, reply.status().message());
      continue;
    }
    if (reply->kind != Reply::Kind::kError) return reply;
    if (!IsPassing(reply->text)) return Refused(attempt, reply->text);
    if (attempt.deadline.Passed()) return Unreachable(attempt, reply->text);
    std::this_thread::sleep_for(std::min(Jittered(pause), attempt.deadline.Left()));
    pause = std::min(pause * 2, kLongestPause);
  }
}

arrow::Status RedisStore::Set(const std::string& key, const std::string& value, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckStoreValue(key, value));
  ARROW_RETURN_NOT_OK(CheckTimeToLive(key, time_to_live));
  return Call("set", {"SET", key, value, "PX", Milliseconds(time_to_live)}, true).status();
}

arrow::Result<bool> RedisStore::CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                              const std::string& desired, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckStoreValue(key, desired));
  ARROW_RETURN_NOT_OK(CheckTimeToLive(key, time_to_live));
  const std::string milliseconds = Milliseconds(time_to_live);
  ARROW_ASSIGN_OR_RAISE(const Reply reply,
                        Call("compare-and-set",
                             {"EVAL", kCompareAndSet, "1", key, expected.has_value() ? "1" : "0",
                              expected.has_value() ? std::string_view(*expected) : "", desired, milliseconds},
                             false));
  return reply.integer == 1;
}

arrow::Result<std::optional<std::string>> RedisStore::Get(const std::string& key) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_ASSIGN_OR_RAISE(Reply reply, Call("get", {"GET", key}, true));
  if (reply.kind != Reply::Kind::kText) return std::nullopt;
  return std::move(reply.text);
}

arrow::Result<int64_t> RedisStore::Add(const std::string& key, int64_t delta, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckTimeToLive(key, time_to_live));
  const std::string amount = std::to_string(delta);
  const std::string milliseconds = Milliseconds(time_to_live);
  auto reply = Call("add", {"EVAL", kAdd, "1", key, amount, milliseconds}, false);
  if (!reply.ok()) {
    const std::string& text = reply.status().message();
    if (text.find("not an integer") != std::string::npos || text.find("overflow") != std::string::npos) {
      return arrow::Status::Invalid("store: Add of ", delta, " to '", key,
                                    "', whose value is no 64-bit decimal number or would overflow");
    }
    return reply.status();
  }
  int64_t sum = 0;
  const char* const end = reply->text.data() + reply->text.size();
  if (const auto [parsed, error] = std::from_chars(reply->text.data(), end, sum);
      error != std::errc() || parsed != end) {
    return arrow::Status::Invalid("the Redis store at ", address_.name(), " answered an Add by '", reply->text, "'");
  }
  return sum;
}

arrow::Result<std::string> RedisStore::Wait(const std::string& key, Deadline deadline,
                                            const std::function<arrow::Status()>& check_interrupt) {
  return PollFor(*this, "Redis store at " + address_.name(), key, deadline, check_interrupt);
}

arrow::Status RedisStore::Delete(const std::string& key) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  return Call("delete", {"DEL", key}, true).status();
}

namespace {

arrow::Result<std::shared_ptr<Store>> OpenRedis(const std::string& url, const StoreOptions& options) {
  const size_t colon = url.find("://");
  return RedisStore::Open(url.substr(colon + 3), url.substr(0, colon) == "rediss", options);
}

}  // namespace
}  // namespace weft::redis

WEFT_EXPORT_STORE(::weft::redis::OpenRedis);
