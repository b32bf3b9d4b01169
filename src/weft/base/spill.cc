#include "weft/base/spill.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "weft/base/logging.h"
#include "weft/base/open_files.h"
#include "weft/base/signals_blocked.h"

namespace weft {
namespace {

/// From here on an allocation is a mapping of its own, which goes back to the system as soon as it is freed.
constexpr int64_t kLargeBytes = 256 << 10;
/// A mapping for small allocations.
constexpr int64_t kSharedBytes = 8 << 20;
constexpr int64_t kCopyBytes = 4 << 20;
/// How often the resident size is looked at: far from the limit, and near it. Pages that are in the kernel's cache come
/// back at more than 10 GB/s.
constexpr auto kWatchEvery = std::chrono::milliseconds(5);
constexpr auto kWatchNearLimit = std::chrono::milliseconds(1);
constexpr int kWatchPriority = -15;
/// What is kept free below the limit, at least.
constexpr int64_t kLeastFree = 32 << 20;
/// And how often at most by threads that allocate: where cores are short, the one that watches may wait for its turn.
constexpr auto kLookAgain = std::chrono::microseconds(1000);
/// Files that are kept for the next allocation.
constexpr int64_t kMostSpareBytes = 64 << 20;
/// With fewer pages of files resident there is nothing to win.
constexpr int64_t kLeastResident = 8 << 20;

/// What a process takes besides, after this: libraries as they are used, heaps, stacks.
constexpr int64_t kLaterBytes = 48 << 20;

/// Shares of what the limit leaves: tables, work; the rest is for pages of files and what no pool counts.
constexpr double kTablesShare = 0.4;
constexpr double kWorkShare = 0.35;

/// As CountShared was told.
std::atomic<int64_t> shared_bytes{0};

int64_t PageBytes() {
  static const int64_t bytes = ::sysconf(_SC_PAGESIZE);
  return bytes;
}

int64_t WholePages(int64_t size) { return (size + PageBytes() - 1) / PageBytes() * PageBytes(); }

struct Resident {
  int64_t all = 0;
  /// Of files and shared memory.
  int64_t files = 0;
};

Resident ReadResident() {
  Resident out;
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return out;
  long long pages[3] = {0, 0, 0};
  if (std::fscanf(file, "%lld %lld %lld", &pages[0], &pages[1], &pages[2]) == 3) {
    out = {pages[1] * PageBytes(), pages[2] * PageBytes()};
  }
  std::fclose(file);
  return out;
}

}  // namespace

/// Plain memory up to a share, then files.
class Spill::Pool : public arrow::MemoryPool {
 public:
  Pool(Spill* spill, int64_t share) : spill_(spill), share_(share) {}

  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;

  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    total_.fetch_add(size, std::memory_order_relaxed);
    count_.fetch_add(1, std::memory_order_relaxed);
    spill_->KeepWithin();
    if (size >= kLargeBytes) {
      const int64_t length = WholePages(size);
      const bool plain = Reserve(length);
      auto made = spill_->AllocateLarge(this, length, plain);
      if (!made.ok() && plain) Release(length);
      return std::move(made).Value(out);
    }
    if (!Reserve(size)) return spill_->AllocateShared(size, alignment).Value(out);
    const arrow::Status status = spill_->parent_->Allocate(size, alignment, out);
    if (!status.ok()) Release(size);
    return status;
  }

  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) override {
    // A mapping that is not much too large stays.
    if (new_size <= old_size && new_size >= kLargeBytes && new_size >= old_size / 2) return arrow::Status::OK();
    uint8_t* made = nullptr;
    ARROW_RETURN_NOT_OK(Allocate(new_size, alignment, &made));
    // Piece by piece, since both may be mapped files.
    const int64_t kept = std::min(old_size, new_size);
    for (int64_t at = 0; at < kept; at += kCopyBytes) {
      std::memcpy(made + at, *ptr + at, static_cast<size_t>(std::min(kCopyBytes, kept - at)));
      spill_->KeepWithin();
    }
    Free(*ptr, old_size, alignment);
    *ptr = made;
    return arrow::Status::OK();
  }

  void Free(uint8_t* buffer, int64_t size, int64_t alignment) override {
    if (spill_->FreeRegion(buffer)) return;
    spill_->parent_->Free(buffer, size, alignment);
    Release(size);
  }

  void ReleaseUnused() override { spill_->parent_->ReleaseUnused(); }
  int64_t bytes_allocated() const override { return used_.load(std::memory_order_relaxed); }
  int64_t max_memory() const override { return spill_->memory_peak_bytes(); }
  int64_t total_bytes_allocated() const override { return total_.load(std::memory_order_relaxed); }
  int64_t num_allocations() const override { return count_.load(std::memory_order_relaxed); }
  std::string backend_name() const override { return spill_->parent_->backend_name(); }

  void Release(int64_t size) {
    used_.fetch_sub(size, std::memory_order_relaxed);
    spill_->CountMemory(-size);
  }

 private:
  bool Reserve(int64_t size) {
    if (used_.fetch_add(size, std::memory_order_relaxed) + size > share_) {
      used_.fetch_sub(size, std::memory_order_relaxed);
      return false;
    }
    spill_->CountMemory(size);
    return true;
  }

  Spill* const spill_;
  const int64_t share_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> total_{0};
  std::atomic<int64_t> count_{0};
};

arrow::Result<Spill*> Spill::Make(arrow::MemoryPool* parent, int64_t limit, const std::string& directory) {
  const int64_t held = ReadResident().all + kLaterBytes;
  int64_t left = limit - held;
  if (left < limit / 4) {
    WEFT_LOG(kWarning, "memory_limit is " << limit << " bytes, of which this process takes " << held
                                          << " without tables; it will pass the limit");
    left = limit / 4;
  }
  const auto share = [left](double part) { return static_cast<int64_t>(static_cast<double>(left) * part); };
  return Make(parent, limit, {share(kTablesShare), share(kWorkShare)}, directory);
}

arrow::Result<Spill*> Spill::Make(arrow::MemoryPool* parent, int64_t limit, const Shares& shares,
                                  const std::string& directory) {
  ARROW_ASSIGN_OR_RAISE(auto space, SpillSpace::Open(directory, limit));
  return new Spill(parent, limit, shares, std::move(space));
}

Spill::Spill(arrow::MemoryPool* parent, int64_t limit, const Shares& shares, std::unique_ptr<SpillSpace> space)
    : parent_(parent),
      limit_(limit),
      space_(std::move(space)),
      work_bytes_(shares.work),
      other_files_bytes_(ReadResident().files),
      tables_(std::make_unique<Pool>(this, shares.tables)),
      work_(std::make_unique<Pool>(this, shares.work)) {}

arrow::MemoryPool* Spill::tables() { return tables_.get(); }
arrow::MemoryPool* Spill::work() { return work_.get(); }

void Spill::CountMemory(int64_t bytes) {
  const int64_t used = memory_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  int64_t peak = memory_peak_.load(std::memory_order_relaxed);
  while (used > peak && !memory_peak_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
  }
}

arrow::Result<uint8_t*> Spill::MapFile(int64_t* length) {
  {
    const std::lock_guard lock(mutex_);
    const auto spare = spares_.lower_bound(*length);
    if (spare != spares_.end() && spare->first / 2 <= *length) {
      *length = spare->first;
      auto* const begin = reinterpret_cast<uint8_t*>(spare->second);
      spare_bytes_ -= spare->first;
      spares_.erase(spare);
      disk_.fetch_add(*length, std::memory_order_relaxed);
      return begin;
    }
  }
  auto made = MapNewFile(*length);
  if (made.ok()) return made;
  DropSpares();
  return MapNewFile(*length);
}

arrow::Result<uint8_t*> Spill::MapNewFile(int64_t length) {
  ARROW_ASSIGN_OR_RAISE(const int file, space_->NewFile());
  const arrow::Status reserved = space_->Reserve(file, 0, length);
  void* const made = reserved.ok()
                         ? ::mmap(nullptr, static_cast<size_t>(length), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                         : MAP_FAILED;
  const int error = errno;
  ::close(file);
  ARROW_RETURN_NOT_OK(reserved);
  if (made == MAP_FAILED) {
    return arrow::Status::OutOfMemory("MemoryLimitExceeded: ", length,
                                      " bytes of a file could not be mapped: ", ErrnoText(error),
                                      ", and memory_limit is ", limit_);
  }
  disk_.fetch_add(length, std::memory_order_relaxed);
  return static_cast<uint8_t*>(made);
}

arrow::Result<uint8_t*> Spill::AllocateLarge(Pool* pool, int64_t length, bool plain) {
  uint8_t* begin = nullptr;
  if (plain) {
    void* const made =
        ::mmap(nullptr, static_cast<size_t>(length), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return arrow::Status::OutOfMemory(length, " bytes: ", ErrnoText(errno));
    begin = static_cast<uint8_t*>(made);
  } else {
    ARROW_ASSIGN_OR_RAISE(begin, MapFile(&length));
  }
  const std::lock_guard lock(mutex_);
  regions_[reinterpret_cast<uintptr_t>(begin)] = {length, plain ? Kind::kPlain : Kind::kFile, 1, pool};
  if (!plain) StartWatching();
  return begin;
}

arrow::Result<uint8_t*> Spill::AllocateShared(int64_t size, int64_t alignment) {
  std::unique_lock lock(mutex_);
  const auto aligned = [&] { return (shared_used_ + alignment - 1) / alignment * alignment; };
  if (shared_begin_ == 0 || aligned() + size > kSharedBytes) {
    lock.unlock();
    int64_t length = kSharedBytes;
    ARROW_ASSIGN_OR_RAISE(uint8_t* const made, MapFile(&length));
    lock.lock();
    // The one before lives on as long as its allocations do.
    if (const auto before = regions_.find(shared_begin_); before != regions_.end() && before->second.users == 0) {
      if (!KeepSpare(before->first, before->second)) Unmap(before->first, before->second);
      regions_.erase(before);
    }
    shared_begin_ = reinterpret_cast<uintptr_t>(made);
    shared_used_ = 0;
    regions_[shared_begin_] = {length, Kind::kShared, 0, nullptr};
    StartWatching();
  }
  const int64_t at = aligned();
  shared_used_ = at + size;
  ++regions_[shared_begin_].users;
  return reinterpret_cast<uint8_t*>(shared_begin_) + at;
}

bool Spill::KeepSpare(uintptr_t begin, const Region& region) {
  if (region.kind == Kind::kPlain || spare_bytes_ + region.length > kMostSpareBytes) return false;
  spares_.emplace(region.length, begin);
  spare_bytes_ += region.length;
  disk_.fetch_sub(region.length, std::memory_order_relaxed);
  // Its pages need not be resident meanwhile.
  ::madvise(reinterpret_cast<void*>(begin), static_cast<size_t>(region.length), MADV_DONTNEED);
  return true;
}

void Spill::DropSpares() {
  std::multimap<int64_t, uintptr_t> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(spares_);
    spare_bytes_ = 0;
  }
  for (const auto& [length, begin] : dropped) {
    ::munmap(reinterpret_cast<void*>(begin), static_cast<size_t>(length));
  }
}

Spill::Regions::iterator Spill::Find(const uint8_t* at) {
  const auto address = reinterpret_cast<uintptr_t>(at);
  auto found = regions_.upper_bound(address);
  if (found == regions_.begin()) return regions_.end();
  --found;
  return address - found->first < static_cast<uintptr_t>(found->second.length) ? found : regions_.end();
}

bool Spill::FreeRegion(uint8_t* buffer) {
  std::unique_lock lock(mutex_);
  const auto found = Find(buffer);
  if (found == regions_.end()) return false;
  Region& region = found->second;
  if (region.kind == Kind::kShared) {
    if (--region.users > 0) return true;
    if (found->first == shared_begin_) {
      shared_used_ = 0;
      return true;
    }
  }
  const auto [begin, gone] = *found;
  regions_.erase(found);
  if (KeepSpare(begin, gone)) return true;
  lock.unlock();
  Unmap(begin, gone);
  if (gone.kind == Kind::kPlain) gone.pool->Release(gone.length);
  return true;
}

void Spill::Unmap(uintptr_t begin, const Region& region) {
  ::munmap(reinterpret_cast<void*>(begin), static_cast<size_t>(region.length));
  if (region.kind != Kind::kPlain) disk_.fetch_sub(region.length, std::memory_order_relaxed);
}

/// With the mutex held.
void Spill::StartWatching() {
  if (watching_) return;
  const SignalsBlocked blocked;
  try {
    std::thread([this] { Watch(); }).detach();
    watching_ = true;
  } catch (const std::system_error& error) {
    WEFT_LOG(kWarning, "no thread to watch the memory of spilled tables: " << error.what());
  }
}

void Spill::Watch() {
  // What it has to do is short and must not wait for threads that compute. Where that is not allowed it goes without.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kWatchPriority);
  bool near_limit = false;
  for (;;) {
    std::this_thread::sleep_for(near_limit ? kWatchNearLimit : kWatchEvery);
    // Mostly without the mutex, which a process that is forked just then would find locked for ever.
    if (disk_.load(std::memory_order_relaxed) > 0) {
      near_limit = Relieve();
      continue;
    }
    const std::lock_guard lock(mutex_);
    if (disk_.load(std::memory_order_relaxed) > 0) continue;
    watching_ = false;
    return;
  }
}

void Spill::KeepWithin() {
  if (disk_.load(std::memory_order_relaxed) == 0) return;
  const int64_t now = std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1);
  int64_t last = last_look_.load(std::memory_order_relaxed);
  if (now - last > kLookAgain.count() && last_look_.compare_exchange_strong(last, now, std::memory_order_relaxed)) {
    Relieve();
  }
}

void Spill::CountShared(int64_t bytes) { shared_bytes.fetch_add(bytes, std::memory_order_relaxed); }

bool Spill::Relieve() {
  const Resident now = ReadResident();
  const int64_t most = limit_ - std::max(limit_ / 8, kLeastFree);
  const int64_t ours = now.files - other_files_bytes_ - shared_bytes.load(std::memory_order_relaxed);
  if (now.all < most || ours < kLeastResident) return now.all > most - most / 4;
  const std::lock_guard lock(mutex_);
  for (const auto& [begin, region] : regions_) {
    // Safe at any time: the pages belong to the file, and what is touched again is mapped again.
    if (region.kind != Kind::kPlain) {
      ::madvise(reinterpret_cast<void*>(begin), static_cast<size_t>(region.length), MADV_DONTNEED);
    }
  }
  return true;
}

}  // namespace weft
