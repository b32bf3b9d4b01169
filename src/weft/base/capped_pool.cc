#include "weft/base/capped_pool.h"

#include <arrow/status.h>

#include <atomic>
#include <string>

namespace weft {
namespace {

class CappedPool : public arrow::MemoryPool {
 public:
  CappedPool(arrow::MemoryPool* parent, int64_t limit) : parent_(parent), limit_(limit) {}

  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;

  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    ARROW_RETURN_NOT_OK(Reserve(size));
    arrow::Status status = parent_->Allocate(size, alignment, out);
    if (!status.ok()) Release(size);
    return status;
  }

  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) override {
    if (new_size > old_size) ARROW_RETURN_NOT_OK(Reserve(new_size - old_size));
    arrow::Status status = parent_->Reallocate(old_size, new_size, alignment, ptr);
    if (!status.ok() && new_size > old_size) Release(new_size - old_size);
    if (status.ok() && new_size < old_size) Release(old_size - new_size);
    return status;
  }

  void Free(uint8_t* buffer, int64_t size, int64_t alignment) override {
    parent_->Free(buffer, size, alignment);
    Release(size);
  }

  void ReleaseUnused() override { parent_->ReleaseUnused(); }
  int64_t bytes_allocated() const override { return used_.load(std::memory_order_relaxed); }
  int64_t max_memory() const override { return peak_.load(std::memory_order_relaxed); }
  int64_t total_bytes_allocated() const override { return total_.load(std::memory_order_relaxed); }
  int64_t num_allocations() const override { return count_.load(std::memory_order_relaxed); }
  std::string backend_name() const override { return parent_->backend_name(); }

 private:
  arrow::Status Reserve(int64_t size) {
    const int64_t used = used_.fetch_add(size, std::memory_order_relaxed) + size;
    if (used > limit_) {
      used_.fetch_sub(size, std::memory_order_relaxed);
      return arrow::Status::OutOfMemory("MemoryLimitExceeded: ", size, " bytes more are needed, ", used - size,
                                        " are in use, and memory_limit is ", limit_,
                                        "; raise memory_limit, give spill_dir (WEFT_SPILL_DIR), or use more ranks");
    }
    int64_t peak = peak_.load(std::memory_order_relaxed);
    while (used > peak && !peak_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
    }
    total_.fetch_add(size, std::memory_order_relaxed);
    count_.fetch_add(1, std::memory_order_relaxed);
    return arrow::Status::OK();
  }
  void Release(int64_t size) { used_.fetch_sub(size, std::memory_order_relaxed); }

  arrow::MemoryPool* const parent_;
  const int64_t limit_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
  std::atomic<int64_t> total_{0};
  std::atomic<int64_t> count_{0};
};

}  // namespace

arrow::Status NameOperator(std::string_view operation, arrow::Status status) {
  constexpr std::string_view kMarks = "MemoryLimitExceeded: ";
  const std::string& text = status.message();
  if (!status.IsOutOfMemory() || !text.starts_with(kMarks)) return status;
  // What comes first is a number where no operator is named yet.
  const char next = text.size() > kMarks.size() ? text[kMarks.size()] : ' ';
  if (next < '0' || next > '9') return status;
  return status.WithMessage(kMarks, operation, ": ", text.substr(kMarks.size()));
}

arrow::MemoryPool* MakeCappedPool(arrow::MemoryPool* parent, int64_t limit) { return new CappedPool(parent, limit); }

}  // namespace weft
