// Moving the rows of a column to their partitions at the speed of memory: values gather in one cache line a partition,
// and whole lines go out at once, past the caches where the machine can do so. Source: Balkesen et al., "Main-memory
// hash joins on multi-core CPUs", ICDE 2013 (software write-combining buffers, after Intel and Wassenberg/Sanders).
#pragma once

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace weft::kernels {

/// The most partitions that one pass makes.
constexpr int kMaxPartitionBits = 11;

/// Mixes a word whose bits may be badly spread; partitions are the top bits of the result.
inline uint64_t MixWord(uint64_t word) {
  word ^= word >> 33;
  return word * 0x9e3779b97f4a7c15ULL;
}

/// How words are cut into 2^bits partitions: by the top bits of the mixed word; or, of words that lie close together,
/// by their lowest bits, so that what is left of a word is its place in the partition, which no other word there has.
struct WordCut {
  int bits = 0;
  /// Places of a partition; 0: words are mixed.
  uint32_t places = 0;
  /// The least word that has a place.
  uint64_t least = 0;
  /// Bits of a place where partitions are ranges of words, in their order; else -1.
  int range_bits = -1;

  /// Words least ... least + extent have places.
  static WordCut ByPlace(int bits, uint64_t least, uint64_t extent) {
    return {bits, static_cast<uint32_t>(extent >> bits) + 1, least};
  }
  /// The same, where both partitions and the places in each ascend with the words, which all lie in the range.
  static WordCut ByRange(int bits, uint64_t least, uint64_t extent) {
    const int range_bits = std::max(static_cast<int>(std::bit_width(extent)) - bits, 0);
    return {bits, uint32_t{1} << range_bits, least, range_bits};
  }
  uint32_t RangedPartition(uint64_t word) const { return static_cast<uint32_t>((word - least) >> range_bits); }
  uint32_t RangedPlace(uint64_t word) const { return static_cast<uint32_t>((word - least) & (places - 1)); }
  /// The partition of a word where there are places. Bits above the lowest take part, so that multiples of a power of
  /// two do not leave partitions empty.
  uint32_t PlacedPartition(uint64_t word) const {
    const uint64_t from_least = word - least;
    return static_cast<uint32_t>((from_least ^ (from_least >> bits)) & ((uint64_t{1} << bits) - 1));
  }
  /// Where it stands there; `places` for words that are too great.
  uint32_t Place(uint64_t word) const {
    return static_cast<uint32_t>(std::min<uint64_t>((word - least) >> bits, places));
  }
  uint32_t MixedPartition(uint64_t word) const { return static_cast<uint32_t>((MixWord(word) >> 1) >> (63 - bits)); }
};

/// The bits of partitions of about `partition_rows` rows, at most kMaxPartitionBits. There must be rows.
inline int PartitionBits(int64_t rows, int64_t partition_rows) {
  const auto partitions = static_cast<uint64_t>((rows + partition_rows - 1) / partition_rows);
  return std::min(static_cast<int>(std::bit_width(partitions - 1)), kMaxPartitionBits);
}

/// Groups the numbers 0 ... n - 1 by place_of(word), which is below `places`, ascending within one: those of place p
/// are rows[begins[p]] up to begins[p + 1]; `begins` has places + 1. Returns the most that a place has.
template <typename PlaceOf>
uint32_t GroupByPlace(const uint64_t* words, uint32_t n, uint32_t places, const PlaceOf& place_of, uint32_t* begins,
                      uint32_t* rows) {
  std::fill(begins, begins + places, 0);
  for (uint32_t i = 0; i < n; ++i) ++begins[place_of(words[i])];
  uint32_t end = 0;
  uint32_t most = 0;
  for (uint32_t p = 0; p < places; ++p) {
    most = std::max(most, begins[p]);
    end += begins[p];
    begins[p] = end;
  }
  begins[places] = n;
  // From the last to the first, so that what was a place's end becomes its begin.
  for (uint32_t i = n; i-- > 0;) rows[--begins[place_of(words[i])]] = i;
  return most;
}

/// Texts of more bytes than this on average are not moved with their rows: to copy one costs more than to reach for it.
constexpr int64_t kMostMovedTextBytes = 64;

/// Adds the partition of each word to `counts` (2^bits entries).
void CountPartitions(const uint64_t* words, int64_t n, const WordCut& cut, int64_t* counts);

/// Writes the partition of each word.
void FindPartitions(const uint64_t* words, int64_t n, const WordCut& cut, uint16_t* out);

/// Scatters columns of one fixed width together: a row's partition is looked up once for all, and their lines are full
/// at the same time. Not thread-safe; several writers may fill neighbouring ranges at a time.
class PartitionWriter {
 public:
  static constexpr int64_t kLine = 64;
  /// The most columns of one writer.
  static constexpr size_t kMostColumns = 4;

  /// `next[c][p]` is where this writer's first value of column c and partition p goes; for all columns of a partition
  /// the same number of bytes into a line. Memory comes from `pool`.
  static arrow::Result<PartitionWriter> Make(int width, std::vector<std::vector<uint8_t*>> next,
                                             arrow::MemoryPool* pool);

  /// Appends `n` rows, the i-th to partition partitions[i]; values[c] are those of column c.
  void Append(const uint16_t* partitions, const uint8_t* const* values, int64_t n);

  /// Writes out what is left in the lines. Must be called once, after the last Append.
  void Finish();

 private:
  template <int width>
  void AppendWidth(const uint16_t* partitions, const uint8_t* const* values, int64_t n);
  template <int width, size_t columns>
  void AppendLines(const uint16_t* partitions, const uint8_t* const* values, int64_t n);
  void Flush(uint32_t partition, uint8_t* line_begin);
  uint8_t* Line(size_t partition, size_t column) const {
    return lines_ + (partition * columns_ + column) * static_cast<size_t>(kLine);
  }

  int width_ = 0;
  size_t columns_ = 1;
  bool combine_ = false;
  /// Of the first column.
  std::vector<uint8_t*> first_;
  std::vector<uint8_t*> next_;
  /// By partition, then by column: how far it lies behind the first.
  std::vector<ptrdiff_t> distances_;
  std::unique_ptr<arrow::Buffer> lines_buffer_;
  uint8_t* lines_ = nullptr;
};

/// Scatters the bytes of texts, those of a partition one after the other. As thread-safe as PartitionWriter.
class PartitionTextWriter {
 public:
  /// `next[p]` is where this writer's first byte of partition p goes.
  static arrow::Result<PartitionTextWriter> Make(std::vector<uint8_t*> next, arrow::MemoryPool* pool);

  /// Appends `n` texts that lie one after the other from `bytes` on, where `readable` bytes can be read; the i-th has
  /// lengths[i] bytes and goes to partition partitions[i]. Writes where its first byte went to `places`.
  void Append(const uint16_t* partitions, const uint8_t* bytes, int64_t readable, const uint64_t* lengths, int64_t n,
              const uint8_t** places);

  /// Writes out what is left in the lines. Must be called once, after the last Append.
  void Finish();

 private:
  /// Lines that are written together, so that fewer texts end a batch, and room for what runs over it.
  static constexpr int64_t kBatch = 4 * PartitionWriter::kLine;
  static constexpr int64_t kRoom = kBatch + PartitionWriter::kLine;

  static uintptr_t PlaceInBatch(const uint8_t* address) {
    return reinterpret_cast<uintptr_t>(address) & static_cast<uintptr_t>(kBatch - 1);
  }
  static void Flush(const uint8_t* lines, uint8_t* begin, uint8_t* first);
  void AppendLong(uint32_t partition, const uint8_t* bytes, int64_t length);

  std::vector<uint8_t*> first_;
  std::vector<uint8_t*> next_;
  std::unique_ptr<arrow::Buffer> lines_buffer_;
  uint8_t* lines_ = nullptr;
};

}  // namespace weft::kernels
