#include "weft/io/parquet_chunk.h"

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/compression.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/encoding.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "weft/io/snappy.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using BufferPtr = std::shared_ptr<arrow::Buffer>;
using Bytes = std::span<const uint8_t>;

/// Some old writers state a chunk's length without its dictionary page's header (PARQUET-816).
constexpr int64_t kLengthSlack = 100;

/// A decimal128, little-endian.
struct Wide {
  int64_t low;
  int64_t high;
};

template <typename Out, typename In>
Out Convert(In value) {
  if constexpr (std::is_same_v<Out, Wide>) {
    return {value, value < 0 ? -1 : 0};
  } else {
    return value;
  }
}

/// Memory that is used again for the next page; what was in it is lost when it grows.
class Scratch {
 public:
  explicit Scratch(arrow::MemoryPool* pool) : pool_(pool) {}

  template <typename T>
  Result<T*> Take(int64_t count) {
    const auto bytes = std::max<int64_t>(count, 1) * static_cast<int64_t>(sizeof(T));
    if (buffer_ == nullptr || buffer_->size() < bytes) {
      buffer_.reset();
      ARROW_ASSIGN_OR_RAISE(buffer_, arrow::AllocateBuffer(bytes, pool_));
    }
    return reinterpret_cast<T*>(buffer_->mutable_data());
  }

 private:
  arrow::MemoryPool* const pool_;
  std::unique_ptr<arrow::Buffer> buffer_;
};

/// Definition levels of a column that is nullable and not nested: whether they are one run of ones.
bool AllPresent(Bytes levels, int64_t count) {
  uint64_t header = 0;
  size_t at = 0;
  for (int shift = 0; at < levels.size() && shift < 35; shift += 7) {
    header |= static_cast<uint64_t>(levels[at] & 127) << shift;
    if (levels[at++] < 128) break;
  }
  return (header & 1) == 0 && static_cast<int64_t>(header >> 1) >= count && at < levels.size() && levels[at] == 1;
}

/// Moves the values, which lie at the front, to the rows that have one; the others get a zero.
template <typename T>
void Spread(T* values, int64_t present, std::span<const int16_t> levels) {
  for (size_t row = levels.size(); row-- > 0;) values[row] = levels[row] != 0 ? values[--present] : T{};
}

/// In: as the file has the values; Out: as the result has them. Only their width counts, unless they are decimals.
template <typename In, typename Out>
class ChunkReader {
 public:
  ChunkReader(const parquet::ColumnDescriptor& descriptor, const parquet::ColumnChunkMetaData& chunk,
              const arrow::DataType& type, std::optional<std::span<const int64_t>> rows, const Context& context)
      : descriptor_(descriptor),
        compression_(chunk.compression()),
        row_count_(chunk.num_values()),
        rows_(rows),
        context_(context),
        plain_(context.pool),
        dictionary_(context.pool),
        indices_(context.pool),
        levels_scratch_(context.pool),
        values_scratch_(context.pool) {
    if constexpr (std::is_same_v<Out, Wide>) {
      const int32_t digits = static_cast<const arrow::Decimal128Type&>(type).precision();
      for (int32_t i = 0; i < digits && i < std::numeric_limits<int64_t>::digits10; ++i) bound_ *= 10;
      if (digits > std::numeric_limits<int64_t>::digits10) bound_ = std::numeric_limits<int64_t>::max();
    }
    if (compression_ != parquet::Compression::UNCOMPRESSED && compression_ != parquet::Compression::SNAPPY) {
      codec_ = parquet::GetCodec(compression_);
    }
  }

  /// False: leave it to Arrow.
  Result<bool> Read(parquet::PageReader* pages) {
    out_count_ = rows_.has_value() ? static_cast<int64_t>(rows_->size()) : row_count_;
    ARROW_ASSIGN_OR_RAISE(values_,
                          arrow::AllocateBuffer(out_count_ * static_cast<int64_t>(sizeof(Out)), context_.pool));
    while (const auto page = pages->NextPage()) {
      bool taken = false;
      if (page->type() == parquet::PageType::DICTIONARY_PAGE) {
        ARROW_ASSIGN_OR_RAISE(taken, ReadDictionary(static_cast<const parquet::DictionaryPage&>(*page)));
      } else if (page->type() == parquet::PageType::DATA_PAGE) {
        ARROW_ASSIGN_OR_RAISE(taken, ReadPage(static_cast<const parquet::DataPageV1&>(*page)));
      }
      if (!taken) return false;
    }
    return first_row_ == row_count_ && done_ == out_count_;
  }

  std::shared_ptr<arrow::Array> Finish(const std::shared_ptr<arrow::DataType>& type) {
    auto data = arrow::ArrayData::Make(type, out_count_, {std::move(validity_), std::move(values_)}, nulls_);
    return arrow::MakeArray(data);
  }

 private:
  /// The rows of one page that are asked for, counted from the row group's first; nullptr: all `count` of it.
  struct PageRows {
    int64_t count;
    const int64_t* chosen;
  };

  /// A page's bytes, which are `size`, in place or in `scratch`; nothing where they are not so many.
  Result<std::optional<Bytes>> Uncompress(const parquet::Page& page, int64_t size, Scratch* scratch) {
    const Bytes in(page.data(), static_cast<size_t>(page.size()));
    if (size < 0) return std::nullopt;
    if (compression_ == parquet::Compression::UNCOMPRESSED) {
      if (page.size() < size) return std::nullopt;
      return in.first(static_cast<size_t>(size));
    }
    ARROW_ASSIGN_OR_RAISE(uint8_t* const out, scratch->Take<uint8_t>(size + kSnappySlack));
    if (codec_ == nullptr) {
      if (!UncompressSnappy(in, out, size)) return std::nullopt;
    } else {
      const auto got = codec_->Decompress(page.size(), page.data(), size, out);
      if (!got.ok() || *got != size) return std::nullopt;
    }
    return Bytes(out, static_cast<size_t>(size));
  }

  /// Whether all values are of the type: decimals have a greatest number of digits.
  bool Fit(Bytes values, int64_t count) const {
    bool fit = true;
    if constexpr (std::is_same_v<Out, Wide>) {
      for (int64_t i = 0; i < count; ++i) {
        const In value = ValueAt(values.data(), i);
        fit &= value < bound_ && value > -bound_;
      }
    }
    return fit;
  }

  /// Of values that need not be aligned.
  static In ValueAt(const uint8_t* values, int64_t i) {
    In value;
    std::memcpy(&value, values + i * static_cast<int64_t>(sizeof(In)), sizeof(In));
    return value;
  }

  Result<bool> ReadDictionary(const parquet::DictionaryPage& page) {
    if (dictionary_size_ >= 0 || page.num_values() < 0) return false;
    if (page.encoding() != parquet::Encoding::PLAIN && page.encoding() != parquet::Encoding::PLAIN_DICTIONARY) {
      return false;
    }
    const int64_t size = page.num_values();
    ARROW_ASSIGN_OR_RAISE(const auto bytes, Uncompress(page, size * static_cast<int64_t>(sizeof(In)), &dictionary_));
    if (!bytes.has_value() || !Fit(*bytes, size)) return false;
    // Pages of nulls alone may come with no value at all.
    ARROW_ASSIGN_OR_RAISE(uint8_t* const values,
                          dictionary_.Take<uint8_t>((size + 1) * static_cast<int64_t>(sizeof(In))));
    if (bytes->data() != values) std::memcpy(values, bytes->data(), bytes->size());
    dictionary_values_ = reinterpret_cast<In*>(values);
    dictionary_size_ = size;
    return true;
  }

  PageRows ChooseRows(int64_t page_rows) {
    if (!rows_.has_value()) return {page_rows, nullptr};
    const auto begin = rows_->begin() + done_;
    const auto end = std::lower_bound(begin, rows_->end(), first_row_ + page_rows);
    return {end - begin, rows_->data() + done_};
  }

  Result<bool> ReadPage(const parquet::DataPageV1& page) {
    const int64_t page_rows = page.num_values();
    if (page_rows < 0 || page_rows > row_count_ - first_row_) return false;
    const PageRows chosen = ChooseRows(page_rows);
    if (chosen.count > 0) {
      ARROW_ASSIGN_OR_RAISE(auto bytes, Uncompress(page, page.uncompressed_size(), &plain_));
      if (!bytes.has_value()) return false;
      std::span<const int16_t> levels;
      int64_t present = page_rows;
      if (descriptor_.max_definition_level() > 0) {
        ARROW_ASSIGN_OR_RAISE(const bool taken, ReadLevels(page, &*bytes, &levels, &present));
        if (!taken) return false;
      }
      ARROW_ASSIGN_OR_RAISE(const bool taken, ReadValues(page, *bytes, levels, present, chosen));
      if (!taken) return false;
      ARROW_RETURN_NOT_OK(PutValidity(levels, chosen));
    }
    done_ += chosen.count;
    first_row_ += page_rows;
    return true;
  }

  /// Takes the definition levels off the front of the page; `levels` is empty where no row is null.
  Result<bool> ReadLevels(const parquet::DataPageV1& page, Bytes* bytes, std::span<const int16_t>* levels,
                          int64_t* present) {
    uint32_t length = 0;
    if (page.definition_level_encoding() != parquet::Encoding::RLE || bytes->size() < sizeof(length)) return false;
    std::memcpy(&length, bytes->data(), sizeof(length));
    const Bytes whole = *bytes;
    if (length > whole.size() - sizeof(length)) return false;
    *bytes = whole.subspan(sizeof(length) + length);
    if (AllPresent(whole.subspan(sizeof(length), length), *present)) return true;
    ARROW_ASSIGN_OR_RAISE(int16_t* const decoded, levels_scratch_.Take<int16_t>(*present));
    const int count = page.num_values();
    parquet::LevelDecoder decoder;
    decoder.SetData(parquet::Encoding::RLE, 1, count, whole.data(), static_cast<int32_t>(whole.size()));
    if (decoder.Decode(count, decoded) != count) return false;
    const auto ones = std::count(decoded, decoded + count, int16_t{1});
    if (ones != *present) *levels = {decoded, static_cast<size_t>(count)};
    *present = ones;
    return true;
  }

  Result<bool> ReadValues(const parquet::DataPageV1& page, Bytes bytes, std::span<const int16_t> levels,
                          int64_t present, const PageRows& chosen) {
    if (page.encoding() == parquet::Encoding::PLAIN) {
      const int64_t size = present * static_cast<int64_t>(sizeof(In));
      if (static_cast<int64_t>(bytes.size()) < size) return false;
      if (!Fit(bytes, present)) return false;
      if (levels.empty()) {
        Put(chosen, [values = bytes.data()](int64_t row) { return ValueAt(values, row); });
        return true;
      }
      ARROW_ASSIGN_OR_RAISE(In* const values, values_scratch_.Take<In>(page.num_values()));
      std::memcpy(values, bytes.data(), static_cast<size_t>(size));
      Spread(values, present, levels);
      Put(chosen, [values](int64_t row) { return values[row]; });
      return true;
    }
    if (page.encoding() != parquet::Encoding::RLE_DICTIONARY &&
        page.encoding() != parquet::Encoding::PLAIN_DICTIONARY) {
      return false;
    }
    if (dictionary_size_ < 0) return false;
    ARROW_ASSIGN_OR_RAISE(int32_t* const indices, indices_.Take<int32_t>(page.num_values()));
    if (present > 0) {
      if (decoder_ == nullptr) decoder_ = parquet::MakeDictDecoder<parquet::Int32Type>(&descriptor_, context_.pool);
      const auto count = static_cast<int>(present);
      decoder_->SetData(count, bytes.data(), static_cast<int>(bytes.size()));
      if (decoder_->DecodeIndices(count, indices) != count) return false;
      uint32_t largest = 0;
      for (int i = 0; i < count; ++i) largest = std::max(largest, static_cast<uint32_t>(indices[i]));
      if (largest >= dictionary_size_) return false;
    }
    if (!levels.empty()) Spread(indices, present, levels);
    Put(chosen, [indices, dictionary = dictionary_values_](int64_t row) { return dictionary[indices[row]]; });
    return true;
  }

  template <typename Get>
  void Put(const PageRows& chosen, const Get& get) {
    Out* const out = reinterpret_cast<Out*>(values_->mutable_data()) + done_;
    if (chosen.chosen == nullptr) {
      for (int64_t i = 0; i < chosen.count; ++i) out[i] = Convert<Out>(get(i));
      return;
    }
    for (int64_t i = 0; i < chosen.count; ++i) out[i] = Convert<Out>(get(chosen.chosen[i] - first_row_));
  }

  Status PutValidity(std::span<const int16_t> levels, const PageRows& chosen) {
    if (levels.empty() && validity_ == nullptr) return Status::OK();
    if (validity_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(validity_, arrow::AllocateEmptyBitmap(out_count_, context_.pool));
      arrow::bit_util::SetBitsTo(validity_->mutable_data(), 0, done_, true);
    }
    if (levels.empty()) {
      arrow::bit_util::SetBitsTo(validity_->mutable_data(), done_, chosen.count, true);
      return Status::OK();
    }
    for (int64_t i = 0; i < chosen.count; ++i) {
      const int64_t row = chosen.chosen == nullptr ? i : chosen.chosen[i] - first_row_;
      const bool valid = levels[static_cast<size_t>(row)] != 0;
      arrow::bit_util::SetBitTo(validity_->mutable_data(), done_ + i, valid);
      nulls_ += valid ? 0 : 1;
    }
    return Status::OK();
  }

  const parquet::ColumnDescriptor& descriptor_;
  const parquet::Compression::type compression_;
  const int64_t row_count_;
  const std::optional<std::span<const int64_t>> rows_;
  const Context& context_;
  std::unique_ptr<arrow::util::Codec> codec_;
  /// Decimals are below it, and above its negative.
  int64_t bound_ = 1;

  Scratch plain_;
  Scratch dictionary_;
  Scratch indices_;
  Scratch levels_scratch_;
  Scratch values_scratch_;
  const In* dictionary_values_ = nullptr;
  int64_t dictionary_size_ = -1;
  /// Of its kinds the one for int32; the indices are the same in all.
  std::unique_ptr<parquet::DictDecoder<parquet::Int32Type>> decoder_;

  int64_t out_count_ = 0;
  /// Rows that are behind, and those of the result that are made.
  int64_t first_row_ = 0;
  int64_t done_ = 0;
  std::shared_ptr<arrow::Buffer> values_;
  std::shared_ptr<arrow::Buffer> validity_;
  int64_t nulls_ = 0;
};

/// The widths of a value in the file and in a column of `type`; zeros where it is not decoded here. Types whose values
/// Arrow changes on the way, or whose values must be checked one by one, are not.
struct Widths {
  int in = 0;
  int out = 0;
};

Widths WidthsOf(parquet::Type::type physical, const arrow::DataType& type) {
  using parquet::Type;
  switch (type.id()) {
    case arrow::Type::INT32:
    case arrow::Type::UINT32:
    case arrow::Type::DATE32:
      return physical == Type::INT32 ? Widths{4, 4} : Widths{};
    case arrow::Type::FLOAT:
      return physical == Type::FLOAT ? Widths{4, 4} : Widths{};
    case arrow::Type::INT64:
    case arrow::Type::UINT64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      return physical == Type::INT64 ? Widths{8, 8} : Widths{};
    case arrow::Type::DOUBLE:
      return physical == Type::DOUBLE ? Widths{8, 8} : Widths{};
    case arrow::Type::DECIMAL128:
      if (physical == Type::INT32) return {4, 16};
      return physical == Type::INT64 ? Widths{8, 16} : Widths{};
    default:
      return {};
  }
}

/// The chunk's bytes, of pages and their headers, with some behind that belong to no one; nullptr where it cannot be.
Result<BufferPtr> ReadBytes(arrow::io::RandomAccessFile* input, const parquet::ColumnChunkMetaData& chunk,
                            const Context& context) {
  int64_t begin = chunk.data_page_offset();
  if (chunk.has_dictionary_page() && chunk.dictionary_page_offset() > 0) {
    begin = std::min(begin, chunk.dictionary_page_offset());
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t size, input->GetSize());
  const int64_t length = chunk.total_compressed_size();
  if (begin < 0 || begin > size || length < 0 || length > size - begin) return nullptr;
  const int64_t wanted = std::min(length + kLengthSlack, size - begin);
  ARROW_ASSIGN_OR_RAISE(BufferPtr bytes, arrow::AllocateBuffer(wanted + kSnappySlack, context.pool));
  ARROW_ASSIGN_OR_RAISE(const int64_t got, input->ReadAt(begin, wanted, bytes->mutable_data()));
  return got == wanted ? arrow::SliceBuffer(std::move(bytes), 0, wanted) : nullptr;
}

template <typename In, typename Out>
Result<std::shared_ptr<arrow::Array>> ReadAs(const parquet::ColumnDescriptor& descriptor,
                                             const parquet::ColumnChunkMetaData& chunk, BufferPtr bytes,
                                             const std::shared_ptr<arrow::DataType>& type,
                                             std::optional<std::span<const int64_t>> rows, const Context& context) {
  // The pages are taken as they are and decompressed by the reader: some need not be.
  const auto pages =
      parquet::PageReader::Open(std::make_shared<arrow::io::BufferReader>(std::move(bytes)), chunk.num_values(),
                                parquet::Compression::UNCOMPRESSED, ParquetProperties(context), descriptor);
  ChunkReader<In, Out> reader(descriptor, chunk, *type, rows, context);
  ARROW_ASSIGN_OR_RAISE(const bool taken, reader.Read(pages.get()));
  return taken ? reader.Finish(type) : nullptr;
}

}  // namespace

parquet::ReaderProperties ParquetProperties(const Context& context) {
  parquet::ReaderProperties properties(context.pool);
  properties.set_page_checksum_verification(true);
  return properties;
}

bool CanReadChunk(const parquet::FileMetaData& file, int row_group, int leaf, const arrow::DataType& type) {
  const parquet::ColumnDescriptor& descriptor = *file.schema()->Column(leaf);
  if (WidthsOf(descriptor.physical_type(), type).in == 0) return false;
  if (descriptor.max_repetition_level() > 0 || descriptor.max_definition_level() > 1) return false;
  const auto group = file.RowGroup(row_group);
  if (leaf >= group->num_columns()) return false;
  const auto chunk = group->ColumnChunk(leaf);
  if (chunk->crypto_metadata() != nullptr || chunk->num_values() != group->num_rows()) return false;
  const auto& encodings = chunk->encodings();
  return std::all_of(encodings.begin(), encodings.end(), [](parquet::Encoding::type encoding) {
    return encoding == parquet::Encoding::PLAIN || encoding == parquet::Encoding::PLAIN_DICTIONARY ||
           encoding == parquet::Encoding::RLE_DICTIONARY || encoding == parquet::Encoding::RLE ||
           encoding == parquet::Encoding::BIT_PACKED;
  });
}

Result<std::shared_ptr<arrow::Array>> ReadChunk(arrow::io::RandomAccessFile* input, const parquet::FileMetaData& file,
                                                int row_group, int leaf, const std::shared_ptr<arrow::DataType>& type,
                                                const arrow::Int64Array* rows, const Context& context) {
  const parquet::ColumnDescriptor& descriptor = *file.schema()->Column(leaf);
  const auto group = file.RowGroup(row_group);
  const auto chunk = group->ColumnChunk(leaf);
  // So many only a damaged file has; their bytes could not be counted.
  if (chunk->num_values() > std::numeric_limits<int64_t>::max() / static_cast<int64_t>(sizeof(Wide))) return nullptr;
  ARROW_ASSIGN_OR_RAISE(BufferPtr bytes, ReadBytes(input, *chunk, context));
  if (bytes == nullptr) return nullptr;
  std::optional<std::span<const int64_t>> chosen;
  if (rows != nullptr) chosen.emplace(rows->raw_values(), static_cast<size_t>(rows->length()));
  const Widths widths = WidthsOf(descriptor.physical_type(), *type);
  const auto read_as = [&]<typename In, typename Out>(In, Out) {
    return ReadAs<In, Out>(descriptor, *chunk, std::move(bytes), type, chosen, context);
  };
  if (widths.in == 4) return widths.out == 4 ? read_as(int32_t{}, int32_t{}) : read_as(int32_t{}, Wide{});
  return widths.out == 8 ? read_as(int64_t{}, int64_t{}) : read_as(int64_t{}, Wide{});
}

}  // namespace weft::io
