#include "weft/kernels/row_partitions.h"

#include <arrow/type_traits.h>

#include "weft/kernels/chunk_finder.h"
#include "weft/kernels/group_fold.h"

namespace weft::kernels {
namespace {

constexpr int64_t kLeastBlockRows = 1 << 17;
constexpr int64_t kMostBlocks = 64;
/// A length of 31 bits, and whether the text is null. The greatest length stands for texts so long that none is moved.
constexpr uint32_t kLongest = (uint32_t{1} << 31) - 1;
constexpr uint32_t kNullLength = uint32_t{1} << 31;

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

int64_t RowPartitions::LargestPartition() const {
  int64_t most = 0;
  for (size_t p = 0; p + 1 < starts_.size(); ++p) most = std::max(most, starts_[p + 1] - starts_[p]);
  return most;
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

arrow::Result<std::optional<RowPartitions::Texts>> RowPartitions::MoveTexts(const TextSource& source,
                                                                            const Context& context) const {
  // Lengths first; their sums say where each text goes.
  const auto read = [&](int64_t begin, int64_t length, const auto& append) {
    uint32_t lengths[kRowsAtOnce];
    uint8_t nulls[kRowsAtOnce] = {};
    for (const int64_t end = begin + length; begin < end; begin += kRowsAtOnce) {
      const int64_t n = std::min(kRowsAtOnce, end - begin);
      if (source.nulls) source.nulls(begin, n, nulls);
      uint32_t* next = lengths;
      source.read(begin, n, [&](const TextRun& run) {
        for (int64_t i = 0; i < run.n; ++i)
          *next++ = static_cast<uint32_t>(std::min<uint64_t>(run.lengths[i], kLongest));
      });
      for (int64_t i = 0; i < n; ++i) lengths[i] |= nulls[i] != 0 ? kNullLength : 0;
      append(reinterpret_cast<const uint8_t*>(lengths), n);
    }
  };
  ARROW_ASSIGN_OR_RAISE(const auto moved, Move(sizeof(uint32_t), read, context));
  const auto* const lengths = reinterpret_cast<const uint32_t*>(moved->data());
  const auto bytes_of = [&](int64_t entry) -> uint64_t {
    const uint32_t length = lengths[entry] & kLongest;
    return length == kLongest ? uint64_t{kLongest} << 16 : length;
  };
  // Rows that belong to none are moved, too: behind the others.
  const auto lanes = static_cast<int64_t>(starts_.size());
  const auto lane_end = [&](size_t lane) { return lane + 1 < starts_.size() ? starts_[lane + 1] : rows_; };
  std::vector<uint64_t> sums(starts_.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, lanes, [&](int64_t l) {
    const auto lane = static_cast<size_t>(l);
    for (int64_t e = starts_[lane]; e < lane_end(lane); ++e) sums[lane] += bytes_of(e);
    return arrow::Status::OK();
  }));
  uint64_t all = 0;
  for (uint64_t& sum : sums) all += std::exchange(sum, all);
  if (all > static_cast<uint64_t>(rows_ * kMostMovedTextBytes)) return std::nullopt;
  Texts texts;
  ARROW_ASSIGN_OR_RAISE(texts.begins,
                        arrow::AllocateBuffer((rows_ + 1) * static_cast<int64_t>(sizeof(uint64_t)), context.pool));
  auto* const begins = reinterpret_cast<uint64_t*>(texts.begins->mutable_data());
  ARROW_RETURN_NOT_OK(ParallelFor(context, lanes, [&](int64_t l) {
    const auto lane = static_cast<size_t>(l);
    uint64_t at = sums[lane];
    for (int64_t e = starts_[lane]; e < lane_end(lane); ++e) {
      begins[e] = (lengths[e] & kNullLength) != 0 ? at | kNullText : at;
      at += bytes_of(e);
    }
    return arrow::Status::OK();
  }));
  begins[rows_] = all;
  ARROW_ASSIGN_OR_RAISE(texts.bytes, arrow::AllocateBuffer(static_cast<int64_t>(all), context.pool));
  uint8_t* const bytes = texts.bytes->mutable_data();
  ARROW_RETURN_NOT_OK(ParallelFor(context, blocks_, [&](int64_t block) -> arrow::Status {
    const int64_t* const places = places_.data() + block * lanes;
    std::vector<uint8_t*> next(starts_.size());
    for (size_t lane = 0; lane < next.size(); ++lane) next[lane] = bytes + (begins[places[lane]] & ~kNullText);
    ARROW_ASSIGN_OR_RAISE(auto writer, PartitionTextWriter::Make(std::move(next), context.pool));
    const uint16_t* partitions = partitions_.data() + block * block_rows_;
    const uint8_t* moved_to[kRowsAtOnce];
    const int64_t end = std::min(rows_, (block + 1) * block_rows_);
    for (int64_t begin = block * block_rows_; begin < end; begin += kRowsAtOnce) {
      source.read(begin, std::min(kRowsAtOnce, end - begin), [&](const TextRun& run) {
        writer.Append(partitions, run.bytes, run.readable, run.lengths, run.n, moved_to);
        partitions += run.n;
      });
    }
    writer.Finish();
    return arrow::Status::OK();
  }));
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
  const ChunkFinder finder(column.chunks());
  const auto read = [&](int64_t begin, int64_t length, const auto& append) {
    finder.VisitChunks(begin, length, [&](size_t c, int64_t row, int64_t count, int64_t) {
      const arrow::ArrayData& chunk = *column.chunk(static_cast<int>(c))->data();
      append(chunk.buffers[1]->data() + (chunk.offset + row) * width, count);
    });
  };
  ARROW_ASSIGN_OR_RAISE(auto moved, Move(width, read, context));
  return arrow::MakeArray(arrow::ArrayData::Make(type, entries(), {nullptr, std::move(moved)}, 0));
}

}  // namespace weft::kernels
