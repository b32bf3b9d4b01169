// The store of ranks that are threads of one process: "inprocess://name".
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "weft/bootstrap/store.h"
#include "weft/rendezvous/key_table.h"

namespace weft {

class InProcessStore : public Store {
 public:
  /// The store of that name, made on the first call. It lives as long as the process, like a server would, so that a
  /// later epoch of a job meets the marks of the earlier ones.
  static std::shared_ptr<InProcessStore> Named(const std::string& name);

  /// A store that no one else can open.
  explicit InProcessStore(const KeyTableLimits& limits = {}) : table_(limits) {}

  arrow::Status Set(const std::string& key, const std::string& value, Duration time_to_live) override;
  arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                    const std::string& desired, Duration time_to_live) override;
  arrow::Result<std::optional<std::string>> Get(const std::string& key) override;
  arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration time_to_live) override;
  arrow::Result<std::string> Wait(const std::string& key, Deadline deadline,
                                  const std::function<arrow::Status()>& check_interrupt = {}) override;
  arrow::Status Delete(const std::string& key) override;

 private:
  std::mutex mutex_;
  std::condition_variable written_;
  KeyTable table_;
};

}  // namespace weft
