// One side of a join, made ready: its chunks lined up, each row with a 64-bit word that its key is matched by, and its
// columns as slots, which are the fixed-width values that a row takes along into its partition.
#pragma once

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/join_plan.h"

namespace weft::kernels {

/// How a column's values are reached. The last three stay where they are and are reached by row, but for texts that are
/// partitioned and not long: these move with their rows.
enum class Layout : uint8_t { kNull, kFixed, kBits, kBinary32, kBinary64, kOther };

/// Rows that lie in one chunk of every column.
struct Piece {
  int64_t first_row = 0;
  int64_t rows = 0;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
};

/// Where a row is: its piece and its place there, in one number.
constexpr int kPieceShift = 40;
inline uint64_t MakeRowId(size_t piece, int64_t row) {
  return (uint64_t{piece} << kPieceShift) | static_cast<uint64_t>(row);
}
inline size_t PieceOfRowId(uint64_t id) { return static_cast<size_t>(id >> kPieceShift); }
inline int64_t PlaceOfRowId(uint64_t id) { return static_cast<int64_t>(id & ((uint64_t{1} << kPieceShift) - 1)); }

/// Where a text lies among the texts of its partition, in one number: its first byte and how many it has.
constexpr int kTextPlaceBits = 40;
constexpr int kTextLengthBits = 64 - kTextPlaceBits;
inline uint64_t MakeTextPlace(int64_t first, int64_t length) {
  return (static_cast<uint64_t>(length) << kTextPlaceBits) | static_cast<uint64_t>(first);
}
inline int64_t FirstOfTextPlace(uint64_t place) {
  return static_cast<int64_t>(place & ((uint64_t{1} << kTextPlaceBits) - 1));
}
inline int64_t LengthOfTextPlace(uint64_t place) { return static_cast<int64_t>(place >> kTextPlaceBits); }

/// So many bytes can be read from the first of a moved text on, whatever its length.
constexpr int64_t kTextRoom = 64;

struct SideColumn {
  /// The storage type: extension types are taken off.
  std::shared_ptr<arrow::DataType> type;
  Layout layout = Layout::kFixed;
  int width = 0;
  bool has_nulls = false;
  /// Set by Need: the slots of values and of validity, or -1.
  int value_slot = -1;
  int validity_slot = -1;
  /// A part of the word: its first byte there, or -1.
  int word_byte = -1;
  /// Of texts: the bytes of the longest, where MeasureTexts was called, else -1; and those of all.
  int64_t longest = -1;
  int64_t text_bytes = 0;
};

struct Slot {
  /// kText: the bytes of a text from the slot's first on, their number in its last. kTextPlace: its place (see
  /// MakeTextPlace); the bytes of all such texts of a partition lie together.
  enum class Kind : uint8_t { kWord, kValues, kBits, kValidity, kRowId, kText, kTextPlace };
  Kind kind;
  int column;
  int width;
};

/// How the word of a row is made.
enum class WordKind : uint8_t {
  kNone,   // there are none yet
  kExact,  // the values of the key columns side by side: equal words are equal keys
  kCode,   // the keys of both sides encoded together: equal words are equal keys
  kHash,   // a hash: equal words must be verified
};

class JoinSide {
 public:
  /// `table` with the key columns decoded where they are dictionaries. Unifies dictionaries, so that indices of all
  /// pieces mean the same.
  static arrow::Result<JoinSide> Make(const std::shared_ptr<arrow::Table>& table, const std::vector<int>& keys,
                                      const Context& context);

  int64_t rows() const { return rows_; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  const SideColumn& column(int c) const { return columns_[static_cast<size_t>(c)]; }
  /// A dictionary column's values, the same for all pieces; an empty array where the side has no chunks.
  const std::shared_ptr<arrow::ArrayData>& dictionary(int c) const { return dictionaries_[static_cast<size_t>(c)]; }
  /// The column that key `k` is compared by.
  int key_column(size_t k) const { return key_columns_[k]; }
  size_t num_keys() const { return key_columns_.size(); }
  const std::vector<Slot>& slots() const { return slots_; }
  int row_id_slot() const { return row_id_slot_; }

  /// Whether words can be exact: integer-like key columns without nulls, of at most 8 bytes in all.
  bool CanBeExact() const;
  WordKind word_kind() const { return word_kind_; }
  /// Whether the words of a piece lie in memory as they are.
  bool words_in_place() const {
    return word_kind_ != WordKind::kExact || (key_columns_.size() == 1 && column(key_columns_[0]).width == 8);
  }
  /// Gives back the memory of words, once the slots have been read.
  void FreeWords() { hashes_.reset(); }
  /// Words as the key values themselves.
  void MakeExactWords();
  /// Words that were made elsewhere: 8 bytes a row, of kind kCode.
  void TakeCodes(std::shared_ptr<arrow::Buffer> codes);
  /// The column that key `k` is compared by.
  std::shared_ptr<arrow::ChunkedArray> key_values(size_t k) const { return table_->column(key_columns_[k]); }
  /// Words as row hashes. Rows whose key can match nothing (a null in it, if not `nulls_equal`) get scattered words.
  arrow::Status MakeHashWords(const JoinOptions& options, uint64_t hash_mask, uint64_t salt, const Context& context);

  /// Says that rows will be moved: texts that are not long move with them. To be called before Need.
  arrow::Status MeasureTexts(const Context& context);
  /// Makes sure that the column's values can be had from the slots.
  void Need(int column);

  /// `n` values of a slot from row `begin` of a piece on: in place where they lie so, else written to `scratch` (n
  /// times the slot's width). Of kTextPlace the texts' lengths, until they have a place.
  const uint8_t* Read(const Slot& slot, size_t piece, int64_t begin, int64_t n, uint8_t* scratch) const;
  const uint64_t* ReadWords(size_t piece, int64_t begin, int64_t n, uint64_t* scratch) const;

  /// Calls `visit(piece, begin, n, offset)` for the rows [begin, end) of the side, cut at pieces and every `block`
  /// rows; `offset` counts the rows visited before.
  template <typename Visit>
  void ForBlocks(int64_t begin, int64_t end, int64_t block, Visit&& visit) const;

  /// A column of layout kOther as one array, made by the first call. Not thread-safe until then.
  arrow::Result<std::shared_ptr<arrow::Array>> Whole(int column, arrow::MemoryPool* pool);

 private:
  int AddSlot(Slot::Kind kind, int column, int width);
  /// Whether the column has texts that move with their rows.
  bool TextsMove(const SideColumn& c) const;

  int64_t rows_ = 0;
  std::shared_ptr<arrow::Table> table_;
  std::vector<Piece> pieces_;
  std::vector<SideColumn> columns_;
  std::vector<std::shared_ptr<arrow::ArrayData>> dictionaries_;
  std::vector<int> key_columns_;
  std::vector<Slot> slots_{{Slot::Kind::kWord, -1, 8}};
  int row_id_slot_ = -1;
  WordKind word_kind_ = WordKind::kNone;
  /// Hashes or codes.
  std::shared_ptr<arrow::Buffer> hashes_;
  std::vector<std::shared_ptr<arrow::Array>> whole_;
};

template <typename Visit>
void JoinSide::ForBlocks(int64_t begin, int64_t end, int64_t block, Visit&& visit) const {
  auto it = std::upper_bound(pieces_.begin(), pieces_.end(), begin,
                             [](int64_t row, const Piece& piece) { return row < piece.first_row + piece.rows; });
  for (int64_t row = begin; row < end; ++it) {
    const auto piece = static_cast<size_t>(it - pieces_.begin());
    const int64_t piece_end = std::min(end, it->first_row + it->rows);
    while (row < piece_end) {
      const int64_t n = std::min(block, piece_end - row);
      visit(piece, row - it->first_row, n, row - begin);
      row += n;
    }
  }
}

/// Both sides of a join, without words. Where the result takes a key from either side, their dictionaries are the same.
arrow::Result<std::pair<JoinSide, JoinSide>> MakeSides(const JoinPlan& plan, const JoinOptions& options,
                                                       std::shared_ptr<arrow::Table> left,
                                                       std::shared_ptr<arrow::Table> right, const Context& context);

}  // namespace weft::kernels
