#include "weft/bootstrap/file_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/base/logging.h"
#include "weft/bootstrap/file_store_folder.h"
#include "weft/bootstrap/polling.h"
#include "weft/bootstrap/store_url.h"
#include "weft/rendezvous/key_table.h"

namespace weft {

using file_store::FileError;
using file_store::JobLock;
using file_store::KeyPath;
using file_store::PathOf;
using file_store::ReadValue;

namespace {

/// Removing what others left behind must not hold up a start for longer.
constexpr Duration kSweepTime = std::chrono::seconds(2);

}  // namespace

arrow::Result<std::shared_ptr<Store>> FileStore::Open(const std::string& rest, const StoreOptions& options) {
  if (!rest.starts_with('/')) {
    return arrow::Status::Invalid("the store URL 'file://", rest, "' needs an absolute path: file:///shared/dir");
  }
  if (rest.find_first_of("?#") != std::string::npos) {
    return arrow::Status::Invalid("the store URL 'file://", rest, "' takes no options: write ? as %3F and # as %23");
  }
  ARROW_ASSIGN_OR_RAISE(std::string directory, PercentDecode(rest, "the path"));
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return FileError("open", directory, errno, ": give a directory that all ranks' hosts share and may write");
  }
  struct stat info = {};
  if (::stat(directory.c_str(), &info) != 0) return FileError("open", directory, errno);
  if (!S_ISDIR(info.st_mode)) return FileError("open", directory, ENOTDIR);
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) return FileError("open", directory, errno);
  return std::make_shared<FileStore>(std::move(directory), options);
}

arrow::Status FileStore::Set(const std::string& key, const std::string& value, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckStoreValue(key, value));
  ARROW_RETURN_NOT_OK(CheckTimeToLive(key, time_to_live));
  const KeyPath path = PathOf(key);
  bool first = false;
  {
    JobLock lock(directory_, path.job, mutex_, true);
    ARROW_RETURN_NOT_OK(lock.Acquire(Deadline::After(call_timeout_)));
    ARROW_RETURN_NOT_OK(lock.Write(path, value, time_to_live));
    first = lock.made_folder();
  }
  if (first) Sweep();
  return arrow::Status::OK();
}

arrow::Result<bool> FileStore::CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                             const std::string& desired, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckStoreValue(key, desired));
  ARROW_RETURN_NOT_OK(CheckTimeToLive(key, time_to_live));
  const KeyPath path = PathOf(key);
  bool first = false;
  {
    // A value that is expected is in a folder that is there.
    JobLock lock(directory_, path.job, mutex_, !expected.has_value());
    ARROW_RETURN_NOT_OK(lock.Acquire(Deadline::After(call_timeout_)));
    if (lock.absent()) return false;
    ARROW_ASSIGN_OR_RAISE(const auto there, ReadValue("compare-and-set", directory_ + "/" + path.file));
    if (there != expected) return false;
    ARROW_RETURN_NOT_OK(lock.Write(path, desired, time_to_live));
    first = lock.made_folder();
  }
  if (first) Sweep();
  return true;
}

arrow::Result<std::optional<std::string>> FileStore::Get(const std::string& key) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  return ReadValue("get", directory_ + "/" + PathOf(key).file);
}

arrow::Result<int64_t> FileStore::Add(const std::string& key, int64_t delta, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckTimeToLive(key, time_to_live));
  const KeyPath path = PathOf(key);
  JobLock lock(directory_, path.job, mutex_, true);
  ARROW_RETURN_NOT_OK(lock.Acquire(Deadline::After(call_timeout_)));
  ARROW_ASSIGN_OR_RAISE(const auto there, ReadValue("add", directory_ + "/" + path.file));
  ARROW_ASSIGN_OR_RAISE(const int64_t sum, AddToDecimal(key, there.has_value() ? &*there : nullptr, delta));
  ARROW_RETURN_NOT_OK(lock.Write(path, std::to_string(sum), time_to_live));
  return sum;
}

arrow::Result<std::string> FileStore::Wait(const std::string& key, Deadline deadline,
                                           const std::function<arrow::Status()>& check_interrupt) {
  return PollFor(*this, "file store in '" + directory_ + "'", key, deadline, check_interrupt);
}

arrow::Status FileStore::Delete(const std::string& key) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  const KeyPath path = PathOf(key);
  JobLock lock(directory_, path.job, mutex_, false);
  ARROW_RETURN_NOT_OK(lock.Acquire(Deadline::After(call_timeout_)));
  return lock.absent() ? arrow::Status::OK() : lock.Remove(path);
}

/// What cannot be removed now is the next one's: nobody's start fails by it.
void FileStore::Sweep() {
  const auto deadline = Deadline::After(kSweepTime);
  for (const std::string& name : file_store::NamesIn(directory_)) {
    if (!file_store::IsJobFolder(name)) continue;
    if (deadline.Passed()) break;
    JobLock lock(directory_, name, mutex_, false);
    const arrow::Status busy = lock.Acquire(Deadline::After(Duration::zero()));
    if (!busy.ok()) {
      WEFT_LOG(kDebug, "file store: '" << name << "' was not swept: " << busy.ToString());
    } else if (!lock.absent()) {
      lock.RemoveExpired(deadline);
    }
  }
}

}  // namespace weft
