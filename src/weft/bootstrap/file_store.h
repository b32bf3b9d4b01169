// The store in a directory that all ranks' hosts share: "file:///shared/dir".
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "weft/bootstrap/store.h"

namespace weft {

/// One file a key, in a folder a job and in it a folder an epoch. A value is written to a file of another name, closed,
/// and renamed, so a reader finds the whole of it or nothing. Writers take turns by a lock on the job's folder: an open
/// file description lock, which the kernel (or NFS' lock server) lets go of when its holder is killed. Works on local
/// and parallel file systems and on NFS with locking; hosts' clocks must agree within the times to live.
///
/// A folder goes with its last key. What has outlived its time is never seen, and is removed by whoever next makes a
/// folder in the same directory. Thread-safe; holds nothing open between calls, so a forked child may use it.
class FileStore : public Store {
 public:
  /// `rest` is the URL behind "file://": an absolute path, percent-encoded. The directory is made where only its last
  /// part is missing, and stays. Status::Invalid for another form, Status::IOError where it cannot be written.
  static arrow::Result<std::shared_ptr<Store>> Open(const std::string& rest, const StoreOptions& options);

  FileStore(std::string directory, const StoreOptions& options)
      : directory_(std::move(directory)), call_timeout_(options.call_timeout) {}

  arrow::Status Set(const std::string& key, const std::string& value, Duration time_to_live) override;
  arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                    const std::string& desired, Duration time_to_live) override;
  arrow::Result<std::optional<std::string>> Get(const std::string& key) override;
  arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration time_to_live) override;
  arrow::Result<std::string> Wait(const std::string& key, Deadline deadline,
                                  const std::function<arrow::Status()>& check_interrupt = {}) override;
  arrow::Status Delete(const std::string& key) override;

 private:
  void Sweep();

  const std::string directory_;
  const Duration call_timeout_;
  std::mutex mutex_;  // one writer of this process at a time comes to the job's lock
};

}  // namespace weft
