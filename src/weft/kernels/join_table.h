// The hash table of one partition: rows grouped by bucket, so that a look-up reads two neighbouring bounds and then
// contiguous words.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>

#include "weft/kernels/radix_partition.h"
#include "weft/kernels/scratch.h"

namespace weft::kernels {

/// Where Probe goes on.
struct ProbeCursor {
  /// The probing row.
  uint32_t row = 0;
  /// Words of its bucket that have been compared already.
  uint32_t within = 0;
};

/// Not thread-safe while it is built; any number of threads may probe. Memory is kept for the next Build.
class JoinTable {
 public:
  explicit JoinTable(arrow::MemoryPool* pool) : begins_(pool), words_(pool), rows_(pool), places_(pool), pool_(pool) {}

  /// Groups rows 0 ... n - 1, which are all of one partition of `cut`, by bucket: by place where words have places,
  /// else by the bits of the mixed word below those that all rows share. With places it also finds out whether all
  /// words differ.
  arrow::Status Build(const uint64_t* words, uint32_t n, const WordCut& cut);

  /// The same for a whole side, of at least one row; also finds out whether all words differ. Where words lie close
  /// together, measured by their number and by that of the rows that will probe, they have places, and where they
  /// differ too, they index the table.
  arrow::Status BuildWhole(const uint64_t* words, uint32_t n, int64_t probes);

  /// No word is there twice, as far as that was found out.
  bool unique() const { return unique_; }
  /// After BuildWhole: words index the table.
  bool placed() const { return range_ != 0; }

  /// Where unique(): the row with each of `n` words, or kNone. Returns how many were found.
  uint32_t Find(const uint64_t* words, uint32_t n, uint32_t* found) const;
  static constexpr uint32_t kNone = UINT32_MAX;

  /// Finds rows with the word of probing rows: writes pairs to `built` and `probing` (room for `capacity` >= 8 each)
  /// from cursor->row on, until all `n` probing rows are done or there may be no room. Returns the number of pairs;
  /// probing rows ascend, and built rows ascend for one probing row.
  uint32_t Probe(const uint64_t* words, uint32_t n, ProbeCursor* cursor, uint32_t* built, uint32_t* probing,
                 uint32_t capacity) const;

  /// The same with at most one pair a probing row, from `*row` on: the first built row with its word.
  uint32_t ProbeFirst(const uint64_t* words, uint32_t n, uint32_t* row, uint32_t* built, uint32_t* probing,
                      uint32_t capacity) const;

 private:
  /// Words of a bucket that are compared without a branch, and rows of one that are written without.
  static constexpr uint32_t kUnrolled = 3;
  static constexpr uint32_t kWritten = 4;
  /// Buckets beyond this many rows are sorted by word and searched, so that look-ups that find nothing stay cheap when
  /// one key has very many rows.
  static constexpr uint32_t kLargeBucket = 64;

  uint32_t Bucket(uint64_t word) const;
  arrow::Status BuildBuckets(const uint64_t* words, uint32_t n, int bits);
  arrow::Status SortLargeBuckets(size_t buckets);

  /// A place for each word, which holds its row; not placed() where a word is there twice.
  arrow::Status BuildPlaces(const uint64_t* words, uint32_t n, uint64_t least, uint64_t extent);
  uint32_t ProbePlaces(const uint64_t* words, uint32_t n, uint32_t* row, uint32_t* built, uint32_t* probing,
                       uint32_t capacity) const;
  /// Buckets by place hold one word each: nothing is compared.
  arrow::Status BuildByPlace(const uint64_t* words, uint32_t n);
  uint32_t FindByPlace(const uint64_t* words, uint32_t n, uint32_t* found) const;
  uint32_t ProbeByPlace(const uint64_t* words, uint32_t n, ProbeCursor* cursor, uint32_t* built, uint32_t* probing,
                        uint32_t capacity) const;

  bool unique_ = false;
  WordCut cut_;
  /// Words from `least_` on have a place each, and one more stands for all others; 0 where there are none.
  uint64_t least_ = 0;
  uint64_t range_ = 0;
  int shift_left_ = 0;
  int shift_right_ = 63;
  bool has_large_ = false;
  Scratch<uint32_t> begins_;
  Scratch<uint64_t> words_;
  Scratch<uint32_t> rows_;
  Scratch<uint32_t> places_;
  arrow::MemoryPool* pool_;
};

}  // namespace weft::kernels
