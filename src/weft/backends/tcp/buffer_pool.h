// Buffers of short messages, used again: fresh pages cost more than the copy into them.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <memory>
#include <vector>

namespace weft::tcp {

/// Small buffers come from the heap; larger ones from lists of spare ones by power of two, up to kSpareBytes each.
class BufferPool {
 public:
  using Buffer = std::unique_ptr<std::byte[]>;

  Buffer Take(size_t size) {
    if (size <= kSmall) return std::make_unique_for_overwrite<std::byte[]>(size);
    std::vector<Buffer>& spare = spare_[Class(size)];
    if (spare.empty()) return std::make_unique_for_overwrite<std::byte[]>(std::bit_ceil(size));
    Buffer buffer = std::move(spare.back());
    spare.pop_back();
    return buffer;
  }

  /// `size` is what it was taken for.
  void GiveBack(Buffer buffer, size_t size) {
    if (buffer == nullptr || size <= kSmall) return;
    std::vector<Buffer>& spare = spare_[Class(size)];
    if (spare.size() < kSpareBytes / std::bit_ceil(size)) spare.push_back(std::move(buffer));
  }

 private:
  static constexpr size_t kSmall = 8 << 10;
  static constexpr size_t kSpareBytes = 1 << 20;
  static size_t Class(size_t size) { return static_cast<size_t>(std::bit_width(size - 1)); }

  std::array<std::vector<Buffer>, 8 * sizeof(size_t) + 1> spare_;
};

}  // namespace weft::tcp
