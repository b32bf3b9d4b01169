// Which part of a list of works is a rank's.
#pragma once

#include <cstdint>
#include <span>

namespace weft::io {

struct Share {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Cuts works of the given sizes (none negative) into `world_size` contiguous runs of about the same total size, in
/// rank order, and returns rank's run. Every work is in exactly one run: in that of the rank in whose equal part of the
/// whole its middle lies. Where all sizes are 0 the works count the same.
Share ContiguousShare(std::span<const int64_t> sizes, int rank, int world_size);

}  // namespace weft::io
