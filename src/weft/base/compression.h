// Whether tables are compressed on their way to other ranks.
#pragma once

namespace weft {

enum class Compression {
  kAuto,  // LZ4 where a transfer turns out to be faster by it
  kLz4,   // LZ4 for all that shrinks
  kOff,
};

/// Whether Arrow was built with LZ4; without it nothing is compressed.
bool CanCompress();

}  // namespace weft
