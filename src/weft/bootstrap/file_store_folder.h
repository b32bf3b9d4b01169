// A job's folder in the file store: where keys lie, how their files are read and written, and its lock.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/deadline.h"

namespace weft::file_store {

/// Where a key lies below the store's directory.
struct KeyPath {
  std::string job;                   // the folder that has the lock
  std::vector<std::string> folders;  // each with those above it, "job-a/0.d"
  std::string file;                  // "job-a/0.d/rank%2F3.v"
};

/// "weft:{job}:{epoch}:{name}" is job-{job}/{epoch}.d/{name}.v, "weft:{job}:{name}" job-{job}/{name}.v, another key
/// keys/{key}.v; what is too long for one name goes down a folder every 200 bytes.
KeyPath PathOf(std::string_view key);

/// True where a folder of the store's directory holds a job's keys, or those of no job.
bool IsJobFolder(const std::string& name);

std::vector<std::string> NamesIn(const std::string& folder);

/// The value in a key's file, or nullopt where there is none or its time is over. Status::Invalid where the file is not
/// as Weft wrote it. Needs no lock.
arrow::Result<std::optional<std::string>> ReadValue(const char* operation, const std::string& path);

arrow::Status FileError(const char* operation, const std::string& path, int error, const std::string& advice = "");

/// Held by whoever changes anything in a job's folder. Not thread-safe.
class JobLock {
 public:
  /// `root` is the store's directory, which must outlive it; `threads` lets one thread of the process at a time come to
  /// the file. With `make` the folder is made; without it one that is not there is no error, and nothing is held.
  JobLock(const std::string& root, const std::string& job, std::mutex& threads, bool make)
      : root_(root), folder_(root + "/" + job), make_(make), process_lock_(threads) {}
  /// Lets go of the lock, and removes the folder where Remove or RemoveExpired has left nothing in it.
  ~JobLock() { Release(); }

  /// kTimedOut past the deadline, where someone else has it.
  arrow::Status Acquire(Deadline deadline);

  bool absent() const { return absent_; }
  /// Whether this one has made a folder.
  bool made_folder() const { return made_folder_; }

  /// These three while it is held.
  arrow::Status Write(const KeyPath& key, const std::string& value, Duration time_to_live);
  arrow::Status Remove(const KeyPath& key);
  /// Removes what has outlived its time in this job's folder; what the deadline leaves is the next one's.
  void RemoveExpired(Deadline deadline);

 private:
  arrow::Result<bool> Try();
  bool Forget();
  void Release();

  const std::string& root_;
  const std::string folder_;
  const bool make_;
  std::unique_lock<std::mutex> process_lock_;
  int descriptor_ = -1;
  bool held_ = false;
  bool absent_ = false;
  bool tidy_ = false;
  bool made_folder_ = false;
};

}  // namespace weft::file_store
