// Arrays of plain values whose memory is counted by the pool.
#pragma once

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace weft::kernels {

/// `size` values of a trivial type, not initialised. Status::OutOfMemory where the pool has no room.
template <typename T>
class PoolArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  PoolArray() = default;
  static arrow::Result<PoolArray> Make(int64_t size, arrow::MemoryPool* pool) {
    PoolArray array;
    ARROW_ASSIGN_OR_RAISE(array.buffer_, arrow::AllocateBuffer(size * static_cast<int64_t>(sizeof(T)), pool));
    array.data_ = reinterpret_cast<T*>(array.buffer_->mutable_data());
    array.size_ = size;
    return array;
  }
  /// The same with all bytes zero.
  static arrow::Result<PoolArray> MakeZero(int64_t size, arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(PoolArray array, Make(size, pool));
    if (size > 0) std::memset(static_cast<void*>(array.data_), 0, static_cast<size_t>(size) * sizeof(T));
    return array;
  }

  /// Of a buffer of whole values.
  static PoolArray Of(std::shared_ptr<arrow::Buffer> buffer) {
    PoolArray array;
    array.data_ = reinterpret_cast<T*>(buffer->mutable_data());
    array.size_ = buffer->size() / static_cast<int64_t>(sizeof(T));
    array.buffer_ = std::move(buffer);
    return array;
  }

  PoolArray(PoolArray&& other) noexcept { *this = std::move(other); }
  PoolArray& operator=(PoolArray&& other) noexcept {
    buffer_ = std::move(other.buffer_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  std::span<const T> span() const { return {data_, static_cast<size_t>(size_)}; }

  /// Forgets the values from `size` on; the memory stays.
  void Shrink(int64_t size) { size_ = size; }
  void Free() { *this = PoolArray(); }

 private:
  std::shared_ptr<arrow::Buffer> buffer_;
  T* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace weft::kernels
