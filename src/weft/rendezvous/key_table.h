// The key-value table behind a store: bounded, with a time to live for every key.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "weft/base/deadline.h"

namespace weft {

/// Sizes that every store keeps to, see bootstrap/store.h.
inline constexpr size_t kStoreMaxKeyBytes = 512;
inline constexpr size_t kStoreMaxValueBytes = size_t{64} << 10;

/// Status::Invalid unless key and value keep to those sizes and the key is not empty.
arrow::Status CheckStoreKey(std::string_view key);
arrow::Status CheckStoreValue(std::string_view key, std::string_view value);

/// Status::Invalid unless the time to live is above zero.
arrow::Status CheckTimeToLive(std::string_view key, Duration time_to_live);

/// Longer times to live are cut to this.
inline constexpr Duration kStoreMaxTimeToLive = std::chrono::hours(24 * 7);

/// The number that stands in `value` (nullptr counts as 0) and `delta` added up; Status::Invalid where it is no 64-bit
/// decimal number or the sum overflows.
arrow::Result<int64_t> AddToDecimal(std::string_view key, const std::string* value, int64_t delta);

struct KeyTableLimits {
  int64_t jobs = 4096;
  int64_t keys_per_job = 1 << 16;
  /// Keys, values and `kEntryOverhead` for each entry.
  int64_t bytes_per_job = int64_t{64} << 20;
  int64_t bytes = int64_t{1} << 30;
  /// Longer times to live are cut to this.
  Duration time_to_live = kStoreMaxTimeToLive;
};

/// Not thread-safe. All times are given by the caller, so that tests need not sleep. A key that has outlived its time
/// is never seen; its memory is given back by the next write to it or by Expire. What does not fit is
/// Status::CapacityError, which names the limit, and changes nothing.
class KeyTable {
 public:
  using Time = Clock::time_point;
  static constexpr int64_t kEntryOverhead = 128;

  explicit KeyTable(const KeyTableLimits& limits) : limits_(limits) {}

  arrow::Status Set(const std::string& key, std::string_view value, Duration time_to_live, Time now);
  arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string_view>& expected,
                                    std::string_view desired, Duration time_to_live, Time now);
  /// nullptr where there is none; else valid until the table is next changed.
  const std::string* Get(const std::string& key, Time now) const;
  arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration time_to_live, Time now);
  void Delete(const std::string& key);
  /// Forgets what has outlived its time.
  void Expire(Time now);

  int64_t keys() const { return static_cast<int64_t>(entries_.size()); }
  int64_t jobs() const { return static_cast<int64_t>(jobs_.size()); }
  int64_t bytes() const { return bytes_; }

  /// The job of a key "weft:{job}:...", else "".
  static std::string_view JobOf(std::string_view key);

 private:
  using Expiry = std::multimap<Time, const std::string*>;
  struct Entry {
    std::string value;
    Expiry::iterator expiry;
  };
  struct Job {
    int64_t keys = 0;
    int64_t bytes = 0;
  };
  using Entries = std::unordered_map<std::string, Entry>;

  void Erase(Entries::iterator entry);

  const KeyTableLimits limits_;
  Entries entries_;
  Expiry by_expiry_;
  std::unordered_map<std::string, Job> jobs_;
  int64_t bytes_ = 0;
};

}  // namespace weft
