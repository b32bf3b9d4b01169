#include "weft/bootstrap/in_process_store.h"

#include <map>

#include "weft/base/communication_error.h"

namespace weft {
namespace {

/// A waiter looks at check_interrupt this often, and so finds out about nothing else late either.
constexpr Duration kPollInterval = std::chrono::milliseconds(50);

}  // namespace

std::shared_ptr<InProcessStore> InProcessStore::Named(const std::string& name) {
  // Never destroyed: threads of a program that ends may still be in a store.
  static auto* const mutex = new std::mutex;
  static auto* const stores = new std::map<std::string, std::shared_ptr<InProcessStore>>;
  const std::lock_guard lock(*mutex);
  std::shared_ptr<InProcessStore>& store = (*stores)[name];
  if (store == nullptr) store = std::make_shared<InProcessStore>();
  return store;
}

arrow::Status InProcessStore::Set(const std::string& key, const std::string& value, Duration time_to_live) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  table_.Expire(now);
  ARROW_RETURN_NOT_OK(table_.Set(key, value, time_to_live, now));
  written_.notify_all();
  return arrow::Status::OK();
}

arrow::Result<bool> InProcessStore::CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                                  const std::string& desired, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  table_.Expire(now);
  ARROW_ASSIGN_OR_RAISE(const bool wrote, table_.CompareAndSet(key, expected, desired, time_to_live, now));
  if (wrote) written_.notify_all();
  return wrote;
}

arrow::Result<std::optional<std::string>> InProcessStore::Get(const std::string& key) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  const std::lock_guard lock(mutex_);
  const std::string* value = table_.Get(key, Clock::now());
  return value == nullptr ? std::nullopt : std::optional(*value);
}

arrow::Result<int64_t> InProcessStore::Add(const std::string& key, int64_t delta, Duration time_to_live) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  table_.Expire(now);
  ARROW_ASSIGN_OR_RAISE(const int64_t sum, table_.Add(key, delta, time_to_live, now));
  written_.notify_all();
  return sum;
}

arrow::Result<std::string> InProcessStore::Wait(const std::string& key, Deadline deadline,
                                                const std::function<arrow::Status()>& check_interrupt) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  const auto begin = Clock::now();
  std::unique_lock lock(mutex_);
  for (;;) {
    if (const std::string* value = table_.Get(key, Clock::now()); value != nullptr) return *value;
    if (deadline.Passed()) {
      return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                     .operation = "wait",
                                     .phase = "rendezvous",
                                     .elapsed = Clock::now() - begin},
                                    "no one wrote '" + key + "' to the in-process store");
    }
    if (check_interrupt) {
      lock.unlock();
      ARROW_RETURN_NOT_OK(check_interrupt());
      lock.lock();
      if (table_.Get(key, Clock::now()) != nullptr) continue;
    }
    written_.wait_for(lock, deadline.LeftUpTo(kPollInterval));
  }
}

arrow::Status InProcessStore::Delete(const std::string& key) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  const std::lock_guard lock(mutex_);
  table_.Delete(key);
  return arrow::Status::OK();
}

}  // namespace weft
