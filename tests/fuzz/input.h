// The bytes that a fuzzer made, read as the steps of a conversation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace weft::fuzz {

/// What must hold whatever the input is.
inline void Require(bool holds) {
  if (!holds) std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return bytes_.empty(); }
  /// 0 where nothing is left.
  uint8_t Byte() { return Number<uint8_t>(); }
  template <typename T>
  T Number() {
    T value{};
    const size_t have = std::min(sizeof(T), bytes_.size());
    std::memcpy(&value, bytes_.data(), have);
    bytes_.remove_prefix(have);
    return value;
  }
  /// So many bytes, or what is left.
  std::string_view Take(size_t size) {
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  /// A length of two bytes, and as many.
  std::string_view Chunk() { return Take(Number<uint16_t>()); }

 private:
  std::string_view bytes_;
};

}  // namespace weft::fuzz
