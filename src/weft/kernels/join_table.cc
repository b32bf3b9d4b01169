#include "weft/kernels/join_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

namespace weft::kernels {

inline uint32_t JoinTable::Bucket(uint64_t word) const {
  return static_cast<uint32_t>((MixWord(word) << shift_left_) >> shift_right_);
}

arrow::Status JoinTable::Build(const uint64_t* words, uint32_t n, const WordCut& cut) {
  unique_ = false;
  has_large_ = false;
  range_ = 0;
  cut_ = cut;
  return cut.places > 0 ? BuildByPlace(words, n) : BuildBuckets(words, n, cut.bits);
}

arrow::Status JoinTable::BuildByPlace(const uint64_t* words, uint32_t n) {
  const WordCut cut = cut_;
  ARROW_ASSIGN_OR_RAISE(uint32_t* const begins, begins_.Reserve(int64_t{cut.places} + 2));
  ARROW_ASSIGN_OR_RAISE(uint32_t* const table_rows, rows_.Reserve(int64_t{n} + kWritten));
  const auto place_of = [cut](uint64_t word) { return cut.Place(word); };
  unique_ = GroupByPlace(words, n, cut.places, place_of, begins, table_rows) <= 1;
  // Words that are too great find one more bucket, which is empty.
  begins[cut.places + 1] = n;
  std::fill_n(table_rows + n, kWritten, 0);
  return arrow::Status::OK();
}

arrow::Status JoinTable::BuildBuckets(const uint64_t* words, uint32_t n, int bits) {
  // Two to four buckets a row, so that most look-ups end within the words compared without a branch.
  const int bucket_bits = std::bit_width(n) + 1;
  shift_left_ = bits;
  shift_right_ = 64 - bucket_bits;
  const size_t buckets = size_t{1} << bucket_bits;
  ARROW_ASSIGN_OR_RAISE(uint32_t* const begins, begins_.Reserve(static_cast<int64_t>(buckets) + 1));
  ARROW_ASSIGN_OR_RAISE(uint64_t* const table_words, words_.Reserve(int64_t{n} + kUnrolled));
  ARROW_ASSIGN_OR_RAISE(uint32_t* const table_rows, rows_.Reserve(int64_t{n} + kUnrolled));
  std::fill(begins, begins + buckets, 0);
  for (uint32_t i = 0; i < n; ++i) ++begins[Bucket(words[i])];
  uint32_t end = 0;
  uint32_t largest = 0;
  for (size_t b = 0; b < buckets; ++b) {
    largest = std::max(largest, begins[b]);
    end += begins[b];
    begins[b] = end;
  }
  begins[buckets] = n;
  // From the last row to the first, so that what was a bucket's end becomes its begin and rows ascend in it.
  for (uint32_t i = n; i-- > 0;) {
    const uint32_t at = --begins[Bucket(words[i])];
    table_words[at] = words[i];
    table_rows[at] = i;
  }
  for (uint32_t k = 0; k < kUnrolled; ++k) {
    table_words[n + k] = 0;
    table_rows[n + k] = 0;
  }
  has_large_ = largest > kLargeBucket;
  return has_large_ ? SortLargeBuckets(buckets) : arrow::Status::OK();
}

arrow::Status JoinTable::BuildWhole(const uint64_t* words, uint32_t n, int64_t probes) {
  const auto* const values = reinterpret_cast<const int64_t*>(words);
  const auto [least, most] = std::minmax_element(values, values + n);
  const uint64_t extent = static_cast<uint64_t>(*most) - static_cast<uint64_t>(*least);
  // Clearing a place costs less than a probe, and few megabytes stay in a cache.
  const uint64_t by_probes = std::min(static_cast<uint64_t>(probes) / 8, uint64_t{1} << 20);
  if (extent < std::max(uint64_t{n} * 8 + 4096, by_probes)) {
    range_ = 0;
    ARROW_RETURN_NOT_OK(BuildPlaces(words, n, static_cast<uint64_t>(*least), extent));
    if (placed()) return arrow::Status::OK();
    return Build(words, n, WordCut::ByPlace(0, static_cast<uint64_t>(*least), extent));
  }
  ARROW_RETURN_NOT_OK(Build(words, n, {}));
  unique_ = !has_large_;
  const size_t buckets = size_t{1} << (64 - shift_right_);
  for (size_t b = 0; unique_ && b < buckets; ++b) {
    for (uint32_t i = begins_.data()[b]; i < begins_.data()[b + 1]; ++i) {
      for (uint32_t k = begins_.data()[b]; k < i; ++k) unique_ &= words_.data()[k] != words_.data()[i];
    }
  }
  return arrow::Status::OK();
}

arrow::Status JoinTable::BuildPlaces(const uint64_t* words, uint32_t n, uint64_t least, uint64_t extent) {
  ARROW_ASSIGN_OR_RAISE(uint32_t* const places, places_.Reserve(static_cast<int64_t>(extent) + 2));
  std::fill(places, places + extent + 2, kNone);
  for (uint32_t i = 0; i < n; ++i) {
    uint32_t& place = places[words[i] - least];
    if (place != kNone) return arrow::Status::OK();
    place = i;
  }
  cut_ = {};
  least_ = least;
  range_ = extent + 1;
  unique_ = true;
  return arrow::Status::OK();
}

uint32_t JoinTable::ProbePlaces(const uint64_t* words, uint32_t n, uint32_t* row, uint32_t* built, uint32_t* probing,
                                uint32_t capacity) const {
  const uint32_t* const places = places_.data();
  const uint64_t least = least_;
  const uint64_t range = range_;
  uint32_t out = 0;
  uint32_t i = *row;
  for (; i < n && out < capacity; ++i) {
    const uint32_t found = places[std::min(words[i] - least, range)];
    built[out] = found;
    probing[out] = i;
    out += static_cast<uint32_t>(found != kNone);
  }
  *row = i;
  return out;
}

uint32_t JoinTable::FindByPlace(const uint64_t* words, uint32_t n, uint32_t* found) const {
  const WordCut cut = cut_;
  const uint32_t* const begins = begins_.data();
  const uint32_t* const table_rows = rows_.data();
  uint32_t count = 0;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t place = cut.Place(words[i]);
    const uint32_t at = begins[place];
    const bool there = at < begins[place + 1];
    const uint32_t row = table_rows[at];
    found[i] = there ? row : kNone;
    count += static_cast<uint32_t>(there);
  }
  return count;
}

uint32_t JoinTable::ProbeByPlace(const uint64_t* words, uint32_t n, ProbeCursor* cursor, uint32_t* built,
                                 uint32_t* probing, uint32_t capacity) const {
  const WordCut cut = cut_;
  const uint32_t* const begins = begins_.data();
  const uint32_t* const table_rows = rows_.data();
  uint32_t out = 0;
  uint32_t row = cursor->row;
  uint32_t within = cursor->within;
  for (; row < n && out + kWritten <= capacity; ++row, within = 0) {
    const uint32_t place = cut.Place(words[row]);
    const uint32_t at = begins[place] + within;
    const uint32_t size = begins[place + 1] - at;
    uint32_t rows[kWritten];
    std::memcpy(rows, table_rows + at, sizeof(rows));
    std::memcpy(built + out, rows, sizeof(rows));
    std::fill_n(probing + out, kWritten, row);
    if (size <= kWritten) [[likely]] {
      out += size;
      continue;
    }
    const uint32_t written = std::min(size, capacity - out);
    std::copy_n(table_rows + at, written, built + out);
    std::fill_n(probing + out, written, row);
    out += written;
    if (written < size) {
      within += written;
      break;
    }
  }
  cursor->row = row;
  cursor->within = within;
  return out;
}

uint32_t JoinTable::Find(const uint64_t* words, uint32_t n, uint32_t* found) const {
  if (cut_.places > 0) return FindByPlace(words, n, found);
  uint32_t count = 0;
  if (range_ != 0) {
    const uint32_t* const places = places_.data();
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t row = places[std::min(words[i] - least_, range_)];
      found[i] = row;
      count += static_cast<uint32_t>(row != kNone);
    }
    return count;
  }
  const uint32_t* const begins = begins_.data();
  const uint64_t* const table_words = words_.data();
  const uint32_t* const table_rows = rows_.data();
  for (uint32_t i = 0; i < n; ++i) {
    const uint64_t word = words[i];
    const uint32_t bucket = Bucket(word);
    const uint32_t at = begins[bucket];
    const uint32_t end = begins[bucket + 1];
    uint32_t row = kNone;
    for (uint32_t k = 0; k < kUnrolled; ++k) {
      row = (at + k < end) & (table_words[at + k] == word) ? table_rows[at + k] : row;
    }
    for (uint32_t k = at + kUnrolled; k < end; ++k) row = table_words[k] == word ? table_rows[k] : row;
    found[i] = row;
    count += static_cast<uint32_t>(row != kNone);
  }
  return count;
}

arrow::Status JoinTable::SortLargeBuckets(size_t buckets) {
  using Entry = std::pair<uint64_t, uint32_t>;
  Scratch<Entry> sorted(pool_);
  for (size_t b = 0; b < buckets; ++b) {
    const uint32_t begin = begins_.data()[b];
    const uint32_t size = begins_.data()[b + 1] - begin;
    if (size <= kLargeBucket) continue;
    uint64_t* const words = words_.data() + begin;
    uint32_t* const rows = rows_.data() + begin;
    // Most often it is one key that has them all.
    if (std::is_sorted(words, words + size)) continue;
    ARROW_ASSIGN_OR_RAISE(Entry* const entries, sorted.Reserve(size));
    for (uint32_t i = 0; i < size; ++i) entries[i] = {words[i], rows[i]};
    std::sort(entries, entries + size);
    for (uint32_t i = 0; i < size; ++i) {
      words[i] = entries[i].first;
      rows[i] = entries[i].second;
    }
  }
  return arrow::Status::OK();
}

uint32_t JoinTable::Probe(const uint64_t* words, uint32_t n, ProbeCursor* cursor, uint32_t* built, uint32_t* probing,
                          uint32_t capacity) const {
  if (placed()) return ProbePlaces(words, n, &cursor->row, built, probing, capacity);
  if (cut_.places > 0) return ProbeByPlace(words, n, cursor, built, probing, capacity);
  const uint32_t* const begins = begins_.data();
  const uint64_t* const table_words = words_.data();
  const uint32_t* const table_rows = rows_.data();
  uint32_t out = 0;
  uint32_t row = cursor->row;
  uint32_t within = cursor->within;
  while (row < n && out + kUnrolled <= capacity) {
    const uint64_t word = words[row];
    const uint32_t bucket = Bucket(word);
    uint32_t at = begins[bucket];
    const uint32_t end = begins[bucket + 1];
    if (within == 0) {
      // Behind the last bucket lie kUnrolled words that are never counted.
      for (uint32_t k = 0; k < kUnrolled; ++k) {
        built[out] = table_rows[at + k];
        probing[out] = row;
        out += static_cast<uint32_t>((at + k < end) & (table_words[at + k] == word));
      }
      if (at + kUnrolled >= end) [[likely]] {
        ++row;
        continue;
      }
      if (has_large_ && end - at > kLargeBucket) {
        // Sorted: the first words may have matched, the others stand next to them or further on.
        const auto* found = std::lower_bound(table_words + at + kUnrolled, table_words + end, word);
        at = static_cast<uint32_t>(found - table_words);
      } else {
        at += kUnrolled;
      }
    } else {
      at += within;
    }
    const bool sorted = has_large_ && end - begins[bucket] > kLargeBucket;
    while (at < end && out < capacity) {
      const bool same = table_words[at] == word;
      if (sorted && !same) {
        at = end;
        break;
      }
      built[out] = table_rows[at];
      probing[out] = row;
      out += same;
      ++at;
    }
    if (at < end) {
      within = at - begins[bucket];
      break;
    }
    within = 0;
    ++row;
  }
  cursor->row = row;
  cursor->within = within;
  return out;
}

uint32_t JoinTable::ProbeFirst(const uint64_t* words, uint32_t n, uint32_t* row, uint32_t* built, uint32_t* probing,
                               uint32_t capacity) const {
  if (placed()) return ProbePlaces(words, n, row, built, probing, capacity);
  const uint32_t* const begins = begins_.data();
  const uint32_t* const table_rows = rows_.data();
  uint32_t out = 0;
  uint32_t i = *row;
  if (cut_.places > 0) {
    for (const WordCut cut = cut_; i < n && out < capacity; ++i) {
      const uint32_t place = cut.Place(words[i]);
      built[out] = table_rows[begins[place]];
      probing[out] = i;
      out += static_cast<uint32_t>(begins[place] < begins[place + 1]);
    }
    *row = i;
    return out;
  }
  const uint64_t* const table_words = words_.data();
  for (; i < n && out < capacity; ++i) {
    const uint64_t word = words[i];
    const uint32_t bucket = Bucket(word);
    const uint32_t begin = begins[bucket];
    const uint32_t end = begins[bucket + 1];
    uint32_t at = begin;
    if (end - begin > kLargeBucket) {
      at = static_cast<uint32_t>(std::lower_bound(table_words + begin, table_words + end, word) - table_words);
    } else {
      while (at < end && table_words[at] != word) ++at;
    }
    if (at == end || table_words[at] != word) continue;
    built[out] = table_rows[at];
    probing[out] = i;
    ++out;
  }
  *row = i;
  return out;
}

}  // namespace weft::kernels
