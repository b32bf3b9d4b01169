#include "weft/kernels/gather.h"

#include <arrow/array.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/extension_type.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "weft/kernels/chunk_finder.h"
#include "weft/kernels/pool_array.h"
#include "weft/table/dictionaries.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// Rows of one task; a multiple of 8, so that tasks write different bytes of a bitmap.
constexpr int64_t kTaskRows = 1 << 15;
/// Rows ahead that are asked for before they are read.
constexpr int64_t kPrefetch = 16;

int64_t TasksOf(int64_t rows) { return (rows + kTaskRows - 1) / kTaskRows; }

/// The validity of the rows of one array, or nullptr where all are valid.
arrow::Result<std::shared_ptr<arrow::Buffer>> GatherValidity(const arrow::ArrayData& data,
                                                             std::span<const int64_t> rows, const Context& context,
                                                             int64_t* null_count) {
  *null_count = 0;
  if (data.GetNullCount() == 0) return nullptr;
  const auto count = static_cast<int64_t>(rows.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> out, arrow::AllocateEmptyBitmap(count, context.pool));
  const uint8_t* from = data.buffers[0]->data();
  uint8_t* to = out->mutable_data();
  std::atomic<int64_t> valid{0};
  ARROW_RETURN_NOT_OK(ParallelFor(context, TasksOf(count), [&](int64_t task) {
    const int64_t end = std::min(count, (task + 1) * kTaskRows);
    int64_t found = 0;
    for (int64_t i = task * kTaskRows; i < end; ++i) {
      if (!arrow::bit_util::GetBit(from, data.offset + rows[static_cast<size_t>(i)])) continue;
      arrow::bit_util::SetBit(to, i);
      ++found;
    }
    valid += found;
    return arrow::Status::OK();
  }));
  *null_count = count - valid;
  return out;
}

template <typename T>
void CopyValues(const uint8_t* from, const int64_t* rows, int64_t count, uint8_t* to) {
  const T* source = reinterpret_cast<const T*>(from);
  T* target = reinterpret_cast<T*>(to);
  int64_t i = 0;
  for (; i + kPrefetch < count; ++i) {
    __builtin_prefetch(source + rows[i + kPrefetch]);
    target[i] = source[rows[i]];
  }
  for (; i < count; ++i) target[i] = source[rows[i]];
}

void CopyFixed(const uint8_t* from, int64_t width, const int64_t* rows, int64_t count, uint8_t* to) {
  switch (width) {
    case 1:
      return CopyValues<uint8_t>(from, rows, count, to);
    case 2:
      return CopyValues<uint16_t>(from, rows, count, to);
    case 4:
      return CopyValues<uint32_t>(from, rows, count, to);
    case 8:
      return CopyValues<uint64_t>(from, rows, count, to);
    default:
      for (int64_t i = 0; i < count; ++i) {
        std::memcpy(to + i * width, from + rows[i] * width, static_cast<size_t>(width));
      }
  }
}

arrow::Result<std::shared_ptr<arrow::Array>> GatherFixed(const arrow::ArrayData& data, std::span<const int64_t> rows,
                                                         const Context& context) {
  const auto count = static_cast<int64_t>(rows.size());
  int64_t null_count = 0;
  ARROW_ASSIGN_OR_RAISE(auto validity, GatherValidity(data, rows, context, &null_count));
  const int bit_width = static_cast<const arrow::FixedWidthType&>(*data.type).bit_width();
  std::shared_ptr<arrow::Buffer> values;
  if (bit_width == 1) {
    ARROW_ASSIGN_OR_RAISE(values, arrow::AllocateEmptyBitmap(count, context.pool));
  } else {
    ARROW_ASSIGN_OR_RAISE(values, arrow::AllocateBuffer(count * (bit_width / 8), context.pool));
  }
  const uint8_t* from = data.buffers[1]->data();
  uint8_t* to = values->mutable_data();
  ARROW_RETURN_NOT_OK(ParallelFor(context, TasksOf(count), [&](int64_t task) {
    const int64_t begin = task * kTaskRows;
    const int64_t end = std::min(count, begin + kTaskRows);
    if (bit_width == 1) {
      for (int64_t i = begin; i < end; ++i) {
        if (arrow::bit_util::GetBit(from, data.offset + rows[static_cast<size_t>(i)])) arrow::bit_util::SetBit(to, i);
      }
    } else {
      const int64_t width = bit_width / 8;
      CopyFixed(from + data.offset * width, width, rows.data() + begin, end - begin, to + begin * width);
    }
    return arrow::Status::OK();
  }));
  return arrow::MakeArray(
      arrow::ArrayData::Make(data.type, count, {std::move(validity), std::move(values)}, null_count));
}

/// Booleans and values of fixed width, from several chunks where they lie.
class ChunkedFixedGather {
 public:
  ChunkedFixedGather(const arrow::ChunkedArray& column, std::span<const int64_t> rows, const Context& context)
      : type_(column.type()),
        bit_width_(static_cast<const arrow::FixedWidthType&>(*type_).bit_width()),
        finder_(column.chunks()),
        rows_(rows),
        context_(context) {
    for (const auto& chunk : column.chunks()) {
      const arrow::ArrayData& data = *chunk->data();
      const uint8_t* values = data.buffers[1] == nullptr ? nullptr : data.buffers[1]->data();
      if (bit_width_ != 1 && values != nullptr) values += data.offset * (bit_width_ / 8);
      const bool has_nulls = chunk->null_count() > 0;
      has_nulls_ |= has_nulls;
      sources_.push_back({values, has_nulls ? data.buffers[0]->data() : nullptr, data.offset});
    }
  }

  arrow::Result<std::shared_ptr<arrow::Array>> Run() {
    const auto count = static_cast<int64_t>(rows_.size());
    std::shared_ptr<arrow::Buffer> values;
    if (bit_width_ == 1) {
      ARROW_ASSIGN_OR_RAISE(values, arrow::AllocateEmptyBitmap(count, context_.pool));
    } else {
      ARROW_ASSIGN_OR_RAISE(values, arrow::AllocateBuffer(count * (bit_width_ / 8), context_.pool));
    }
    std::shared_ptr<arrow::Buffer> validity;
    if (has_nulls_) {
      ARROW_ASSIGN_OR_RAISE(validity, arrow::AllocateEmptyBitmap(count, context_.pool));
    }
    std::atomic<int64_t> nulls{0};
    ARROW_RETURN_NOT_OK(ParallelFor(context_, TasksOf(count), [&](int64_t task) {
      const int64_t end = std::min(count, (task + 1) * kTaskRows);
      Block block;
      int64_t null_count = 0;
      for (int64_t begin = task * kTaskRows; begin < end; begin += kBlockRows) {
        const int64_t length = std::min(kBlockRows, end - begin);
        FindRows(begin, length, &block);
        CopyValues(block, length, begin, values->mutable_data());
        if (has_nulls_) null_count += CopyValidity(block, length, begin, validity->mutable_data());
      }
      nulls += null_count;
      return arrow::Status::OK();
    }));
    if (nulls == 0) validity = nullptr;
    return arrow::MakeArray(arrow::ArrayData::Make(type_, count, {std::move(validity), std::move(values)}, nulls));
  }

 private:
  static constexpr int64_t kBlockRows = 1024;

  struct Source {
    /// Of booleans their bits from the buffer's first on, else the first value.
    const uint8_t* values;
    /// nullptr where there are no nulls.
    const uint8_t* validity;
    int64_t offset;
  };
  /// Where the rows of a block lie.
  struct Block {
    const Source* sources[kBlockRows];
    int64_t rows[kBlockRows];
  };

  void FindRows(int64_t begin, int64_t length, Block* block) const {
    size_t chunk = 0;
    for (int64_t i = 0; i < length; ++i) {
      int64_t row = rows_[static_cast<size_t>(begin + i)];
      chunk = finder_.Find(&row, chunk);
      block->sources[i] = &sources_[chunk];
      block->rows[i] = row;
    }
  }

  template <int64_t kWidth>
  static void CopyWidth(const Block& block, int64_t length, uint8_t* to) {
    const auto at = [&](int64_t i) { return block.sources[i]->values + block.rows[i] * kWidth; };
    for (int64_t i = 0; i < length; ++i) {
      if (i + kPrefetch < length) __builtin_prefetch(at(i + kPrefetch));
      std::memcpy(to + i * kWidth, at(i), kWidth);
    }
  }

  /// The values of a block into the output's rows from `begin` on.
  void CopyValues(const Block& block, int64_t length, int64_t begin, uint8_t* to) const {
    if (bit_width_ == 1) {
      for (int64_t i = 0; i < length; ++i) {
        const Source& source = *block.sources[i];
        if (arrow::bit_util::GetBit(source.values, source.offset + block.rows[i])) {
          arrow::bit_util::SetBit(to, begin + i);
        }
      }
      return;
    }
    const int64_t width = bit_width_ / 8;
    to += begin * width;
    switch (width) {
      case 1:
        return CopyWidth<1>(block, length, to);
      case 2:
        return CopyWidth<2>(block, length, to);
      case 4:
        return CopyWidth<4>(block, length, to);
      case 8:
        return CopyWidth<8>(block, length, to);
      case 16:
        return CopyWidth<16>(block, length, to);
      default:
        for (int64_t i = 0; i < length; ++i) {
          std::memcpy(to + i * width, block.sources[i]->values + block.rows[i] * width, static_cast<size_t>(width));
        }
    }
  }

  /// The same for the validity; the number of nulls.
  int64_t CopyValidity(const Block& block, int64_t length, int64_t begin, uint8_t* to) const {
    int64_t null_count = 0;
    for (int64_t i = 0; i < length; ++i) {
      const Source& source = *block.sources[i];
      if (source.validity == nullptr || arrow::bit_util::GetBit(source.validity, source.offset + block.rows[i])) {
        arrow::bit_util::SetBit(to, begin + i);
      } else {
        ++null_count;
      }
    }
    return null_count;
  }

  const std::shared_ptr<arrow::DataType> type_;
  const int64_t bit_width_;
  const ChunkFinder finder_;
  const std::span<const int64_t> rows_;
  const Context& context_;
  std::vector<Source> sources_;
  bool has_nulls_ = false;
};

/// Strings and binaries, from any number of chunks, into chunks that their offsets can address.
template <typename Offset>
class BinaryGather {
 public:
  BinaryGather(const arrow::ChunkedArray& column, std::span<const int64_t> rows, const Context& context)
      : chunks_(column.chunks()), type_(column.type()), finder_(chunks_), rows_(rows), context_(context) {
    for (const auto& chunk : chunks_) {
      has_nulls_ |= chunk->null_count() > 0;
      const auto& buffer = chunk->data()->buffers[2];
      sources_.push_back({chunk->data()->template GetValues<Offset>(1), buffer == nullptr ? nullptr : buffer->data(),
                          chunk->null_count() > 0 ? chunk.get() : nullptr});
    }
  }

  arrow::Result<arrow::ArrayVector> Run() {
    const auto count = static_cast<int64_t>(rows_.size());
    arrow::ArrayVector out;
    ARROW_ASSIGN_OR_RAISE(const bool whole, Emit(0, count, &out));
    if (whole) return out;
    // Too much for one array: cut by tasks.
    const int64_t tasks = TasksOf(count);
    std::vector<int64_t> bytes(static_cast<size_t>(tasks));
    ARROW_RETURN_NOT_OK(ParallelFor(context_, tasks, [&](int64_t task) {
      bytes[static_cast<size_t>(task)] = BytesOf(task * kTaskRows, std::min(count, (task + 1) * kTaskRows));
      return arrow::Status::OK();
    }));
    int64_t begin = 0;
    int64_t sum = 0;
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t first = task * kTaskRows;
      const int64_t end = std::min(count, first + kTaskRows);
      const int64_t size = bytes[static_cast<size_t>(task)];
      if (sum + size <= kLimit) {
        sum += size;
        continue;
      }
      if (begin < first) ARROW_RETURN_NOT_OK(Emit(begin, first, &out).status());
      begin = first;
      sum = size;
      while (sum > kLimit) {  // one task alone is too much: cut it by rows
        int64_t cut = begin;
        for (int64_t part = 0; cut < end; ++cut) {
          part += BytesOf(cut, cut + 1);
          if (part > kLimit) break;
        }
        ARROW_RETURN_NOT_OK(Emit(begin, cut, &out).status());
        begin = cut;
        sum = BytesOf(begin, end);
      }
    }
    ARROW_RETURN_NOT_OK(Emit(begin, count, &out).status());
    return out;
  }

 private:
  static constexpr int64_t kLimit = std::numeric_limits<Offset>::max() - 1;

  struct Source {
    const Offset* offsets;
    const uint8_t* data;
    /// The array where it has nulls, else nullptr.
    const arrow::Array* nulls;
  };

  /// Calls visit(row of the output, source or nullptr for null, row of the source).
  template <typename Visit>
  void VisitRows(int64_t begin, int64_t end, Visit&& visit) const {
    size_t chunk = 0;
    for (int64_t i = begin; i < end; ++i) {
      int64_t row = rows_[static_cast<size_t>(i)];
      chunk = finder_.Find(&row, chunk);
      const Source& source = sources_[chunk];
      visit(i, source.nulls != nullptr && source.nulls->IsNull(row) ? nullptr : &source, row);
    }
  }

  int64_t BytesOf(int64_t begin, int64_t end) const {
    int64_t bytes = 0;
    VisitRows(begin, end, [&](int64_t, const Source* source, int64_t row) {
      if (source != nullptr) bytes += source->offsets[row + 1] - source->offsets[row];
    });
    return bytes;
  }

  /// One array of the rows [begin, end); false where its offsets cannot address it.
  arrow::Result<bool> Emit(int64_t begin, int64_t end, arrow::ArrayVector* out) {
    const int64_t count = end - begin;
    const int64_t tasks = TasksOf(count);
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets,
                          arrow::AllocateBuffer((count + 1) * static_cast<int64_t>(sizeof(Offset)), context_.pool));
    std::shared_ptr<arrow::Buffer> validity;
    if (has_nulls_) {
      ARROW_ASSIGN_OR_RAISE(validity, arrow::AllocateEmptyBitmap(count, context_.pool));
    }
    auto* ends = reinterpret_cast<Offset*>(offsets->mutable_data()) + 1;
    ends[-1] = 0;
    std::vector<int64_t> starts(static_cast<size_t>(tasks) + 1);
    std::atomic<int64_t> nulls{0};
    // Ends within each task first; where the task begins is known afterwards.
    ARROW_RETURN_NOT_OK(ParallelFor(context_, tasks, [&](int64_t task) {
      const int64_t first = begin + task * kTaskRows;
      int64_t sum = 0;
      int64_t null_count = 0;
      VisitRows(first, std::min(end, first + kTaskRows), [&](int64_t i, const Source* source, int64_t row) {
        if (source != nullptr) {
          sum += source->offsets[row + 1] - source->offsets[row];
          if (validity != nullptr) arrow::bit_util::SetBit(validity->mutable_data(), i - begin);
        } else {
          ++null_count;
        }
        ends[i - begin] = static_cast<Offset>(sum);
      });
      starts[static_cast<size_t>(task) + 1] = sum;
      nulls += null_count;
      return arrow::Status::OK();
    }));
    for (size_t task = 1; task < starts.size(); ++task) starts[task] += starts[task - 1];
    if (starts.back() > kLimit) return false;
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> data, arrow::AllocateBuffer(starts.back(), context_.pool));
    ARROW_RETURN_NOT_OK(ParallelFor(context_, tasks, [&](int64_t task) {
      const int64_t first = begin + task * kTaskRows;
      const int64_t start = starts[static_cast<size_t>(task)];
      uint8_t* to = data->mutable_data() + start;
      VisitRows(first, std::min(end, first + kTaskRows), [&](int64_t i, const Source* source, int64_t row) {
        ends[i - begin] = static_cast<Offset>(ends[i - begin] + start);
        if (source == nullptr) return;
        const auto length = static_cast<size_t>(source->offsets[row + 1] - source->offsets[row]);
        if (length == 0) return;
        std::memcpy(to, source->data + source->offsets[row], length);
        to += length;
      });
      return arrow::Status::OK();
    }));
    out->push_back(arrow::MakeArray(arrow::ArrayData::Make(
        type_, count, {nulls > 0 ? std::move(validity) : nullptr, std::move(offsets), std::move(data)}, nulls)));
    return true;
  }

  const arrow::ArrayVector& chunks_;
  const std::shared_ptr<arrow::DataType> type_;
  const ChunkFinder finder_;
  const std::span<const int64_t> rows_;
  const Context& context_;
  std::vector<Source> sources_;
  bool has_nulls_ = false;
};

/// Rows of one array of any type by Arrow's own kernel, in blocks.
arrow::Result<arrow::ArrayVector> GatherOther(const std::shared_ptr<arrow::Array>& array, std::span<const int64_t> rows,
                                              const Context& context) {
  const auto count = static_cast<int64_t>(rows.size());
  arrow::ArrayVector out(static_cast<size_t>(std::max<int64_t>(TasksOf(count), 1)));
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(out.size()), [&](int64_t task) -> arrow::Status {
    const int64_t begin = task * kTaskRows;
    const int64_t length = std::min(count - begin, kTaskRows);
    const auto indices = std::make_shared<arrow::Int64Array>(
        length, std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(rows.data() + begin),
                                                length * static_cast<int64_t>(sizeof(int64_t))));
    arrow::compute::ExecContext exec(context.pool);
    exec.set_use_threads(false);
    ARROW_ASSIGN_OR_RAISE(
        const arrow::Datum taken,
        arrow::compute::Take(array, arrow::Datum(indices), arrow::compute::TakeOptions::NoBoundsCheck(), &exec));
    out[static_cast<size_t>(task)] = taken.make_array();
    return arrow::Status::OK();
  }));
  return out;
}

/// A dictionary column that Arrow cannot unify (its chunks have more values together than the index type can number, or
/// a dictionary holds a null): blocks of so few rows that each has a dictionary of its own, a value a row.
arrow::Result<arrow::ArrayVector> GatherSmallDictionaries(const arrow::ChunkedArray& column,
                                                          std::span<const int64_t> rows, int64_t block_rows,
                                                          const Context& context) {
  const auto& type = static_cast<const arrow::DictionaryType&>(*column.type());
  arrow::ArrayVector decoded;
  for (const auto& chunk : column.chunks()) {
    const auto& encoded = static_cast<const arrow::DictionaryArray&>(*chunk);
    arrow::compute::ExecContext exec(context.pool);
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum values,
                          arrow::compute::Take(encoded.dictionary(), encoded.indices(),
                                               arrow::compute::TakeOptions::NoBoundsCheck(), &exec));
    decoded.push_back(values.make_array());
  }
  ARROW_ASSIGN_OR_RAISE(const auto plain,
                        GatherColumn(std::make_shared<arrow::ChunkedArray>(decoded, type.value_type()), rows, context));
  arrow::ArrayVector out;
  for (const auto& chunk : plain->chunks()) {
    for (int64_t begin = 0; begin < chunk->length(); begin += block_rows) {
      const auto block = chunk->Slice(begin, std::min(block_rows, chunk->length() - begin));
      std::unique_ptr<arrow::ArrayBuilder> builder;
      ARROW_RETURN_NOT_OK(arrow::MakeBuilder(context.pool, type.index_type(), &builder));
      for (int64_t i = 0; i < block->length(); ++i) {
        if (block->IsNull(i)) {
          ARROW_RETURN_NOT_OK(builder->AppendNull());
        } else {
          ARROW_ASSIGN_OR_RAISE(const auto index, arrow::MakeScalar(type.index_type(), i));
          ARROW_RETURN_NOT_OK(builder->AppendScalar(*index));
        }
      }
      ARROW_ASSIGN_OR_RAISE(const auto indices, builder->Finish());
      out.push_back(std::make_shared<arrow::DictionaryArray>(column.type(), indices, block));
    }
  }
  return out;
}

arrow::Result<arrow::ArrayVector> GatherDictionary(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                   std::span<const int64_t> rows, const Context& context) {
  const auto& type = static_cast<const arrow::DictionaryType&>(*column->type());
  auto result = table::UnifyDictionaries(column, context.pool);
  if (!result.ok()) {
    if (result.status().IsOutOfMemory()) return result.status();
    const int bits = static_cast<const arrow::FixedWidthType&>(*type.index_type()).bit_width();
    const int64_t most = bits == 8 ? 127 : (bits == 16 ? 32767 : std::numeric_limits<int32_t>::max());
    return GatherSmallDictionaries(*column, rows, most, context);
  }
  const auto unified = *std::move(result);
  arrow::ArrayVector indices;
  for (const auto& chunk : unified->chunks()) {
    indices.push_back(static_cast<const arrow::DictionaryArray&>(*chunk).indices());
  }
  ARROW_ASSIGN_OR_RAISE(const auto gathered,
                        GatherColumn(std::make_shared<arrow::ChunkedArray>(indices, type.index_type()), rows, context));
  arrow::ArrayVector out;
  for (const auto& chunk : gathered->chunks()) {
    out.push_back(std::make_shared<arrow::DictionaryArray>(
        column->type(), chunk, static_cast<const arrow::DictionaryArray&>(*unified->chunk(0)).dictionary()));
  }
  return out;
}

arrow::Result<arrow::ArrayVector> GatherExtension(const arrow::ChunkedArray& column, std::span<const int64_t> rows,
                                                  const Context& context) {
  const auto& type = static_cast<const arrow::ExtensionType&>(*column.type());
  arrow::ArrayVector storage;
  for (const auto& chunk : column.chunks()) {
    storage.push_back(static_cast<const arrow::ExtensionArray&>(*chunk).storage());
  }
  ARROW_ASSIGN_OR_RAISE(
      const auto gathered,
      GatherColumn(std::make_shared<arrow::ChunkedArray>(storage, type.storage_type()), rows, context));
  arrow::ArrayVector out;
  for (const auto& chunk : gathered->chunks()) out.push_back(arrow::ExtensionType::WrapArray(column.type(), chunk));
  return out;
}

/// Lists, maps, fixed-size lists and structs: the children are gathered as columns of their own, by the rows of the
/// children that the rows chosen stand for.
class NestedGather {
 public:
  NestedGather(const arrow::ChunkedArray& column, std::span<const int64_t> rows, const Context& context)
      : chunks_(column.chunks()), type_(column.type()), finder_(chunks_), rows_(rows), context_(context) {
    for (const auto& chunk : chunks_) has_nulls_ |= chunk->null_count() > 0;
  }

  arrow::Result<arrow::ArrayVector> Run() {
    ARROW_RETURN_NOT_OK(Emit(0, static_cast<int64_t>(rows_.size())));
    return std::move(out_);
  }

 private:
  bool is_list() const { return type_->id() != Type::STRUCT; }

  /// Calls visit(output row, chunk, row in the chunk).
  template <typename Visit>
  void VisitRows(int64_t begin, int64_t end, Visit&& visit) const {
    size_t chunk = 0;
    for (int64_t i = begin; i < end; ++i) {
      int64_t row = rows_[static_cast<size_t>(i)];
      chunk = finder_.Find(&row, chunk);
      visit(i, *chunks_[chunk], chunk, row);
    }
  }

  /// First child row and number of child rows of a list; none for null, but for those of fixed size.
  std::pair<int64_t, int64_t> ListRange(const arrow::Array& array, int64_t row) const {
    if (type_->id() == Type::FIXED_SIZE_LIST) {
      const int64_t size = static_cast<const arrow::FixedSizeListType&>(*type_).list_size();
      return {(array.offset() + row) * size, size};
    }
    if (array.IsNull(row)) return {0, 0};
    if (type_->id() == Type::LARGE_LIST) {
      const auto* offsets = array.data()->GetValues<int64_t>(1) + row;
      return {offsets[0], offsets[1] - offsets[0]};
    }
    const auto* offsets = array.data()->GetValues<int32_t>(1) + row;
    return {offsets[0], offsets[1] - offsets[0]};
  }

  /// One array a call, or two halves where a child does not fit one array.
  arrow::Status Emit(int64_t begin, int64_t end) {
    ARROW_RETURN_NOT_OK(context_.stop.Poll());
    const int64_t count = end - begin;
    std::vector<std::shared_ptr<arrow::Buffer>> buffers(1);
    int64_t null_count = 0;
    if (has_nulls_) {
      ARROW_ASSIGN_OR_RAISE(buffers[0], arrow::AllocateEmptyBitmap(count, context_.pool));
      VisitRows(begin, end, [&](int64_t i, const arrow::Array& array, size_t, int64_t row) {
        if (array.IsNull(row)) {
          ++null_count;
        } else {
          arrow::bit_util::SetBit(buffers[0]->mutable_data(), i - begin);
        }
      });
    }
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (int c = 0; c < type_->num_fields(); ++c) {
      ARROW_ASSIGN_OR_RAISE(const auto child, GatherChild(c, begin, end, c == 0 ? &buffers : nullptr));
      if (child->num_chunks() > 1) {
        if (count <= 1) {
          return arrow::Status::CapacityError("a single value of type ", type_->ToString(), " does not fit one array");
        }
        ARROW_RETURN_NOT_OK(Emit(begin, begin + count / 2));
        return Emit(begin + count / 2, end);
      }
      children.push_back(child->chunk(0)->data());
    }
    out_.push_back(
        arrow::MakeArray(arrow::ArrayData::Make(type_, count, std::move(buffers), std::move(children), null_count)));
    return arrow::Status::OK();
  }

  /// The child's rows for [begin, end) of the output; of lists, their offsets go to `buffers`. More than one chunk
  /// where they do not fit one array.
  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> GatherChild(
      int c, int64_t begin, int64_t end, std::vector<std::shared_ptr<arrow::Buffer>>* buffers) {
    arrow::ArrayVector sources;
    std::vector<int64_t> starts{0};
    for (const auto& chunk : chunks_) {
      const auto& child = chunk->data()->child_data[static_cast<size_t>(c)];
      sources.push_back(arrow::MakeArray(child));
      starts.push_back(starts.back() + sources.back()->length());
    }
    const auto source = std::make_shared<arrow::ChunkedArray>(sources, type_->field(c)->type());
    if (!is_list()) {
      ARROW_ASSIGN_OR_RAISE(auto child_rows, PoolArray<int64_t>::Make(end - begin, context_.pool));
      VisitRows(begin, end, [&](int64_t i, const arrow::Array& array, size_t chunk, int64_t row) {
        child_rows[i - begin] = starts[chunk] + array.offset() + row;
      });
      return GatherColumn(source, child_rows.span(), context_);
    }
    int64_t total = 0;
    VisitRows(begin, end,
              [&](int64_t, const arrow::Array& array, size_t, int64_t row) { total += ListRange(array, row).second; });
    const bool wide = type_->id() == Type::LARGE_LIST;
    const bool fixed = type_->id() == Type::FIXED_SIZE_LIST;
    if (!wide && !fixed && total > std::numeric_limits<int32_t>::max()) {
      ARROW_ASSIGN_OR_RAISE(const auto empty, arrow::MakeEmptyArray(source->type(), context_.pool));
      return std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{empty, empty});
    }
    ARROW_ASSIGN_OR_RAISE(auto child_rows, PoolArray<int64_t>::Make(total, context_.pool));
    std::shared_ptr<arrow::Buffer> offsets;
    if (!fixed) {
      ARROW_ASSIGN_OR_RAISE(offsets, arrow::AllocateBuffer((end - begin + 1) * (wide ? 8 : 4), context_.pool));
    }
    int64_t at = 0;
    const auto set_offset = [&](int64_t i) {
      if (wide) reinterpret_cast<int64_t*>(offsets->mutable_data())[i] = at;
      if (!wide && !fixed) reinterpret_cast<int32_t*>(offsets->mutable_data())[i] = static_cast<int32_t>(at);
    };
    VisitRows(begin, end, [&](int64_t i, const arrow::Array& array, size_t chunk, int64_t row) {
      set_offset(i - begin);
      const auto [first, length] = ListRange(array, row);
      for (int64_t j = 0; j < length; ++j) child_rows[at++] = starts[chunk] + first + j;
    });
    set_offset(end - begin);
    if (!fixed) buffers->push_back(std::move(offsets));
    return GatherColumn(source, child_rows.span(), context_);
  }

  const arrow::ArrayVector& chunks_;
  const std::shared_ptr<arrow::DataType> type_;
  const ChunkFinder finder_;
  const std::span<const int64_t> rows_;
  const Context& context_;
  bool has_nulls_ = false;
  arrow::ArrayVector out_;
};

bool IsFixedWidth(const arrow::DataType& type) {
  return arrow::is_primitive(type.id()) || arrow::is_decimal(type.id()) || type.id() == Type::FIXED_SIZE_BINARY ||
         type.id() == Type::INTERVAL_MONTH_DAY_NANO;
}

/// Of one array, or of several put together first where so many rows pay for it and there is memory for it.
arrow::Result<std::shared_ptr<arrow::Array>> GatherFixedColumn(const arrow::ChunkedArray& column,
                                                               std::span<const int64_t> rows, const Context& context) {
  // A row that has to be looked for costs about as much as sixteen that are copied.
  constexpr int64_t kRowsCopied = 16;
  if (column.num_chunks() == 1) return GatherFixed(*column.chunk(0)->data(), rows, context);
  if (static_cast<int64_t>(rows.size()) >= column.length() / kRowsCopied) {
    const auto whole = arrow::Concatenate(column.chunks(), context.pool);
    auto gathered = whole.ok() ? GatherFixed(*(*whole)->data(), rows, context) : whole;
    if (!gathered.status().IsOutOfMemory()) return gathered;
  }
  return ChunkedFixedGather(column, rows, context).Run();
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> GatherColumn(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                                 std::span<const int64_t> rows,
                                                                 const Context& context) {
  const auto& type = column->type();
  const auto done = [&](arrow::ArrayVector chunks) {
    return std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
  };
  if (rows.empty()) {
    ARROW_ASSIGN_OR_RAISE(auto empty, arrow::MakeEmptyArray(type, context.pool));
    return done({std::move(empty)});
  }
  switch (type->id()) {
    case Type::NA:
      return done({std::make_shared<arrow::NullArray>(static_cast<int64_t>(rows.size()))});
    case Type::STRING:
    case Type::BINARY: {
      ARROW_ASSIGN_OR_RAISE(auto chunks, BinaryGather<int32_t>(*column, rows, context).Run());
      return done(std::move(chunks));
    }
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY: {
      ARROW_ASSIGN_OR_RAISE(auto chunks, BinaryGather<int64_t>(*column, rows, context).Run());
      return done(std::move(chunks));
    }
    case Type::DICTIONARY: {
      ARROW_ASSIGN_OR_RAISE(auto chunks, GatherDictionary(column, rows, context));
      return done(std::move(chunks));
    }
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::MAP:
    case Type::FIXED_SIZE_LIST:
    case Type::STRUCT: {
      ARROW_ASSIGN_OR_RAISE(auto chunks, NestedGather(*column, rows, context).Run());
      return done(std::move(chunks));
    }
    case Type::EXTENSION: {
      ARROW_ASSIGN_OR_RAISE(auto chunks, GatherExtension(*column, rows, context));
      return done(std::move(chunks));
    }
    default:
      break;
  }
  if (IsFixedWidth(*type)) {
    ARROW_ASSIGN_OR_RAISE(auto array, GatherFixedColumn(*column, rows, context));
    return done({std::move(array)});
  }
  auto array = column->chunk(0);
  if (column->num_chunks() > 1) {
    ARROW_ASSIGN_OR_RAISE(array, arrow::Concatenate(column->chunks(), context.pool));
  }
  ARROW_ASSIGN_OR_RAISE(auto chunks, GatherOther(array, rows, context));
  return done(std::move(chunks));
}

arrow::Result<std::shared_ptr<arrow::Table>> GatherRows(const std::shared_ptr<arrow::Table>& table,
                                                        std::span<const int64_t> rows, const Context& context) {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (const auto& column : table->columns()) {
    ARROW_ASSIGN_OR_RAISE(auto gathered, GatherColumn(column, rows, context));
    columns.push_back(std::move(gathered));
  }
  return arrow::Table::Make(table->schema(), std::move(columns), static_cast<int64_t>(rows.size()));
}

}  // namespace weft::kernels
