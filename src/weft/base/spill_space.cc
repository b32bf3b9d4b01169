#include "weft/base/spill_space.h"

#include <arrow/util/io_util.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace weft {
namespace {

constexpr std::string_view kPrefix = ".weft-spill-";

/// Whoever makes such a name unlinks it at once, so that one seen here is of no use to anyone.
void Sweep(const std::string& directory) {
  DIR* const listing = ::opendir(directory.c_str());
  if (listing == nullptr) return;
  while (const dirent* entry = ::readdir(listing)) {
    if (std::string_view(entry->d_name).starts_with(kPrefix)) ::unlink((directory + "/" + entry->d_name).c_str());
  }
  ::closedir(listing);
}

/// -1 and errno where it fails.
int OpenNameless(const std::string& directory) {
  int file = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
  if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
  std::string name = directory + "/" + std::string(kPrefix) + "XXXXXX";
  file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file >= 0) ::unlink(name.c_str());
  return file;
}

bool IsFull(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

}  // namespace

arrow::Status SpillSpace::Failed(const char* what, int64_t bytes, int error) const {
  if (IsFull(error)) {
    return arrow::Status::OutOfMemory("MemoryLimitExceeded: ", bytes, " bytes more are needed on disk, spill_dir '",
                                      directory_, "' is full, and memory_limit is ", limit_,
                                      "; raise memory_limit, use more ranks, or name a spill_dir with more room");
  }
  return arrow::internal::IOErrorFromErrno(error, what, " in spill_dir '", directory_, "' failed");
}

arrow::Result<std::unique_ptr<SpillSpace>> SpillSpace::Open(std::string directory, int64_t limit) {
  Sweep(directory);
  const int file = OpenNameless(directory);
  if (file < 0) {
    const arrow::Status cause = arrow::internal::IOErrorFromErrno(errno, "no file can be made in it");
    return arrow::Status::Invalid("spill_dir '", directory, "': ", cause.message(),
                                  "; name a directory that is there and that this process may write to");
  }
  ::close(file);
  return std::unique_ptr<SpillSpace>(new SpillSpace(std::move(directory), limit));
}

arrow::Result<int> SpillSpace::NewFile() {
  const int file = OpenNameless(directory_);
  if (file < 0) return Failed("making a file", 0, errno);
  return file;
}

arrow::Status SpillSpace::Reserve(int file, int64_t offset, int64_t bytes) {
  int error = 0;
  do {
    error = ::posix_fallocate(file, offset, bytes);
  } while (error == EINTR);
  if (error != 0) return Failed("taking room", bytes, error);
  spilled_.fetch_add(bytes, std::memory_order_relaxed);
  return arrow::Status::OK();
}

arrow::Status SpillSpace::Write(int file, int64_t offset, const void* data, int64_t bytes) {
  int64_t done = 0;
  while (done < bytes) {
    const ssize_t wrote =
        ::pwrite(file, static_cast<const char*>(data) + done, static_cast<size_t>(bytes - done), offset + done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Failed("writing", bytes, errno);
    done += wrote;
  }
  spilled_.fetch_add(bytes, std::memory_order_relaxed);
  return arrow::Status::OK();
}

arrow::Status SpillSpace::Read(int file, int64_t offset, void* data, int64_t bytes) {
  int64_t done = 0;
  while (done < bytes) {
    const ssize_t got =
        ::pread(file, static_cast<char*>(data) + done, static_cast<size_t>(bytes - done), offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("reading", bytes, errno);
    if (got == 0) return arrow::Status::IOError("a file in spill_dir '", directory_, "' ended early");
    done += got;
  }
  return arrow::Status::OK();
}

void SpillSpace::GiveBack(int file, int64_t offset, int64_t bytes) {
  [[maybe_unused]] const int ignored = ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
}

}  // namespace weft
