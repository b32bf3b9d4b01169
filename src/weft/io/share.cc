#include "weft/io/share.h"

namespace weft::io {

Share ContiguousShare(std::span<const int64_t> sizes, int rank, int world_size) {
  __extension__ using Wide = unsigned __int128;
  Wide total = 0;
  for (const int64_t size : sizes) total += static_cast<Wide>(size);
  const bool by_count = total == 0;
  if (by_count) total = sizes.size();
  Share share;
  Wide before = 0;
  for (const int64_t item : sizes) {
    const Wide size = by_count ? 1 : static_cast<Wide>(item);
    // Twice the middle, less one where it lies on a border: a tie goes to the lower rank.
    const Wide middle = 2 * before + size - (2 * before + size > 0 ? 1 : 0);
    const auto owner = static_cast<int>(middle * static_cast<Wide>(world_size) / (2 * total));
    if (owner < rank) ++share.begin;
    if (owner <= rank) ++share.end;
    before += size;
  }
  return share;
}

}  // namespace weft::io
