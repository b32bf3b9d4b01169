// The memory of a session that has memory_limit and spill_dir: what passes the limit lies on disk.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "weft/base/spill_space.h"

namespace weft {

/// Two pools, one for tables and one for what an operator needs while it works. Each has a share of the limit in plain
/// memory; an allocation beyond that is a piece of a nameless file in spill_dir, mapped into memory. Its blocks are
/// taken before it is given out, so that a full disk is an error and not a signal: Status::OutOfMemory, whose text
/// begins "MemoryLimitExceeded". The process' resident size is watched while there are such pieces: near the limit they
/// are unmapped from the page tables (the kernel keeps, writes and drops their pages as it does any file's).
///
/// Never freed, as its memory may outlive the session. Thread-safe.
class Spill {
 public:
  /// `limit` is for the whole process: what is resident by now is taken off (but at least a quarter of it is shared
  /// out). Errors as SpillSpace::Open.
  static arrow::Result<Spill*> Make(arrow::MemoryPool* parent, int64_t limit, const std::string& directory);

  /// Bytes of plain memory for each pool.
  struct Shares {
    int64_t tables = 0;
    int64_t work = 0;
  };
  /// The same with shares that the caller has chosen.
  static arrow::Result<Spill*> Make(arrow::MemoryPool* parent, int64_t limit, const Shares& shares,
                                    const std::string& directory);

  arrow::MemoryPool* tables();
  arrow::MemoryPool* work();
  /// What one operator may hold in plain memory while it works.
  int64_t work_bytes() const { return work_bytes_; }
  SpillSpace& space() { return *space_; }

  /// Looks after the resident size now; costs next to nothing when it was looked at within the last millisecond. For
  /// those who read tables piece by piece without allocating: whoever allocates does it by that.
  void KeepWithin();

  /// This process has mapped so many bytes more (or less) that it shares with others: pages that stay resident, which
  /// no look at files can give back. Of the process, not of one Spill; thread-safe.
  static void CountShared(int64_t bytes);

  /// Plain memory in use, and the most that ever was.
  int64_t memory_bytes() const { return memory_.load(std::memory_order_relaxed); }
  int64_t memory_peak_bytes() const { return memory_peak_.load(std::memory_order_relaxed); }
  /// What lies on disk and is mapped.
  int64_t disk_bytes() const { return disk_.load(std::memory_order_relaxed); }

 private:
  class Pool;
  enum class Kind { kPlain, kFile, kShared };
  struct Region {
    int64_t length = 0;
    Kind kind = Kind::kPlain;
    /// Of kShared: allocations that lie in it.
    int64_t users = 1;
    Pool* pool = nullptr;
  };
  using Regions = std::map<uintptr_t, Region>;

  Spill(arrow::MemoryPool* parent, int64_t limit, const Shares& shares, std::unique_ptr<SpillSpace> space);

  /// A mapped file of at least `*length` bytes, a spare one where there is one; `*length` becomes what it has.
  arrow::Result<uint8_t*> MapFile(int64_t* length);
  arrow::Result<uint8_t*> MapNewFile(int64_t length);
  arrow::Result<uint8_t*> AllocateLarge(Pool* pool, int64_t size, bool plain);
  arrow::Result<uint8_t*> AllocateShared(int64_t size, int64_t alignment);
  /// The region that `at` lies in, or the end. With the mutex held.
  Regions::iterator Find(const uint8_t* at);
  /// False where the memory is not of a region.
  bool FreeRegion(uint8_t* buffer);
  void Unmap(uintptr_t begin, const Region& region);
  /// Keeps a file that was freed for the next allocation, where few are kept. With the mutex held.
  bool KeepSpare(uintptr_t begin, const Region& region);
  void DropSpares();
  void CountMemory(int64_t bytes);
  void StartWatching();
  void Watch();
  /// Takes the pages of files out of the page tables where the process is at its limit; true where it is near.
  bool Relieve();

  arrow::MemoryPool* const parent_;
  const int64_t limit_;
  const std::unique_ptr<SpillSpace> space_;
  const int64_t work_bytes_;
  /// Resident pages of files before there was any of ours.
  const int64_t other_files_bytes_;
  std::unique_ptr<Pool> tables_;
  std::unique_ptr<Pool> work_;
  std::atomic<int64_t> memory_{0};
  std::atomic<int64_t> memory_peak_{0};
  std::atomic<int64_t> disk_{0};
  /// Microseconds.
  std::atomic<int64_t> last_look_{0};

  std::mutex mutex_;
  Regions regions_;
  /// The piece from which small allocations are cut, and how much of it is; 0 for none.
  uintptr_t shared_begin_ = 0;
  int64_t shared_used_ = 0;
  bool watching_ = false;
  /// Files that are free, by length: making one costs more than most operators' work on it.
  std::multimap<int64_t, uintptr_t> spares_;
  int64_t spare_bytes_ = 0;
};

}  // namespace weft
