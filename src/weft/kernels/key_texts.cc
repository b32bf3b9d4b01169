#include "weft/kernels/key_texts.h"

#include <arrow/array.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>

#include "weft/base/cpu_level.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// Which bytes of a big-endian word the first 0 ... 8 are.
constexpr uint64_t kFirstBytes[9] = {0,
                                     0xff00000000000000ULL,
                                     0xffff000000000000ULL,
                                     0xffffff0000000000ULL,
                                     0xffffffff00000000ULL,
                                     0xffffffffff000000ULL,
                                     0xffffffffffff0000ULL,
                                     0xffffffffffffff00ULL,
                                     0xffffffffffffffffULL};

template <typename Offset>
std::string_view OffsetView(const arrow::ArrayData& data, int64_t row) {
  const Offset* offsets = data.GetValues<Offset>(1) + row;
  const auto length = static_cast<size_t>(offsets[1] - offsets[0]);
  if (length == 0) return {"", 0};
  return {reinterpret_cast<const char*>(data.buffers[2]->data()) + offsets[0], length};
}

template <typename Offset>
void OffsetWords(const arrow::ArrayData& data, int piece, int64_t begin, int64_t length, uint64_t* out) {
  const Offset* offsets = data.GetValues<Offset>(1) + begin;
  const int64_t skip = int64_t{8} * piece;
  // Eight bytes are read at once where so many are left in the buffer; the last rows are read with care.
  const int64_t last = data.buffers[2] == nullptr ? -1 : data.buffers[2]->size() - skip - 8;
  int64_t safe = length;
  while (safe > 0 && offsets[safe - 1] > last) --safe;
  const uint8_t* bytes = safe == 0 ? nullptr : data.buffers[2]->data() + skip;
  ForCpu([=]() WEFT_FOR_CPU {
    for (int64_t i = 0; i < safe; ++i) {
      uint64_t word;
      std::memcpy(&word, bytes + offsets[i], sizeof(word));
      const int64_t left = std::clamp<int64_t>(offsets[i + 1] - offsets[i] - skip, 0, 8);
      out[i] = __builtin_bswap64(word) & kFirstBytes[left];
    }
  });
  for (int64_t i = safe; i < length; ++i) out[i] = BinaryWord(OffsetView<Offset>(data, begin + i), piece);
}

template <typename Offset>
void OffsetLengths(const arrow::ArrayData& data, int64_t begin, int64_t length, uint64_t* out) {
  const Offset* offsets = data.GetValues<Offset>(1) + begin;
  ForCpu([=]() WEFT_FOR_CPU {
    for (int64_t i = 0; i < length; ++i) out[i] = static_cast<uint64_t>(offsets[i + 1] - offsets[i]);
  });
}

template <typename Offset>
BinaryLengthRange MeasureOffsets(const arrow::ArrayData& data, int64_t begin, int64_t end) {
  if (begin == end) return {};
  const Offset* offsets = data.GetValues<Offset>(1);
  return ForCpu([=]() WEFT_FOR_CPU {
    Offset longest = 0;
    Offset shortest = std::numeric_limits<Offset>::max();
    for (int64_t i = begin; i < end; ++i) {
      const Offset length = offsets[i + 1] - offsets[i];
      longest = longest < length ? length : longest;
      shortest = length < shortest ? length : shortest;
    }
    return BinaryLengthRange{shortest, longest};
  });
}

template <typename Offset>
void OffsetSlots(const arrow::ArrayData& data, int64_t begin, int64_t n, uint8_t* out) {
  constexpr int64_t width = kSlotTextBytes + 1;
  const Offset* offsets = data.GetValues<Offset>(1) + begin;
  const uint8_t* bytes = data.buffers[2] == nullptr ? nullptr : data.buffers[2]->data();
  // A whole slot is read at once where so many bytes are left in the buffer.
  const int64_t last = data.buffers[2] == nullptr ? -1 : data.buffers[2]->size() - width;
  for (int64_t i = 0; i < n; ++i, out += width) {
    const auto length = static_cast<size_t>(offsets[i + 1] - offsets[i]);
    if (offsets[i] <= last) [[likely]] {
      std::memcpy(out, bytes + offsets[i], width);
    } else {
      std::memset(out, 0, width);
      if (length > 0) std::memcpy(out, bytes + offsets[i], length);
    }
    out[width - 1] = static_cast<uint8_t>(length);
  }
}

int WidthOf(const arrow::ArrayData& data) {
  return static_cast<const arrow::FixedSizeBinaryType&>(*data.type).byte_width();
}

}  // namespace

bool IsBinaryLike(Type::type id) {
  return id == Type::STRING || id == Type::BINARY || id == Type::LARGE_STRING || id == Type::LARGE_BINARY ||
         id == Type::FIXED_SIZE_BINARY;
}

BinaryLengthRange MeasureLengths(const arrow::ArrayData& data, int64_t begin, int64_t end) {
  switch (data.type->id()) {
    case Type::STRING:
    case Type::BINARY:
      return MeasureOffsets<int32_t>(data, begin, end);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return MeasureOffsets<int64_t>(data, begin, end);
    default:
      return {WidthOf(data), WidthOf(data)};
  }
}

int64_t FirstByte(const arrow::ArrayData& data, int64_t row) {
  const auto id = data.type->id();
  return id == Type::STRING || id == Type::BINARY ? data.GetValues<int32_t>(1)[row] : data.GetValues<int64_t>(1)[row];
}

TextRun ReadTexts(const arrow::ArrayData& data, int64_t begin, int64_t n, uint64_t* lengths) {
  BinaryLengths(data, begin, n, lengths);
  const bool fixed = data.type->id() == Type::FIXED_SIZE_BINARY;
  const auto& buffer = data.buffers[fixed ? 1 : 2];
  if (buffer == nullptr || n == 0) return {reinterpret_cast<const uint8_t*>(""), 0, lengths, n};
  const int64_t first = fixed ? (data.offset + begin) * WidthOf(data) : FirstByte(data, begin);
  return {buffer->data() + first, buffer->size() - first, lengths, n};
}

void BinaryWords(const arrow::ArrayData& data, int piece, int64_t begin, int64_t length, uint64_t* out) {
  switch (data.type->id()) {
    case Type::STRING:
    case Type::BINARY:
      return OffsetWords<int32_t>(data, piece, begin, length, out);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return OffsetWords<int64_t>(data, piece, begin, length, out);
    default:
      for (int64_t i = 0; i < length; ++i) out[i] = BinaryWord(ValueView(data, begin + i), piece);
  }
}

void FixedBinaryWords(const arrow::ArrayData& data, int64_t bytes, int piece, int64_t begin, int64_t length,
                      uint64_t* out) {
  const int64_t skip = int64_t{8} * piece;
  const int64_t here = std::clamp<int64_t>(bytes - skip, 0, 8);
  if (length == 0 || here == 0) {
    std::fill(out, out + length, 0);
    return;
  }
  const auto first = reinterpret_cast<const uint8_t*>(ValueView(data, begin).data());
  const auto& buffer = data.type->id() == Type::FIXED_SIZE_BINARY ? data.buffers[1] : data.buffers[2];
  // Eight bytes are read at once, which may reach into the next values; not behind the last.
  const int64_t readable = buffer->data() + buffer->size() - first - skip - 8;
  const int64_t safe = readable < 0 ? 0 : std::min(length, readable / bytes + 1);
  const uint64_t mask = kFirstBytes[here];
  const uint8_t* const from = first + skip;
  ForCpu([=]() WEFT_FOR_CPU {
    for (int64_t i = 0; i < safe; ++i) {
      uint64_t word;
      std::memcpy(&word, from + i * bytes, sizeof(word));
      out[i] = __builtin_bswap64(word) & mask;
    }
  });
  for (int64_t i = safe; i < length; ++i) out[i] = BinaryWord(ValueView(data, begin + i), piece);
}

void BinaryLengths(const arrow::ArrayData& data, int64_t begin, int64_t length, uint64_t* out) {
  switch (data.type->id()) {
    case Type::STRING:
    case Type::BINARY:
      return OffsetLengths<int32_t>(data, begin, length, out);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return OffsetLengths<int64_t>(data, begin, length, out);
    default:
      std::fill(out, out + length, static_cast<uint64_t>(WidthOf(data)));
  }
}

void BinarySlots(const arrow::ArrayData& data, int64_t begin, int64_t n, uint8_t* out) {
  const auto id = data.type->id();
  if (id == Type::STRING || id == Type::BINARY) return OffsetSlots<int32_t>(data, begin, n, out);
  OffsetSlots<int64_t>(data, begin, n, out);
}

uint64_t BinaryWord(std::string_view view, int piece) {
  const size_t begin = static_cast<size_t>(piece) * 8;
  if (begin >= view.size()) return 0;
  uint64_t word = 0;
  const size_t length = std::min<size_t>(view.size() - begin, 8);
  std::memcpy(&word, view.data() + begin, length);
  return __builtin_bswap64(word);
}

std::string_view ValueView(const arrow::ArrayData& data, int64_t row) {
  switch (data.type->id()) {
    case Type::STRING:
    case Type::BINARY:
      return OffsetView<int32_t>(data, row);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return OffsetView<int64_t>(data, row);
    default: {
      const int width = WidthOf(data);
      if (width == 0) return {"", 0};
      return {reinterpret_cast<const char*>(data.buffers[1]->data()) + (data.offset + row) * width,
              static_cast<size_t>(width)};
    }
  }
}

void ArrayViews(const arrow::Array& array, std::span<const std::string_view> dictionary, int64_t begin, int64_t end,
                std::string_view* out) {
  const bool has_nulls = array.null_count() > 0;
  const auto views = [&](const auto& view_of) {
    for (int64_t i = begin; i < end; ++i) out[i] = has_nulls && array.IsNull(i) ? std::string_view() : view_of(i);
  };
  if (array.type_id() != Type::DICTIONARY) return views([&](int64_t i) { return ValueView(*array.data(), i); });
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
  if (!dictionary.empty()) {
    return views([&](int64_t i) { return dictionary[static_cast<size_t>(encoded.GetValueIndex(i))]; });
  }
  const arrow::Array& values = *encoded.dictionary();
  views([&](int64_t i) {
    const int64_t index = encoded.GetValueIndex(i);
    return values.IsNull(index) ? std::string_view() : ValueView(*values.data(), index);
  });
}

}  // namespace weft::kernels
