// Columns of a join's result, made from pairs of row numbers.
#pragma once

#include <arrow/array/data.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/kernels/join_side.h"

namespace weft::kernels {

/// A row number that stands for no row.
constexpr uint32_t kNoRow = UINT32_MAX;

/// Rows of one side whose slots lie in contiguous memory: a partition, or rows of one piece.
struct SideView {
  JoinSide* side = nullptr;
  int64_t rows = 0;
  /// By slot; slot 0 has the words. Where the rows lie in one piece, row ids are not made.
  std::vector<const uint8_t*> slots;
  /// By slot of a partition: what the places of texts count from; nullptr for other slots.
  std::vector<const uint8_t*> texts;
  /// The piece that the rows lie in, from its row `piece_row` on; -1 where they were moved or lie in several.
  int64_t piece = -1;
  int64_t piece_row = 0;

  const uint64_t* words() const { return reinterpret_cast<const uint64_t*>(slots[0]); }
};

/// A value of a string or binary column.
struct BytesRef {
  const uint8_t* data;
  int64_t length;
};

/// One column of a view.
struct ColumnView {
  ColumnView(const SideView& view, int column_number);

  JoinSide* side;
  int column;
  Layout layout;
  const uint8_t* values = nullptr;
  int64_t stride = 0;
  /// Where values are places of texts: what they count from.
  const uint8_t* texts = nullptr;
  /// One byte a row; nullptr where all are valid.
  const uint8_t* valid = nullptr;
  const uint64_t* row_ids = nullptr;
  /// Where row_ids is nullptr.
  size_t piece = 0;
  int64_t piece_row = 0;

  uint64_t RowId(uint32_t row) const { return row_ids != nullptr ? row_ids[row] : MakeRowId(piece, piece_row + row); }
  /// Whether texts lie in the view's slots.
  bool has_texts() const {
    return values != nullptr && texts == nullptr && (layout == Layout::kBinary32 || layout == Layout::kBinary64);
  }
  /// Where values are places of texts.
  BytesRef MovedText(uint32_t row) const {
    const uint64_t place = reinterpret_cast<const uint64_t*>(values)[row];
    return {texts + FirstOfTextPlace(place), LengthOfTextPlace(place)};
  }
  /// Whether a value is not null.
  bool IsValid(uint32_t row) const;
};

/// Where a result column's values come from: `first` by first_rows; where that has kNoRow and there is a second, that
/// by its rows; else null.
struct GatherSource {
  ColumnView first;
  const uint32_t* first_rows;
  const ColumnView* second = nullptr;
  const uint32_t* second_rows = nullptr;
  /// Whether first_rows may have kNoRow.
  bool padded = false;
  /// Whether first_rows are all rows of a view of one piece, in order.
  bool whole = false;
};

/// The column's `n` values as `type` (of the layout that the source has, or strings of other offset width).
/// Status::CapacityError where the values are too many bytes for the type's offsets: then gather fewer at a time.
arrow::Result<std::shared_ptr<arrow::ArrayData>> GatherColumn(const std::shared_ptr<arrow::DataType>& type,
                                                              const GatherSource& source, int64_t n,
                                                              arrow::MemoryPool* pool);

/// The value of a row; of a null one whatever bytes it has.
BytesRef BytesAt(const ColumnView& view, uint32_t row);

}  // namespace weft::kernels
