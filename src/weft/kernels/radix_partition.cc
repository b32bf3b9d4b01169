#include "weft/kernels/radix_partition.h"

#include <cstring>
#include <utility>

#include "weft/base/cpu_level.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace weft::kernels {
namespace {

/// One line of 64 bytes, past the caches: it is not read again before the next phase.
inline void StoreLine(uint8_t* to, const uint8_t* from) {
#if defined(__x86_64__)
  for (int i = 0; i < 4; ++i) {
    _mm_stream_si128(reinterpret_cast<__m128i*>(to) + i, _mm_load_si128(reinterpret_cast<const __m128i*>(from) + i));
  }
#else
  std::memcpy(to, from, PartitionWriter::kLine);
#endif
}

inline void StoreFence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

inline uintptr_t PlaceInLine(const uint8_t* address) {
  return reinterpret_cast<uintptr_t>(address) & static_cast<uintptr_t>(PartitionWriter::kLine - 1);
}

}  // namespace

void CountPartitions(const uint64_t* words, int64_t n, const WordCut& cut, int64_t* counts) {
  if (cut.places == 0) {
    for (int64_t i = 0; i < n; ++i) ++counts[cut.MixedPartition(words[i])];
  } else if (cut.range_bits < 0) {
    for (int64_t i = 0; i < n; ++i) ++counts[cut.PlacedPartition(words[i])];
  } else {
    for (int64_t i = 0; i < n; ++i) ++counts[cut.RangedPartition(words[i])];
  }
}

void FindPartitions(const uint64_t* words, int64_t n, const WordCut& cut, uint16_t* out) {
  ForCpu([=]() WEFT_FOR_CPU {
    if (cut.places == 0) {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<uint16_t>(cut.MixedPartition(words[i]));
    } else if (cut.range_bits < 0) {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<uint16_t>(cut.PlacedPartition(words[i]));
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<uint16_t>(cut.RangedPartition(words[i]));
    }
  });
}

arrow::Result<PartitionWriter> PartitionWriter::Make(int width, std::vector<std::vector<uint8_t*>> next,
                                                     arrow::MemoryPool* pool) {
  PartitionWriter writer;
  writer.width_ = width;
  writer.columns_ = next.size();
  // Lines hold whole values only where the width divides them.
  writer.combine_ = width > 0 && kLine % width == 0;
  const size_t partitions = next[0].size();
  writer.distances_.resize(partitions * next.size());
  for (size_t p = 0; p < partitions; ++p) {
    for (size_t c = 0; c < next.size(); ++c) writer.distances_[p * next.size() + c] = next[c][p] - next[0][p];
  }
  writer.next_ = std::move(next[0]);
  if (writer.combine_) {
    writer.first_ = writer.next_;
    const size_t lines = partitions * writer.columns_;
    ARROW_ASSIGN_OR_RAISE(writer.lines_buffer_, arrow::AllocateBuffer(static_cast<int64_t>(lines) * kLine, pool));
    writer.lines_ = writer.lines_buffer_->mutable_data();
  }
  return writer;
}

void PartitionWriter::Flush(uint32_t partition, uint8_t* line_begin) {
  const ptrdiff_t* const distances = distances_.data() + partition * columns_;
  const ptrdiff_t skip = first_[partition] - line_begin;
  for (size_t c = 0; c < columns_; ++c) {
    if (skip <= 0) {
      StoreLine(line_begin + distances[c], Line(partition, c));
    } else {
      // The line's head belongs to the rows of another writer.
      std::memcpy(line_begin + skip + distances[c], Line(partition, c) + skip, static_cast<size_t>(kLine - skip));
    }
  }
}

template <int width, size_t columns>
void PartitionWriter::AppendLines(const uint16_t* partitions, const uint8_t* const* values, int64_t n) {
  uint8_t* const lines = lines_;
  uint8_t** const next = next_.data();
  const uint8_t* from[columns];
  std::copy(values, values + columns, from);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t p = partitions[i];
    uint8_t* const to = next[p];
    const uintptr_t place = PlaceInLine(to);
    uint8_t* const line = lines + p * columns * static_cast<size_t>(kLine) + place;
    for (size_t c = 0; c < columns; ++c) std::memcpy(line + c * static_cast<size_t>(kLine), from[c] + i * width, width);
    next[p] = to + width;
    if (place == static_cast<uintptr_t>(kLine) - width) Flush(p, to + width - kLine);
  }
}

template <int width>
void PartitionWriter::AppendWidth(const uint16_t* partitions, const uint8_t* const* values, int64_t n) {
  static_assert(kMostColumns == 4);
  switch (columns_) {
    case 1:
      return AppendLines<width, 1>(partitions, values, n);
    case 2:
      return AppendLines<width, 2>(partitions, values, n);
    case 3:
      return AppendLines<width, 3>(partitions, values, n);
    default:
      return AppendLines<width, 4>(partitions, values, n);
  }
}

void PartitionWriter::Append(const uint16_t* partitions, const uint8_t* const* values, int64_t n) {
  switch (width_) {
    case 1:
      return AppendWidth<1>(partitions, values, n);
    case 2:
      return AppendWidth<2>(partitions, values, n);
    case 4:
      return AppendWidth<4>(partitions, values, n);
    case 8:
      return AppendWidth<8>(partitions, values, n);
    case 16:
      return AppendWidth<16>(partitions, values, n);
    case 32:
      return AppendWidth<32>(partitions, values, n);
    case 64:
      return AppendWidth<64>(partitions, values, n);
    default:
      for (int64_t i = 0; i < n; ++i) {
        const size_t p = partitions[i];
        for (size_t c = 0; c < columns_; ++c) {
          std::memcpy(next_[p] + distances_[p * columns_ + c], values[c] + i * width_, static_cast<size_t>(width_));
        }
        next_[p] += width_;
      }
  }
}

void PartitionWriter::Finish() {
  if (!combine_) return;
  for (size_t p = 0; p < next_.size(); ++p) {
    uint8_t* const begin = next_[p] - PlaceInLine(next_[p]);
    uint8_t* const from = begin < first_[p] ? first_[p] : begin;
    if (from == next_[p]) continue;
    for (size_t c = 0; c < columns_; ++c) {
      std::memcpy(from + distances_[p * columns_ + c], Line(p, c) + (from - begin),
                  static_cast<size_t>(next_[p] - from));
    }
  }
  StoreFence();
}

arrow::Result<PartitionTextWriter> PartitionTextWriter::Make(std::vector<uint8_t*> next, arrow::MemoryPool* pool) {
  PartitionTextWriter writer;
  writer.first_ = next;
  writer.next_ = std::move(next);
  ARROW_ASSIGN_OR_RAISE(writer.lines_buffer_,
                        arrow::AllocateBuffer(static_cast<int64_t>(writer.next_.size()) * kRoom, pool));
  writer.lines_ = writer.lines_buffer_->mutable_data();
  return writer;
}

void PartitionTextWriter::Flush(const uint8_t* lines, uint8_t* begin, uint8_t* first) {
  if (begin < first) {
    // The head belongs to another writer.
    std::memcpy(first, lines + (first - begin), static_cast<size_t>(kBatch - (first - begin)));
    return;
  }
  for (int64_t at = 0; at < kBatch; at += PartitionWriter::kLine) StoreLine(begin + at, lines + at);
}

void PartitionTextWriter::AppendLong(uint32_t partition, const uint8_t* bytes, int64_t length) {
  uint8_t* const lines = lines_ + partition * static_cast<size_t>(kRoom);
  while (length > 0) {
    uint8_t* const to = next_[partition];
    const uintptr_t place = PlaceInBatch(to);
    const int64_t n = std::min(length, kBatch - static_cast<int64_t>(place));
    std::memcpy(lines + place, bytes, static_cast<size_t>(n));
    next_[partition] = to + n;
    if (static_cast<int64_t>(place) + n == kBatch) Flush(lines, to - place, first_[partition]);
    bytes += n;
    length -= n;
  }
}

void PartitionTextWriter::Append(const uint16_t* partitions, const uint8_t* bytes, int64_t readable,
                                 const uint64_t* lengths, int64_t n, const uint8_t** places) {
  constexpr int64_t kLine = PartitionWriter::kLine;
  const uint8_t* const end = bytes + readable;
  uint8_t* const all_lines = lines_;
  uint8_t** const next = next_.data();
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t p = partitions[i];
    const auto length = static_cast<int64_t>(lengths[i]);
    uint8_t* const to = next[p];
    places[i] = to;
    if (length <= kLine && end - bytes >= kLine) [[likely]] {
      // A whole line is read and written, whatever the length: a number of bytes known in advance is copied fast.
      uint8_t* const lines = all_lines + p * static_cast<size_t>(kRoom);
      const uintptr_t place = PlaceInBatch(to);
      std::memcpy(lines + place, bytes, kLine);
      next[p] = to + length;
      if (static_cast<int64_t>(place) + length >= kBatch) {
        Flush(lines, to - place, first_[p]);
        std::memcpy(lines, lines + kBatch, kLine);
      }
    } else {
      AppendLong(p, bytes, length);
    }
    bytes += length;
  }
}

void PartitionTextWriter::Finish() {
  for (size_t p = 0; p < next_.size(); ++p) {
    uint8_t* const begin = next_[p] - PlaceInBatch(next_[p]);
    uint8_t* const from = begin < first_[p] ? first_[p] : begin;
    if (from == next_[p]) continue;
    std::memcpy(from, lines_ + p * static_cast<size_t>(kRoom) + (from - begin), static_cast<size_t>(next_[p] - from));
  }
  StoreFence();
}

}  // namespace weft::kernels
