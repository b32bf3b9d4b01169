#include "weft/rendezvous/key_table.h"

#include <charconv>
#include <limits>

namespace weft {
namespace {

constexpr std::string_view kPrefix = "weft:";

int64_t Cost(size_t key_bytes, size_t value_bytes) {
  return static_cast<int64_t>(key_bytes + value_bytes) + KeyTable::kEntryOverhead;
}

}  // namespace

arrow::Status CheckStoreKey(std::string_view key) {
  if (key.empty()) return arrow::Status::Invalid("store: the key is empty");
  if (key.size() <= kStoreMaxKeyBytes) return arrow::Status::OK();
  return arrow::Status::Invalid("store: the key '", key.substr(0, 64), "...' has ", key.size(), " bytes, at most ",
                                kStoreMaxKeyBytes, " are allowed");
}

arrow::Status CheckStoreValue(std::string_view key, std::string_view value) {
  if (value.size() <= kStoreMaxValueBytes) return arrow::Status::OK();
  return arrow::Status::Invalid("store: the value of '", key, "' has ", value.size(), " bytes, at most ",
                                kStoreMaxValueBytes, " are allowed");
}

arrow::Status CheckTimeToLive(std::string_view key, Duration time_to_live) {
  if (time_to_live > Duration::zero()) return arrow::Status::OK();
  return arrow::Status::Invalid("store: the time to live of '", key, "' must be above zero");
}

arrow::Result<int64_t> AddToDecimal(std::string_view key, const std::string* value, int64_t delta) {
  int64_t sum = 0;
  if (value != nullptr) {
    const char* end = value->data() + value->size();
    const auto [parsed, error] = std::from_chars(value->data(), end, sum);
    if (error != std::errc() || parsed != end) {
      return arrow::Status::Invalid("store: Add to '", key, "', whose value is no 64-bit decimal number");
    }
  }
  if (__builtin_add_overflow(sum, delta, &sum)) {
    return arrow::Status::Invalid("store: Add of ", delta, " to '", key, "' overflows 64 bits");
  }
  return sum;
}

std::string_view KeyTable::JobOf(std::string_view key) {
  if (!key.starts_with(kPrefix)) return {};
  const std::string_view rest = key.substr(kPrefix.size());
  const size_t end = rest.find(':');
  return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
}

arrow::Status KeyTable::Set(const std::string& key, std::string_view value, Duration time_to_live, Time now) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckStoreValue(key, value));
  ARROW_RETURN_NOT_OK(CheckTimeToLive(key, time_to_live));
  const std::string job_name(JobOf(key));
  const auto found = entries_.find(key);
  const bool is_new = found == entries_.end();
  const int64_t more = is_new ? Cost(key.size(), value.size())
                              : static_cast<int64_t>(value.size()) - static_cast<int64_t>(found->second.value.size());
  const auto job = jobs_.find(job_name);
  if (job == jobs_.end() && jobs() >= limits_.jobs) {
    return arrow::Status::CapacityError("the store is full: it holds keys of ", limits_.jobs, " jobs, its limit");
  }
  const Job used = job == jobs_.end() ? Job{} : job->second;
  if (is_new && used.keys >= limits_.keys_per_job) {
    return arrow::Status::CapacityError("the store is full: job '", job_name, "' holds ", used.keys,
                                        " keys, its limit");
  }
  if (more > 0 && used.bytes + more > limits_.bytes_per_job) {
    return arrow::Status::CapacityError("the store is full: job '", job_name, "' holds ", used.bytes, " of ",
                                        limits_.bytes_per_job, " bytes and asks for ", more, " more");
  }
  if (more > 0 && bytes_ + more > limits_.bytes) {
    return arrow::Status::CapacityError("the store is full: all jobs together hold ", bytes_, " of ", limits_.bytes,
                                        " bytes");
  }
  const Time expiry = now + std::min(time_to_live, limits_.time_to_live);
  if (is_new) {
    const auto entry = entries_.emplace(key, Entry{std::string(value), by_expiry_.end()}).first;
    entry->second.expiry = by_expiry_.emplace(expiry, &entry->first);
  } else {
    found->second.value.assign(value);
    by_expiry_.erase(found->second.expiry);
    found->second.expiry = by_expiry_.emplace(expiry, &found->first);
  }
  Job& account = jobs_[job_name];
  account.keys += is_new ? 1 : 0;
  account.bytes += more;
  bytes_ += more;
  return arrow::Status::OK();
}

arrow::Result<bool> KeyTable::CompareAndSet(const std::string& key, const std::optional<std::string_view>& expected,
                                            std::string_view desired, Duration time_to_live, Time now) {
  const std::string* value = Get(key, now);
  if ((value != nullptr) != expected.has_value()) return false;
  if (value != nullptr && *value != *expected) return false;
  ARROW_RETURN_NOT_OK(Set(key, desired, time_to_live, now));
  return true;
}

const std::string* KeyTable::Get(const std::string& key, Time now) const {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.expiry->first <= now) return nullptr;
  return &found->second.value;
}

arrow::Result<int64_t> KeyTable::Add(const std::string& key, int64_t delta, Duration time_to_live, Time now) {
  ARROW_ASSIGN_OR_RAISE(const int64_t sum, AddToDecimal(key, Get(key, now), delta));
  ARROW_RETURN_NOT_OK(Set(key, std::to_string(sum), time_to_live, now));
  return sum;
}

void KeyTable::Delete(const std::string& key) {
  const auto found = entries_.find(key);
  if (found != entries_.end()) Erase(found);
}

void KeyTable::Expire(Time now) {
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
    Erase(entries_.find(*by_expiry_.begin()->second));
  }
}

void KeyTable::Erase(Entries::iterator entry) {
  const int64_t cost = Cost(entry->first.size(), entry->second.value.size());
  const auto job = jobs_.find(std::string(JobOf(entry->first)));
  job->second.bytes -= cost;
  if (--job->second.keys == 0) jobs_.erase(job);
  bytes_ -= cost;
  by_expiry_.erase(entry->second.expiry);
  entries_.erase(entry);
}

}  // namespace weft
