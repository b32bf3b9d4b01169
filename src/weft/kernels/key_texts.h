// The bytes of strings and binaries, as key columns read them.
#pragma once

#include <arrow/array/array_base.h>
#include <arrow/array/data.h>
#include <arrow/type_fwd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace weft::kernels {

bool IsBinaryLike(arrow::Type::type id);

/// The numbers of bytes that the shortest and the longest value have.
struct BinaryLengthRange {
  int64_t shortest = std::numeric_limits<int64_t>::max();
  int64_t longest = 0;
  void Add(const BinaryLengthRange& other) {
    shortest = std::min(shortest, other.shortest);
    longest = std::max(longest, other.longest);
  }
};

/// Of the rows [begin, end) of a binary array; null rows may count.
BinaryLengthRange MeasureLengths(const arrow::ArrayData& data, int64_t begin, int64_t end);

/// Where the bytes of a row begin in a binary array's memory, or, of the row behind the last, where they end. The array
/// has rows. Not of fixed-size binaries.
int64_t FirstByte(const arrow::ArrayData& data, int64_t row);

/// Of the rows [begin, begin + length) of a binary array: bytes [8 * piece, 8 * piece + 8) as a big-endian number, zero
/// after the end; anything for null rows.
void BinaryWords(const arrow::ArrayData& data, int piece, int64_t begin, int64_t length, uint64_t* out);

/// The same where all values of the array have `bytes` bytes, which are then one after the other.
void FixedBinaryWords(const arrow::ArrayData& data, int64_t bytes, int piece, int64_t begin, int64_t length,
                      uint64_t* out);

/// The number of bytes of each of these rows.
void BinaryLengths(const arrow::ArrayData& data, int64_t begin, int64_t length, uint64_t* out);

/// Texts that lie one after the other.
struct TextRun {
  /// Where the first begins, and how many bytes can be read from there on.
  const uint8_t* bytes = nullptr;
  int64_t readable = 0;
  const uint64_t* lengths = nullptr;
  int64_t n = 0;
};

/// The rows [begin, begin + n) of a binary array, null ones with the bytes that they have; their lengths are written to
/// `lengths`.
TextRun ReadTexts(const arrow::ArrayData& data, int64_t begin, int64_t n, uint64_t* lengths);

/// `n` rows' bytes, at most kSlotTextBytes each, in slots of 8: from the slot's first byte on, and their number in its
/// last. Not of fixed-size binaries.
constexpr int64_t kSlotTextBytes = 7;
void BinarySlots(const arrow::ArrayData& data, int64_t begin, int64_t n, uint8_t* out);

/// A word, as BinaryWords has it, of one value.
uint64_t BinaryWord(std::string_view view, int piece);

/// The bytes of a valid row of a binary array; data() is never nullptr.
std::string_view ValueView(const arrow::ArrayData& data, int64_t row);

/// The views of rows [begin, end) of a binary array or a dictionary of one, whose values' views are `dictionary`, or,
/// if that is empty, are read where they lie; data() is nullptr for null.
void ArrayViews(const arrow::Array& array, std::span<const std::string_view> dictionary, int64_t begin, int64_t end,
                std::string_view* out);

}  // namespace weft::kernels
