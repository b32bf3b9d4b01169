// Memory that ends.
#pragma once

#include <arrow/memory_pool.h>

#include <atomic>
#include <cstdint>

namespace weft::test {

/// Refuses the allocation with a given number, counting from 0, and all after it.
class FailingPool : public arrow::ProxyMemoryPool {
 public:
  explicit FailingPool(int64_t allowed) : ProxyMemoryPool(arrow::default_memory_pool()), left_(allowed) {}
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    ARROW_RETURN_NOT_OK(Count());
    return ProxyMemoryPool::Allocate(size, alignment, out);
  }
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) override {
    if (new_size > old_size) ARROW_RETURN_NOT_OK(Count());
    return ProxyMemoryPool::Reallocate(old_size, new_size, alignment, ptr);
  }

 private:
  arrow::Status Count() {
    return left_.fetch_sub(1) > 0 ? arrow::Status::OK() : arrow::Status::OutOfMemory("the test's pool is exhausted");
  }
  std::atomic<int64_t> left_;
};

}  // namespace weft::test
