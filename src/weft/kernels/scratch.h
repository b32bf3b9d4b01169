// Working memory from the pool, kept between uses.
#pragma once

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <utility>

namespace weft::kernels {

/// An array of plain values that only grows; its contents are lost when it does.
template <typename T>
class Scratch {
 public:
  explicit Scratch(arrow::MemoryPool* pool) : pool_(pool) {}

  /// Room for `count` values, not initialised.
  arrow::Result<T*> Reserve(int64_t count) {
    const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
    if (buffer_ == nullptr || buffer_->size() < bytes) {
      buffer_.reset();
      ARROW_ASSIGN_OR_RAISE(buffer_, arrow::AllocateBuffer(bytes, pool_));
    }
    return data();
  }
  T* data() { return reinterpret_cast<T*>(buffer_->mutable_data()); }
  const T* data() const { return reinterpret_cast<const T*>(buffer_->data()); }

 private:
  arrow::MemoryPool* pool_;
  std::unique_ptr<arrow::Buffer> buffer_;
};

}  // namespace weft::kernels
