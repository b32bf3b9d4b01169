// Which part of a list of works is a rank's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::io {

struct Share {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Cuts works of the given sizes (none negative) into `world_size` contiguous runs of about the same total size, in
/// rank order, and returns rank's run. Every work is in exactly one run: in that of the rank in whose equal part of the
/// whole its middle lies. Where all sizes are 0 the works count the same.
Share ContiguousShare(std::span<const int64_t> sizes, int rank, int world_size);

/// A rank's part of the bytes of a list of files. `cut`: it begins or ends within the file.
struct ByteRange {
  size_t file = 0;
  int64_t begin = 0;
  int64_t end = 0;
  bool cut = false;
};

/// All ranks' ranges, by rank: about equal numbers of bytes, in the order of the files; those that are not `splittable`
/// whole. Every file is in some range.
std::vector<std::vector<ByteRange>> ShareBytes(std::span<const int64_t> sizes, const std::vector<bool>& splittable,
                                               int world_size);

}  // namespace weft::io
