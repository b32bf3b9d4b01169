// A directory on disk for what does not fit in memory.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace weft {

/// Files without a name (O_TMPFILE, or unlinked as soon as they are made), so that a process that ends in whatever way,
/// kill -9 among them, leaves none. Thread-safe.
class SpillSpace {
 public:
  /// Status::Invalid where the directory is not there or takes no file. Removes the names that a process left which was
  /// killed between making and unlinking one, on file systems without O_TMPFILE. `limit` is named in errors.
  static arrow::Result<std::unique_ptr<SpillSpace>> Open(std::string directory, int64_t limit);

  /// An empty file, open for reading and writing. The descriptor is the caller's to close.
  arrow::Result<int> NewFile();

  /// Takes the blocks of [offset, offset + bytes) now. A full disk is Status::OutOfMemory, as where memory ends: its
  /// text begins "MemoryLimitExceeded" and names need, directory and limit.
  arrow::Status Reserve(int file, int64_t offset, int64_t bytes);

  /// Writes all of it; a full disk as Reserve.
  arrow::Status Write(int file, int64_t offset, const void* data, int64_t bytes);
  arrow::Status Read(int file, int64_t offset, void* data, int64_t bytes);

  /// Gives blocks back; what cannot be given back stays until the file is closed.
  void GiveBack(int file, int64_t offset, int64_t bytes);

  const std::string& directory() const { return directory_; }
  /// All that was ever written or reserved.
  int64_t bytes_spilled() const { return spilled_.load(std::memory_order_relaxed); }

 private:
  SpillSpace(std::string directory, int64_t limit) : directory_(std::move(directory)), limit_(limit) {}
  arrow::Status Failed(const char* what, int64_t bytes, int error) const;

  const std::string directory_;
  const int64_t limit_;
  std::atomic<int64_t> spilled_{0};
};

}  // namespace weft
