// Little-endian integers and length-prefixed strings, for messages that are small and must be exact.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace weft {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Weft's wire forms are written for little-endian machines");

/// Appends to a string of its own.
class ByteWriter {
 public:
  template <typename T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  ByteWriter& Put(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
    return *this;
  }
  /// A uint32 length, then the bytes. The caller keeps `text` below 4 GiB.
  ByteWriter& PutString(std::string_view text) {
    Put(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  /// The bytes alone, without a length.
  ByteWriter& PutRaw(std::string_view text) {
    bytes_.append(text);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Reads what ByteWriter wrote. Refers to the bytes, does not own them. Never reads past their end: a message that is
/// too short is Status::Invalid.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  arrow::Result<T> Get() {
    if (bytes_.size() < sizeof(T)) return arrow::Status::Invalid("message ends too early");
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  arrow::Result<std::string_view> GetString() {
    ARROW_ASSIGN_OR_RAISE(const auto length, Get<uint32_t>());
    return GetRaw(length);
  }
  arrow::Result<std::string_view> GetRaw(size_t length) {
    if (bytes_.size() < length) return arrow::Status::Invalid("message ends too early");
    const std::string_view text = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return text;
  }
  size_t left() const { return bytes_.size(); }
  /// An error unless everything has been read.
  arrow::Status Finish() const {
    return bytes_.empty() ? arrow::Status::OK() : arrow::Status::Invalid("message has bytes left over");
  }

 private:
  std::string_view bytes_;
};

}  // namespace weft
