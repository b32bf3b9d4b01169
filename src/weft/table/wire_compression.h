// Bodies of blocks made smaller by LZ4, for links that are slower than that.
//
// A compressed body is a row of pieces, each of kWirePieceBytes of the body but the last: uint32 length, little-endian,
// and so many bytes of LZ4's block format; where the highest bit of the length is set, the bytes are the piece itself.
#pragma once

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <span>

#include "weft/base/types.h"

namespace weft::table {

constexpr int64_t kWirePieceBytes = 256 << 10;

/// The concatenation of `body`, `body_bytes` long, compressed; nullptr where that saves less than 1/16 of it. Takes
/// memory of `pool` for no more than the body, and two pieces.
arrow::Result<std::shared_ptr<arrow::Buffer>> CompressBody(std::span<const ConstBytes> body, int64_t body_bytes,
                                                           arrow::MemoryPool* pool);

/// What CompressBody would do, from a few parts that lie apart.
struct CompressionSample {
  /// Bytes after for each byte before, at most about 1.
  double ratio = 1;
  double seconds_per_byte = 0;
};
arrow::Result<CompressionSample> SampleCompression(std::span<const ConstBytes> body, int64_t body_bytes,
                                                   arrow::MemoryPool* pool);

/// Status::Invalid where a body of `body_bytes` cannot come of so many bytes, whatever they are: to be asked before
/// memory is taken for it.
arrow::Status CheckCompressedBytes(int64_t compressed_bytes, int64_t body_bytes);

/// Fills `bodies`, one after the other, from a compressed body of a sender who is not trusted: what does not hold, or
/// does not fill them exactly, is Status::Invalid, and what they hold then is not to be looked at.
arrow::Status DecompressBody(const arrow::Buffer& compressed, std::span<const std::shared_ptr<arrow::Buffer>> bodies,
                             arrow::MemoryPool* pool);

}  // namespace weft::table
