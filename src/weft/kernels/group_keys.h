// The keys that rows are grouped by.
#pragma once

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/row_partitions.h"

namespace weft::kernels {

struct GroupingOptions {
  /// NaN is null.
  bool nan_is_null = false;
  /// Rows with a null in any key belong to no group.
  bool drop_nulls = false;
  /// Groups will be put in the order of their keys: where that is cheap they are numbered so (Grouping::by_key).
  bool by_key = false;
  /// For tests: hashes are cut to these bits, so that different keys collide.
  uint64_t hash_mask = ~uint64_t{0};
};

/// The keys of all rows as one 64-bit code each: the key itself where it fits (`exact`), else a hash, and then what is
/// needed to compare two rows. Reading is thread-safe.
class GroupKeys {
 public:
  static arrow::Result<GroupKeys> Make(const arrow::Table& table, std::span<const int> columns,
                                       const GroupingOptions& options, const Context& context);

  int64_t rows() const { return rows_; }
  bool exact() const { return exact_; }
  bool drops() const { return drop_nulls_; }
  /// Bits of an exact code.
  int bits() const { return layout_.levels() == 0 ? 0 : layout_.bits(0); }

  /// The codes of at most KeyLayout::kBlock rows.
  void Codes(int64_t begin, int64_t length, uint64_t* out) const;
  uint64_t HashOfCode(uint64_t code) const { return exact_ ? Mix(code) & mask_ : code; }

  /// Sets out[i] to 1 for rows that belong to no group; only where drops().
  void Dropped(int64_t begin, int64_t length, uint8_t* out) const;

  /// Brings what Equal reads into the order of the entries of `partitions`, so that the keys of a partition lie
  /// together; from here on Equal is asked for entries. Does nothing, and returns false, where texts are long on
  /// average or there is no memory for it.
  arrow::Result<bool> Move(const RowPartitions& partitions, const Context& context);

  /// Whether two rows (or entries) with one code have one key. Only where codes are not exact.
  bool Equal(int64_t a, int64_t b) const;

 private:
  /// What two rows are compared by in one level: words, or texts. Moved texts lie side by side, and a text ends where
  /// the next begins.
  struct Level {
    const uint64_t* words = nullptr;
    const KeyColumn* texts = nullptr;
    const uint64_t* begins = nullptr;
    const char* bytes = nullptr;
    std::vector<std::shared_ptr<arrow::Buffer>> memory;
    std::string_view Text(int64_t row) const {
      if (begins == nullptr) return texts->View(row);
      const uint64_t begin = begins[row];
      if ((begin & RowPartitions::kNullText) != 0) return {};
      return {bytes + begin, (begins[row + 1] & ~RowPartitions::kNullText) - begin};
    }
  };
  /// The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  void EncodeBlock(int64_t begin, int64_t length);

  std::vector<KeyColumn> columns_;
  KeyLayout layout_;
  int64_t rows_ = 0;
  uint64_t mask_ = ~uint64_t{0};
  bool exact_ = true;
  bool drop_nulls_ = false;
  std::vector<Level> levels_;
  PoolArray<uint64_t> hashes_;
};

}  // namespace weft::kernels
