#include "weft/table/hash.h"

#include <arrow/array.h>
#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/util/bit_block_counter.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "weft/base/cpu_level.h"
#include "weft/table/columns.h"
#include "weft/table/dictionaries.h"

// Every column turns each of its values into a 64-bit word, and the words of a row are folded one after the other into
// its hash. The numbers below are part of what ranks agree on: to change one is to change the version of the wire form.
namespace weft::table {
namespace {

using arrow::internal::checked_cast;

constexpr uint64_t kSeed = 0x2545f4914f6cdd1dULL;
constexpr uint64_t kFold = 0x9e3779b97f4a7c15ULL;
constexpr uint64_t kNullWord = 0xb5ad4eceda1ce2a9ULL;
constexpr uint64_t kNanWord = 0x7ff8000000000000ULL;
/// Odd numbers whose bits are half ones, for the bytes of strings.
constexpr uint64_t kBytes0 = 0xd6e8feb86659fd93ULL;
constexpr uint64_t kBytes1 = 0xa0761d6478bd642fULL;
constexpr uint64_t kBytes2 = 0xe7037ed1a0b428dbULL;

/// Rows handled at a time: words and hashes of a block stay in the first-level cache.
constexpr int64_t kBlockRows = 1024;
/// Rows of one task of HashRows(Table).
constexpr int64_t kTaskRows = 64 * 1024;

/// A bijection in which every bit of the result depends on every bit of the argument: variant 13 of David Stafford,
/// "Better bit mixing: improving on MurmurHash3's 64-bit finalizer" (2011), the one of splitmix64.
inline uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Depends on the order of the words that are folded in. For one column it is a bijection of the word.
inline uint64_t Fold(uint64_t hash, uint64_t word) { return Mix(hash * kFold + word); }

/// Both halves of the 128-bit product, the step of Wang Yi's wyhash (2019).
inline uint64_t MultiplyFold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t Load64(const uint8_t* p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

inline uint64_t Load32(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

/// The word of a byte string, after the design of wyhash: 16 bytes a multiplication, the last 16 overlapping those
/// before, short ones in two words that overlap; the length is mixed in.
inline uint64_t BytesWord(const uint8_t* p, int64_t length) {
  const auto size = static_cast<uint64_t>(length);
  uint64_t state = kBytes0;
  uint64_t a = 0;
  uint64_t b = 0;
  if (length > 16) {
    const uint8_t* const tail = p + length - 16;
    for (; p < tail; p += 16) state = MultiplyFold(Load64(p) ^ kBytes1, Load64(p + 8) ^ state);
    a = Load64(tail);
    b = Load64(tail + 8);
  } else if (length >= 8) {
    a = Load64(p);
    b = Load64(p + length - 8);
  } else if (length >= 4) {
    a = Load32(p);
    b = Load32(p + length - 4);
  } else if (length > 0) {
    a = (static_cast<uint64_t>(p[0]) << 16) | (static_cast<uint64_t>(p[length / 2]) << 8) | p[length - 1];
  }
  return MultiplyFold(kBytes1 ^ size, MultiplyFold(a ^ kBytes1, b ^ state ^ kBytes2) ^ (size * kFold));
}

/// The word of a byte string of 8 to 48 bytes, of which 32 can be read: the same as BytesWord, without a branch that
/// depends on the length, since of texts of many lengths it would be guessed wrong all the time.
constexpr int64_t kMiddleLeast = 8;
constexpr int64_t kMiddleMost = 48;
constexpr int64_t kMiddleRead = 32;
inline uint64_t MiddleBytesWord(const uint8_t* p, int64_t length) {
  const auto size = static_cast<uint64_t>(length);
  const uint64_t one = MultiplyFold(Load64(p) ^ kBytes1, Load64(p + 8) ^ kBytes0);
  const uint64_t two = MultiplyFold(Load64(p + 16) ^ kBytes1, Load64(p + 24) ^ one);
  const uint64_t is_one = uint64_t{0} - static_cast<uint64_t>(length > 16);
  const uint64_t is_two = uint64_t{0} - static_cast<uint64_t>(length > 32);
  const uint64_t state = kBytes0 ^ ((kBytes0 ^ one) & is_one) ^ ((one ^ two) & is_two);
  const uint64_t a = Load64(p + ((size - 16) & is_one));
  const uint64_t b = Load64(p + size - 8);
  return MultiplyFold(kBytes1 ^ size, MultiplyFold(a ^ kBytes1, b ^ state ^ kBytes2) ^ (size * kFold));
}

/// The words of one array's values, null or not; of a dictionary, the words of what it stands for.
class ArrayWords {
 public:
  /// Chunks often share their dictionary.
  using DictionaryCache = PerDictionary<std::shared_ptr<arrow::Buffer>>;

  /// `array` outlives the object. Its type can be a key.
  static arrow::Result<ArrayWords> Make(const arrow::ArrayData& array, const HashOptions& options,
                                        DictionaryCache* cache, arrow::MemoryPool* pool) {
    ArrayWords words(array, options);
    if (array.type->id() != arrow::Type::DICTIONARY) return words;
    ARROW_ASSIGN_OR_RAISE(auto dictionary, Make(*array.dictionary, options, cache, pool));
    words.dictionary_ = std::make_shared<ArrayWords>(std::move(dictionary));
    // Where there are more values than rows, only those in use are looked at.
    if (array.dictionary->length > array.length) return words;
    ARROW_ASSIGN_OR_RAISE(const auto* all,
                          cache->Get(*array.dictionary, [&]() { return words.dictionary_->All(pool); }));
    words.words_ = *all;
    return words;
  }

  /// Words of rows [begin, begin + count), counted from the array's offset; count <= kBlockRows. They lie in `buffer`
  /// (count entries) or in the array itself.
  const uint64_t* Get(int64_t begin, int64_t count, uint64_t* buffer) const {
    const uint64_t* words = Values(begin, count, buffer);
    if (array_.type->id() == arrow::Type::NA || !array_.MayHaveNulls()) return words;
    const uint8_t* validity = array_.buffers[0]->data();
    const int64_t first = array_.offset + begin;
    arrow::internal::BitBlockCounter counter(validity, first, count);
    for (int64_t i = 0; i < count;) {
      const auto block = counter.NextWord();
      if (!block.AllSet()) {
        if (words != buffer) std::memcpy(buffer, words, static_cast<size_t>(count) * sizeof(uint64_t));
        words = buffer;
        for (int64_t j = i; j < i + block.length; ++j) {
          buffer[j] = arrow::bit_util::GetBit(validity, first + j) ? buffer[j] : kNullWord;
        }
      }
      i += block.length;
    }
    return words;
  }

 private:
  ArrayWords(const arrow::ArrayData& array, const HashOptions& options)
      : array_(array), nan_word_(options.nan_is_null ? kNullWord : kNanWord) {}

  arrow::Result<std::shared_ptr<arrow::Buffer>> All(arrow::MemoryPool* pool) const {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> words, arrow::AllocateBuffer(array_.length * 8, pool));
    auto* const to = words->mutable_data_as<uint64_t>();
    for (int64_t begin = 0; begin < array_.length; begin += kBlockRows) {
      const int64_t count = std::min(kBlockRows, array_.length - begin);
      const uint64_t* from = Get(begin, count, to + begin);
      if (from != to + begin) std::memcpy(to + begin, from, static_cast<size_t>(count) * sizeof(uint64_t));
    }
    return words;
  }

  const uint64_t* Values(int64_t begin, int64_t count, uint64_t* buffer) const {
    using arrow::Type;
    switch (array_.type->id()) {
      case Type::NA:
        std::fill_n(buffer, count, kNullWord);
        return buffer;
      case Type::BOOL:
        for (int64_t i = 0; i < count; ++i) {
          buffer[i] = arrow::bit_util::GetBit(array_.buffers[1]->data(), array_.offset + begin + i) ? 1 : 0;
        }
        return buffer;
      case Type::STRING:
      case Type::BINARY:
        return Strings<int32_t>(begin, count, buffer);
      case Type::LARGE_STRING:
      case Type::LARGE_BINARY:
        return Strings<int64_t>(begin, count, buffer);
      case Type::HALF_FLOAT:
        return Floats<uint16_t>(begin, count, 0x7c00, buffer);
      case Type::FLOAT:
        return Floats<uint32_t>(begin, count, 0x7f800000, buffer);
      case Type::DOUBLE:
        return Floats<uint64_t>(begin, count, 0x7ff0000000000000ULL, buffer);
      case Type::DICTIONARY:
        return Dictionary(begin, count, buffer);
      case Type::FIXED_SIZE_BINARY:
      case Type::DECIMAL128:
      case Type::DECIMAL256: {
        const int64_t width = checked_cast<const arrow::FixedSizeBinaryType&>(*array_.type).byte_width();
        const uint8_t* values = width == 0 ? nullptr : array_.buffers[1]->data() + (array_.offset + begin) * width;
        for (int64_t i = 0; i < count; ++i) buffer[i] = BytesWord(values + i * width, width);
        return buffer;
      }
      default:
        return Integers(begin, count, buffer);
    }
  }

  const uint64_t* Integers(int64_t begin, int64_t count, uint64_t* buffer) const {
    switch (checked_cast<const arrow::FixedWidthType&>(*array_.type).bit_width()) {
      case 8:
        return Widen<int8_t>(begin, count, buffer);
      case 16:
        return Widen<int16_t>(begin, count, buffer);
      case 32:
        return Widen<int32_t>(begin, count, buffer);
      default:
        return array_.GetValues<uint64_t>(1) + begin;
    }
  }

  template <typename T>
  const uint64_t* Widen(int64_t begin, int64_t count, uint64_t* buffer) const {
    const T* values = array_.GetValues<T>(1) + begin;
    for (int64_t i = 0; i < count; ++i) buffer[i] = static_cast<uint64_t>(static_cast<int64_t>(values[i]));
    return buffer;
  }

  /// `exponent` has the bits of infinity; what is greater, without the sign, is NaN.
  template <typename Bits>
  const uint64_t* Floats(int64_t begin, int64_t count, Bits exponent, uint64_t* buffer) const {
    const Bits* values = array_.GetValues<Bits>(1) + begin;
    constexpr Bits kMagnitude = static_cast<Bits>(static_cast<Bits>(~Bits{0}) >> 1);
    for (int64_t i = 0; i < count; ++i) {
      const Bits magnitude = static_cast<Bits>(values[i] & kMagnitude);
      const uint64_t word = magnitude == 0 ? 0 : values[i];
      buffer[i] = magnitude > exponent ? nan_word_ : word;
    }
    return buffer;
  }

  template <typename Offset>
  const uint64_t* Strings(int64_t begin, int64_t count, uint64_t* buffer) const {
    const Offset* offsets = array_.GetValues<Offset>(1) + begin;
    const uint8_t* data = array_.buffers[2] == nullptr ? nullptr : array_.buffers[2]->data();
    const int64_t last = data == nullptr ? -1 : array_.buffers[2]->size() - kMiddleRead;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t begin = offsets[i];
      const int64_t length = offsets[i + 1] - begin;
      const bool middle = length >= kMiddleLeast && length <= kMiddleMost && begin <= last;
      buffer[i] = middle ? MiddleBytesWord(data + begin, length) : BytesWord(data + begin, length);
    }
    return buffer;
  }

  const uint64_t* Dictionary(int64_t begin, int64_t count, uint64_t* buffer) const {
    using arrow::Type;
    switch (checked_cast<const arrow::DictionaryType&>(*array_.type).index_type()->id()) {
      case Type::INT8:
        return Gather<int8_t>(begin, count, buffer);
      case Type::UINT8:
        return Gather<uint8_t>(begin, count, buffer);
      case Type::INT16:
        return Gather<int16_t>(begin, count, buffer);
      case Type::UINT16:
        return Gather<uint16_t>(begin, count, buffer);
      case Type::INT32:
        return Gather<int32_t>(begin, count, buffer);
      case Type::UINT32:
        return Gather<uint32_t>(begin, count, buffer);
      case Type::INT64:
        return Gather<int64_t>(begin, count, buffer);
      default:
        return Gather<uint64_t>(begin, count, buffer);
    }
  }

  template <typename Index>
  const uint64_t* Gather(int64_t begin, int64_t count, uint64_t* buffer) const {
    const Index* indices = array_.GetValues<Index>(1) + begin;
    const uint8_t* validity = array_.MayHaveNulls() ? array_.buffers[0]->data() : nullptr;
    const uint64_t* words = words_ == nullptr ? nullptr : words_->data_as<uint64_t>();
    for (int64_t i = 0; i < count; ++i) {
      // The index under a null may be anything.
      if (validity != nullptr && !arrow::bit_util::GetBit(validity, array_.offset + begin + i)) {
        buffer[i] = kNullWord;
      } else if (words != nullptr) {
        buffer[i] = words[indices[i]];
      } else {
        uint64_t word = 0;
        buffer[i] = *dictionary_->Get(static_cast<int64_t>(indices[i]), 1, &word);
      }
    }
    return buffer;
  }

  const arrow::ArrayData& array_;
  uint64_t nan_word_;
  std::shared_ptr<ArrayWords> dictionary_;
  std::shared_ptr<arrow::Buffer> words_;
};

/// The chunks of one column and where each begins.
struct Column {
  std::vector<ArrayWords> chunks;
  std::vector<int64_t> starts;  // one more than chunks

  /// Folds rows [begin, begin + count) into `out`; of the first column without looking at what is there.
  void FoldInto(int64_t begin, int64_t count, bool first, uint64_t* out) const {
    uint64_t buffer[kBlockRows];
    auto at = static_cast<size_t>(std::upper_bound(starts.begin(), starts.end(), begin) - starts.begin()) - 1;
    while (count > 0) {
      const int64_t piece = std::min(count, starts[at + 1] - begin);
      const uint64_t* const words = chunks[at].Get(begin - starts[at], piece, buffer);
      if (first) {
        ForCpu([=]() WEFT_FOR_CPU {
          for (int64_t i = 0; i < piece; ++i) out[i] = Fold(kSeed, words[i]);
        });
      } else {
        ForCpu([=]() WEFT_FOR_CPU {
          for (int64_t i = 0; i < piece; ++i) out[i] = Fold(out[i], words[i]);
        });
      }
      begin += piece;
      out += piece;
      count -= piece;
      ++at;
    }
  }
};

/// Hashes of rows [begin, begin + count), count <= kBlockRows.
void HashBlock(const std::vector<Column>& columns, int64_t begin, int64_t count, uint64_t* out) {
  if (columns.empty()) std::fill_n(out, count, kSeed);
  for (const Column& column : columns) column.FoldInto(begin, count, &column == columns.data(), out);
}

void HashRange(const std::vector<Column>& columns, int64_t begin, int64_t end, uint64_t* out) {
  for (; begin < end; begin += kBlockRows) {
    HashBlock(columns, begin, std::min(kBlockRows, end - begin), out + begin);
  }
}

arrow::Result<std::vector<Column>> ColumnsOf(const arrow::RecordBatch& batch, std::span<const int> columns,
                                             const HashOptions& options, const Context& context) {
  ArrayWords::DictionaryCache cache;
  std::vector<Column> prepared(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto words, ArrayWords::Make(*batch.column_data(columns[i]), options, &cache, context.pool));
    prepared[i].chunks.push_back(std::move(words));
    prepared[i].starts = {0, batch.num_rows()};
  }
  return prepared;
}

}  // namespace

arrow::Status HashRows(const arrow::RecordBatch& batch, std::span<const int> columns, const HashOptions& options,
                       const Context& context, uint64_t* out) {
  ARROW_RETURN_NOT_OK(CheckKeyTypes(*batch.schema(), columns, "hash"));
  ARROW_ASSIGN_OR_RAISE(const auto prepared, ColumnsOf(batch, columns, options, context));
  HashRange(prepared, 0, batch.num_rows(), out);
  return arrow::Status::OK();
}

arrow::Status OwnersOfRows(const arrow::RecordBatch& batch, std::span<const int> columns, const HashOptions& options,
                           uint32_t parts, const Context& context, uint32_t* out) {
  ARROW_RETURN_NOT_OK(CheckKeyTypes(*batch.schema(), columns, "hash"));
  ARROW_ASSIGN_OR_RAISE(const auto prepared, ColumnsOf(batch, columns, options, context));
  uint64_t hashes[kBlockRows];
  for (int64_t begin = 0; begin < batch.num_rows(); begin += kBlockRows) {
    const int64_t count = std::min(kBlockRows, batch.num_rows() - begin);
    HashBlock(prepared, begin, count, hashes);
    ForCpu([=, from = static_cast<const uint64_t*>(hashes), to = out + begin]() WEFT_FOR_CPU {
      for (int64_t i = 0; i < count; ++i) to[i] = RankOfHash(from[i], parts);
    });
  }
  return arrow::Status::OK();
}

arrow::Status HashRows(const arrow::Table& table, std::span<const int> columns, const HashOptions& options,
                       const Context& context, uint64_t* out) {
  ARROW_RETURN_NOT_OK(CheckKeyTypes(*table.schema(), columns, "hash"));
  ArrayWords::DictionaryCache cache;
  std::vector<Column> prepared(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    int64_t start = 0;
    for (const auto& chunk : table.column(columns[i])->chunks()) {
      if (chunk->length() == 0) continue;
      ARROW_ASSIGN_OR_RAISE(auto words, ArrayWords::Make(*chunk->data(), options, &cache, context.pool));
      prepared[i].chunks.push_back(std::move(words));
      prepared[i].starts.push_back(start);
      start += chunk->length();
    }
    prepared[i].starts.push_back(start);
  }
  const int64_t rows = table.num_rows();
  return ParallelFor(context, arrow::bit_util::CeilDiv(rows, kTaskRows), [&](int64_t task) {
    HashRange(prepared, task * kTaskRows, std::min(rows, (task + 1) * kTaskRows), out);
    return arrow::Status::OK();
  });
}

}  // namespace weft::table
