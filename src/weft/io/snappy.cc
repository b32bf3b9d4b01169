#include "weft/io/snappy.h"

#include <cstddef>
#include <cstring>

namespace weft::io {
namespace {

template <typename T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <int kBytes>
void Copy(uint8_t* to, const uint8_t* from) {
  uint8_t block[kBytes];
  std::memcpy(block, from, kBytes);
  std::memcpy(to, block, kBytes);
}

/// Little-endian, seven bits a byte; false where it does not end within 32 bits.
bool ReadLength(const uint8_t** in, const uint8_t* end, uint32_t* length) {
  uint64_t value = 0;
  for (int shift = 0; shift < 35 && *in < end; shift += 7) {
    const uint8_t byte = *(*in)++;
    value |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) {
      *length = static_cast<uint32_t>(value);
      return value <= UINT32_MAX;
    }
  }
  return false;
}

/// `length` bytes, at most 64, from `offset` before `to`; the two may overlap, then the bytes repeat. Writes up to 64.
void CopyBack(uint8_t* to, size_t offset, size_t length) {
  const uint8_t* const from = to - offset;
  if (offset >= 8) {
    Copy<8>(to, from);
    Copy<8>(to + 8, from + 8);
    for (size_t i = 16; i < length; i += 8) Copy<8>(to + i, from + i);
    return;
  }
  for (size_t i = 0; i < length; ++i) to[i] = from[i];
}

}  // namespace

bool UncompressSnappy(std::span<const uint8_t> in, uint8_t* out, int64_t size) {
  const uint8_t* from = in.data();
  const uint8_t* const end = from + in.size();
  uint32_t stated = 0;
  if (!ReadLength(&from, end, &stated) || static_cast<int64_t>(stated) != size) return false;
  uint8_t* to = out;
  uint8_t* const out_end = out + size;
  while (from < end) {
    const uint32_t tag = *from++;
    if ((tag & 3) == 0) {
      uint32_t length = (tag >> 2) + 1;
      if (length > 60) {
        const uint32_t bytes = length - 60;
        // As in Snappy itself 2^32 bytes are none: the two agree on every input.
        length = (Load<uint32_t>(from) & (UINT32_MAX >> (32 - 8 * bytes))) + 1;
        from += bytes;
        if (from > end) return false;
      }
      if (length > static_cast<size_t>(end - from) || length > static_cast<size_t>(out_end - to)) return false;
      if (length <= 16) {
        Copy<16>(to, from);
      } else {
        std::memcpy(to, from, length);
      }
      from += length;
      to += length;
      continue;
    }
    size_t length = (tag >> 2) + 1;
    size_t offset = 0;
    if ((tag & 3) == 1) {
      length = ((tag >> 2) & 7) + 4;
      offset = ((tag >> 5) << 8) | *from;
      from += 1;
    } else if ((tag & 3) == 2) {
      offset = Load<uint16_t>(from);
      from += 2;
    } else {
      offset = Load<uint32_t>(from);
      from += 4;
    }
    // An offset of 0 is as wrong as one that is too large.
    if (offset - 1 >= static_cast<size_t>(to - out) || length > static_cast<size_t>(out_end - to)) return false;
    CopyBack(to, offset, length);
    to += length;
  }
  return from == end && to == out_end;
}

}  // namespace weft::io
