#include "weft/io/share.h"

#include <algorithm>

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

std::vector<std::vector<ByteRange>> ShareBytes(std::span<const int64_t> sizes, const std::vector<bool>& splittable,
                                               int world_size) {
  __extension__ using Wide = unsigned __int128;
  std::vector<std::vector<ByteRange>> ranks(static_cast<size_t>(world_size));
  Wide total = 0;
  for (const int64_t size : sizes) total += static_cast<Wide>(size);
  const bool by_count = total == 0;
  if (by_count) total = sizes.size();
  const auto world = static_cast<Wide>(world_size);
  Wide before = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const Wide size = by_count ? 1 : static_cast<Wide>(sizes[i]);
    if (by_count || !splittable[i]) {
      // As in ContiguousShare: to the rank in whose part the middle lies.
      const Wide middle = 2 * before + size - (2 * before + size > 0 ? 1 : 0);
      ranks[static_cast<size_t>(middle * world / (2 * total))].push_back({i, 0, sizes[i], false});
    } else {
      for (size_t rank = 0; rank < ranks.size(); ++rank) {
        const Wide from = std::max(before, total * rank / world);
        const Wide to = std::min(before + size, total * (rank + 1) / world);
        if (from >= to) continue;
        ranks[rank].push_back(
            {i, static_cast<int64_t>(from - before), static_cast<int64_t>(to - before), to - from < size});
      }
    }
    before += size;
  }
  return ranks;
}

}  // namespace weft::io
