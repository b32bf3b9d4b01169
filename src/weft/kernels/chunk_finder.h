// Where the rows of a chunked column lie.
#pragma once

#include <arrow/array/array_base.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace weft::kernels {

class ChunkFinder {
 public:
  ChunkFinder() : ChunkFinder(arrow::ArrayVector()) {}
  explicit ChunkFinder(const arrow::ArrayVector& chunks) {
    starts_.reserve(2 * (chunks.size() + 1));
    starts_.push_back(0);
    for (const auto& chunk : chunks) starts_.push_back(starts_.back() + chunk->length());
    rows_ = starts_.back();
    // Filled up, so that each search takes the same steps.
    half_ = std::bit_ceil(starts_.size()) / 2;
    starts_.resize(std::max<size_t>(2 * half_, 1), std::numeric_limits<int64_t>::max());
  }

  int64_t rows() const { return rows_; }
  /// The first row of a chunk.
  int64_t start(size_t chunk) const { return starts_[chunk]; }

  /// The chunk of a row, and in `row` the row within it; looks at the last chunk found first.
  size_t Find(int64_t* row, size_t last) const {
    if (*row < starts_[last] || *row >= starts_[last + 1]) last = Search(*row);
    *row -= starts_[last];
    return last;
  }

  /// Calls visit(chunk, first row within it, rows, place in the range) for the chunks under [begin, begin + length).
  template <typename Visit>
  void VisitChunks(int64_t begin, int64_t length, Visit&& visit) const {
    if (length == 0) return;
    size_t chunk = Search(begin);
    for (int64_t done = 0; done < length; ++chunk) {
      const int64_t first = begin + done - starts_[chunk];
      const int64_t rows = std::min(length - done, starts_[chunk + 1] - starts_[chunk] - first);
      if (rows > 0) visit(chunk, first, rows, done);
      done += rows;
    }
  }

 private:
  size_t Search(int64_t row) const {
    size_t found = 0;
    for (size_t step = half_; step > 0; step /= 2) found += starts_[found + step] <= row ? step : 0;
    return found;
  }

  /// First row of each chunk, and the number of rows.
  std::vector<int64_t> starts_;
  int64_t rows_ = 0;
  size_t half_ = 0;
};

}  // namespace weft::kernels
