// Key columns as unsigned words that compare like the keys themselves.
//
// Source of the idea: normalised keys, Graefe, "Implementing sorting in database systems", ACM Computing Surveys 2006,
// section 3.2; here with bits rather than bytes, since the range of each column is measured first.
#pragma once

#include <arrow/array/array_base.h>
#include <arrow/chunked_array.h>
#include <arrow/result.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/chunk_finder.h"
#include "weft/kernels/key_texts.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// A key column, possibly put together from several tables (their rows one after the other), as one to five "pieces" a
/// row: unsigned 64-bit numbers whose lexicographic order is the order of the values, equal where the values are
/// equal. -0.0 is 0.0, all NaN are one value above all numbers, a dictionary is what it stands for, strings are their
/// bytes. Reading is thread-safe.
class KeyColumn {
 public:
  /// The parts must have one logical key type (see table::SameKeyType). `views`: whether the values of a column that
  /// has no pieces will be asked for; else that is all it says. `alone`: rows are compared with others of this column
  /// alone; dictionaries of few values are then numbers (kernels/key_ranks.h), also where they stand for binaries.
  static arrow::Result<KeyColumn> Make(const std::vector<std::shared_ptr<arrow::ChunkedArray>>& parts, bool nan_is_null,
                                       const Context& context, bool views = true, bool alone = true);

  int64_t rows() const { return finder_.rows(); }
  /// Whether any row may be null (or NaN where that is null).
  bool may_have_nulls() const { return may_have_nulls_; }
  /// Strings and binaries (fixed-size too): View works, and Piece where `fits_pieces`.
  bool is_binary() const { return is_binary_; }
  /// False for binaries longer than kMaxPieceBytes, which have no pieces but only views.
  bool fits_pieces() const { return !is_binary_ || max_length_ <= kMaxPieceBytes; }
  int pieces() const { return pieces_; }
  /// Of binaries: the number of bytes that each of them has; -1 where they differ or may be null.
  int64_t fixed_length() const { return fixed_length_; }

  /// Sets out[i] to 1 where row begin + i is null, else 0.
  void Nulls(int64_t begin, int64_t length, uint8_t* out) const;
  bool IsNull(int64_t row) const;
  /// Writes one piece of the rows [begin, begin + length). What it is for null rows is not said.
  void Piece(int piece, int64_t begin, int64_t length, uint64_t* out) const;
  /// A binary value; its data() is nullptr for null and only then. Refers to the column's memory.
  std::string_view View(int64_t row) const;

  /// Calls `visit` for the texts of the rows [begin, begin + length), one run after the other; null ones have any
  /// bytes.
  void VisitTexts(int64_t begin, int64_t length, const std::function<void(const TextRun&)>& visit) const;

  static constexpr int64_t kMaxPieceBytes = 32;

 private:
  arrow::Status MeasureBinary(bool views, const Context& context);
  arrow::Status MakeViews(const Context& context);

  std::vector<std::shared_ptr<arrow::Array>> chunks_;
  ChunkFinder finder_;
  /// Of long binaries and of dictionaries of binaries; else empty, and binaries are read where they lie.
  PoolArray<std::string_view> views_;
  bool is_binary_ = false;
  bool is_dictionary_ = false;
  bool is_null_type_ = false;
  bool nan_is_null_ = false;
  bool may_have_nulls_ = false;
  int pieces_ = 1;
  int64_t max_length_ = 0;
  int64_t fixed_length_ = -1;
};

/// How one key column takes part in an order.
struct KeyDirection {
  bool ascending = true;
  bool nulls_first = false;
};

/// Of a text seven bytes from `depth` on, and below them how many there are: 1 for none to 8 for seven, 9 where more
/// follow. Null (data() is nullptr) is below or above all.
inline uint64_t TextCode(std::string_view text, int64_t depth, const KeyDirection& direction) {
  if (text.data() == nullptr) return direction.nulls_first ? 0 : ~uint64_t{0};
  const auto left = static_cast<int64_t>(text.size()) - depth;
  uint64_t code = 0;
  if (left > 0) std::memcpy(&code, text.data() + depth, static_cast<size_t>(std::min<int64_t>(left, 7)));
  code = __builtin_bswap64(code) | static_cast<uint64_t>(std::min<int64_t>(std::max<int64_t>(left, 0), 8) + 1);
  return direction.ascending ? code : ~code;
}

/// Several key columns as a sequence of levels, compared one after the other. A level is either a word of at most 64
/// bits, or one long binary column that is compared by its views. Refers to the columns, which must outlive it.
///
/// Rows are equal in all levels if and only if they are equal keys, so the words also serve for grouping.
class KeyLayout {
 public:
  /// Measures the columns (in parallel) and lays them out.
  static arrow::Result<KeyLayout> Make(std::span<const KeyColumn> columns, std::span<const KeyDirection> directions,
                                       const Context& context);

  int levels() const { return static_cast<int>(levels_.size()); }
  /// The column that a binary level compares, or nullptr for a word.
  const KeyColumn* binary(int level) const { return levels_[static_cast<size_t>(level)].binary; }
  const KeyDirection& direction(int level) const { return levels_[static_cast<size_t>(level)].direction; }
  /// Bits that a word has; 1 to 64.
  int bits(int level) const { return levels_[static_cast<size_t>(level)].bits; }
  bool has_binary() const;

  /// Writes the words of a level, for at most kBlock rows; only the lower `bits` are ever set.
  void Words(int level, int64_t begin, int64_t length, uint64_t* out) const;

  static constexpr int64_t kBlock = 2048;

 private:
  /// Bits of a word: shifted right, masked, shifted left.
  struct BitRun {
    int drop;
    uint64_t mask;
    int shift;
  };
  struct Field {
    const KeyColumn* column = nullptr;
    /// -1 is the flag of null.
    int piece = -1;
    uint64_t min = 0;
    uint64_t max = 0;
    int width = 0;
    KeyDirection direction;
    /// Whether null has a code of its own in this field; later fields of a column have 0 for null.
    bool null_code = false;
    /// Of the bytes of binaries: the runs of bits that are not the same in all rows, which are pushed together before
    /// min and max are looked at. Otherwise empty: the whole piece.
    std::vector<BitRun> runs;
  };
  /// A run of a field's bits within a word: the field's code shifted right, then left.
  struct Slot {
    int field;
    int drop;
    int shift;
    int width;
  };
  struct Level {
    const KeyColumn* binary = nullptr;
    KeyDirection direction;
    int bits = 0;
    std::vector<Slot> slots;
  };

  struct Spread;
  static std::vector<BitRun> RunsOf(uint64_t bits);
  static Field FieldOf(const KeyColumn& column, int piece, const Spread& spread, const KeyDirection& direction);
  static void PushTogether(const std::vector<BitRun>& runs, int64_t length, uint64_t* words);
  void AddField(const Field& field, bool* open);
  void FieldCodes(const Field& field, int64_t begin, int64_t length, uint64_t* out) const;

  std::vector<Field> fields_;
  std::vector<Level> levels_;
};

/// Compares row `a` of one column with row `b` of another of the same logical type: negative, 0 or positive in the
/// order that `direction` says.
int CompareKeys(const KeyColumn& left, int64_t a, const KeyColumn& right, int64_t b, const KeyDirection& direction);

}  // namespace weft::kernels
