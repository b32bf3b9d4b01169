// Snappy's raw form, decompressed. Arrow's own takes twice the time on the short copies that numbers compress to.
#pragma once

#include <cstdint>
#include <span>

namespace weft::io {

/// Bytes that must be readable behind what is given to UncompressSnappy and writable behind its result.
inline constexpr int64_t kSnappySlack = 64;

/// Decompresses all of `in` to exactly `size` bytes at `out`; false where `in` is not the compressed form of as many.
/// Format: https://github.com/google/snappy/blob/main/format_description.txt.
bool UncompressSnappy(std::span<const uint8_t> in, uint8_t* out, int64_t size);

}  // namespace weft::io
