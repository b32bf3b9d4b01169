#include "weft/kernels/row_partitions.h"

#include <arrow/type_traits.h>

#include <cstring>

#include "weft/kernels/group_fold.h"

namespace weft::kernels {
namespace {

constexpr int64_t kLeastBlockRows = 1 << 17;
constexpr int64_t kMostBlocks = 64;
/// Lengths that stand for null, and for texts so long that none is moved.
constexpr uint32_t kNullLength = UINT32_MAX;
constexpr uint32_t kLongest = kNullLength - 1;

}  // namespace

arrow::Result<RowPartitions> RowPartitions::Make(int64_t rows, int parts, const PartitionOf& partition_of,
                                                 const Context& context) {
  RowPartitions made;
  made.rows_ = rows;
  made.block_rows_ = std::max(kLeastBlockRows, (rows + kMostBlocks - 1) / kMostBlocks);
  made.blocks_ = (rows + made.block_rows_ - 1) / made.block_rows_;
  ARROW_ASSIGN_OR_RAISE(made.partitions_, PoolArray<uint16_t>::Make(rows, context.pool));
  const auto lanes = static_cast<size_t>(parts) + 1;
  made.places_.resize(static_cast<size_t>(made.blocks_) * lanes);
  ARROW_RETURN_NOT_OK(ParallelFor(context, made.blocks_, [&](int64_t block) {
    int64_t* const counts = made.places_.data() + static_cast<size_t>(block) * lanes;
    const int64_t end = std::min(rows, (block + 1) * made.block_rows_);
    for (int64_t begin = block * made.block_rows_; begin < end; begin += kRowsAtOnce) {
      const int64_t length = std::min(kRowsAtOnce, end - begin);
      uint16_t* const out = made.partitions_.data() + begin;
      partition_of(begin, length, out);
      for (int64_t i = 0; i < length; ++i) ++counts[out[i]];
    }
    return arrow::Status::OK();
  }));
  int64_t sum = 0;
  for (size_t lane = 0; lane < lanes; ++lane) {
    made.starts_.push_back(sum);
    for (int64_t block = 0; block < made.blocks_; ++block) {
      sum += std::exchange(made.places_[static_cast<size_t>(block) * lanes + lane], sum);
    }
  }
  return made;
}

arrow::Result<PartitionWriter> RowPartitions::Writer(int64_t block, int width, std::span<uint8_t* const> out,
                                                     const Context& context) const {
  const size_t lanes = starts_.size();
  std::vector<std::vector<uint8_t*>> next(out.size(), std::vector<uint8_t*>(lanes));
  for (size_t c = 0; c < out.size(); ++c) {
    for (size_t lane = 0; lane < lanes; ++lane) {
      next[c][lane] = out[c] + places_[static_cast<size_t>(block) * lanes + lane] * width;
    }
  }
  return PartitionWriter::Make(width, std::move(next), context.pool);
}

arrow::Result<std::optional<RowPartitions::Texts>> RowPartitions::MoveTexts(
    const std::function<std::string_view(int64_t row)>& view, const Context& context) const {
  // Lengths first; their sums say where each text goes.
  const auto read = [&](int64_t begin, int64_t length, const auto& append) {
    uint32_t lengths[kRowsAtOnce];
    for (const int64_t end = begin + length; begin < end; begin += kRowsAtOnce) {
      const int64_t n = std::min(kRowsAtOnce, end - begin);
      for (int64_t i = 0; i < n; ++i) {
        const std::string_view text = view(begin + i);
        const auto size = static_cast<uint32_t>(std::min<size_t>(text.size(), kLongest));
        lengths[i] = text.data() == nullptr ? kNullLength : size;
      }
      append(reinterpret_cast<const uint8_t*>(lengths), n);
    }
  };
  ARROW_ASSIGN_OR_RAISE(const auto moved, Move(sizeof(uint32_t), read, context));
  const auto* const lengths = reinterpret_cast<const uint32_t*>(moved->data());
  const auto bytes_of = [&](int64_t entry) -> uint64_t {
    const uint32_t length = lengths[entry];
    return length == kNullLength ? 0 : (length == kLongest ? uint64_t{kLongest} << 16 : length);
  };
  const int64_t parts = static_cast<int64_t>(starts_.size()) - 1;
  std::vector<uint64_t> sums(starts_.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, parts, [&](int64_t p) {
    const auto part = static_cast<size_t>(p);
    for (int64_t e = starts_[part]; e < starts_[part + 1]; ++e) sums[part] += bytes_of(e);
    return arrow::Status::OK();
  }));
  uint64_t all = 0;
  for (uint64_t& sum : sums) all += std::exchange(sum, all);
  if (all > static_cast<uint64_t>(entries() * kMostMovedTextBytes)) return std::nullopt;
  Texts texts;
  ARROW_ASSIGN_OR_RAISE(texts.begins,
                        arrow::AllocateBuffer((entries() + 1) * static_cast<int64_t>(sizeof(uint64_t)), context.pool));
  auto* const begins = reinterpret_cast<uint64_t*>(texts.begins->mutable_data());
  ARROW_RETURN_NOT_OK(ParallelFor(context, parts, [&](int64_t p) {
    const auto part = static_cast<size_t>(p);
    uint64_t at = sums[part];
    for (int64_t e = starts_[part]; e < starts_[part + 1]; ++e) {
      begins[e] = lengths[e] == kNullLength ? at | kNullText : at;
      at += bytes_of(e);
    }
    return arrow::Status::OK();
  }));
  begins[entries()] = all;
  ARROW_ASSIGN_OR_RAISE(texts.bytes, arrow::AllocateBuffer(static_cast<int64_t>(all), context.pool));
  uint8_t* const bytes = texts.bytes->mutable_data();
  ARROW_RETURN_NOT_OK(ForEntries(
      [&](int64_t row, int64_t entry) {
        const std::string_view text = view(row);
        if (!text.empty()) std::memcpy(bytes + begins[entry], text.data(), text.size());
      },
      context));
  return texts;
}

bool RowPartitions::CanMove(const arrow::ChunkedArray& column) {
  const arrow::DataType& type = *column.type();
  if (type.id() == arrow::Type::DICTIONARY || type.id() == arrow::Type::EXTENSION) return false;
  return column.null_count() == 0 && arrow::is_fixed_width(type.id()) && type.bit_width() % 8 == 0;
}

arrow::Result<std::shared_ptr<arrow::Array>> RowPartitions::MoveColumn(const arrow::ChunkedArray& column,
                                                                       const Context& context) const {
  if (!CanMove(column)) return nullptr;
  const auto& type = column.type();
  const int width = type->bit_width() / 8;
  const auto read = [&](int64_t begin, int64_t length, const auto& append) {
    VisitChunks(column, begin, length, [&](const arrow::Array& chunk, int64_t, int64_t row, int64_t count) {
      append(chunk.data()->buffers[1]->data() + (chunk.offset() + row) * width, count);
    });
  };
  ARROW_ASSIGN_OR_RAISE(auto moved, Move(width, read, context));
  return arrow::MakeArray(arrow::ArrayData::Make(type, entries(), {nullptr, std::move(moved)}, 0));
}

}  // namespace weft::kernels
