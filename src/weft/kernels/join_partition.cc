#include "weft/kernels/join_partition.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft::kernels {
namespace {

constexpr int64_t kBlockRows = 2048;
constexpr int64_t kRangeRows = int64_t{1} << 18;

/// Rows that one task counts and scatters.
struct Range {
  size_t side;
  int64_t begin;
  int64_t end;
  /// Rows by partition; after Prefix: rows of earlier ranges of the side, by partition.
  std::vector<int64_t> counts;
};

int64_t AlignToLine(int64_t bytes) { return (bytes + PartitionWriter::kLine - 1) & ~(PartitionWriter::kLine - 1); }

struct Block {
  alignas(64) uint64_t words[kBlockRows];
  alignas(64) uint8_t values[kBlockRows * 32];
  uint16_t partitions[kBlockRows];
};

arrow::Status ScatterRange(const JoinSide& side, const Range& range, const WordCut& cut,
                           const std::vector<std::vector<uint8_t*>>& slots, arrow::MemoryPool* pool) {
  std::vector<PartitionWriter> writers;
  for (size_t s = 0; s < slots.size(); ++s) {
    std::vector<uint8_t*> next = slots[s];
    const int width = side.slots()[s].width;
    for (size_t p = 0; p < next.size(); ++p) next[p] += range.counts[p] * width;
    ARROW_ASSIGN_OR_RAISE(auto writer, PartitionWriter::Make(width, std::move(next), pool));
    writers.push_back(std::move(writer));
  }
  const auto block = std::make_unique<Block>();
  side.ForBlocks(range.begin, range.end, kBlockRows, [&](size_t piece, int64_t begin, int64_t n, int64_t) {
    const uint64_t* words = side.ReadWords(piece, begin, n, block->words);
    FindPartitions(words, n, cut, block->partitions);
    writers[0].Append(block->partitions, reinterpret_cast<const uint8_t*>(words), n);
    for (size_t s = 1; s < writers.size(); ++s) {
      writers[s].Append(block->partitions, side.Read(side.slots()[s], piece, begin, n, block->values), n);
    }
  });
  for (auto& writer : writers) writer.Finish();
  return arrow::Status::OK();
}

}  // namespace

arrow::Status JoinPartitions::Allocate(arrow::MemoryPool* pool) {
  for (size_t p = 0; p < memory_.size(); ++p) {
    int64_t bytes = 0;
    for (size_t s = 0; s < 2; ++s) {
      if (rows_[s][p] >= int64_t{kNoRow}) {
        return arrow::Status::CapacityError("join: ", rows_[s][p], " rows fall into one partition; ", kNoRow,
                                            " are the most");
      }
      for (const Slot& slot : sides_[s]->slots()) bytes += AlignToLine(rows_[s][p] * slot.width);
    }
    ARROW_ASSIGN_OR_RAISE(memory_[p], arrow::AllocateBuffer(bytes, PartitionWriter::kLine, pool));
  }
  return arrow::Status::OK();
}

SideView JoinPartitions::View(Side side, int64_t partition) const {
  const auto p = static_cast<size_t>(partition);
  uint8_t* at = memory_[p]->mutable_data();
  SideView view;
  for (size_t s = 0; s < 2; ++s) {
    for (const Slot& slot : sides_[s]->slots()) {
      if (s == static_cast<size_t>(side)) view.slots.push_back(at);
      at += AlignToLine(rows_[s][p] * slot.width);
    }
  }
  view.side = sides_[static_cast<size_t>(side)];
  view.rows = rows_[static_cast<size_t>(side)][p];
  return view;
}

arrow::Result<JoinPartitions> JoinPartitions::Make(JoinSide* left, JoinSide* right, const WordCut& cut,
                                                   const Context& context) {
  JoinPartitions out;
  out.sides_ = {left, right};
  const size_t partitions = size_t{1} << cut.bits;
  std::vector<Range> ranges;
  for (size_t s = 0; s < 2; ++s) {
    const int64_t rows = out.sides_[s]->rows();
    for (int64_t row = 0; row < rows; row += kRangeRows) {
      ranges.push_back({s, row, std::min(rows, row + kRangeRows), {}});
    }
  }
  const auto tasks = static_cast<int64_t>(ranges.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, tasks, [&](int64_t task) {
    Range& range = ranges[static_cast<size_t>(task)];
    const JoinSide& side = *out.sides_[range.side];
    range.counts.assign(partitions, 0);
    std::vector<uint64_t> scratch(kBlockRows);
    side.ForBlocks(range.begin, range.end, kBlockRows, [&](size_t piece, int64_t begin, int64_t n, int64_t) {
      CountPartitions(side.ReadWords(piece, begin, n, scratch.data()), n, cut, range.counts.data());
    });
    return arrow::Status::OK();
  }));
  for (auto& rows : out.rows_) rows.assign(partitions, 0);
  for (Range& range : ranges) {
    for (size_t p = 0; p < partitions; ++p) {
      const int64_t before = out.rows_[range.side][p];
      out.rows_[range.side][p] += range.counts[p];
      range.counts[p] = before;
    }
  }
  out.memory_.resize(partitions);
  ARROW_RETURN_NOT_OK(out.Allocate(context.pool));

  // By side and slot: where each partition's values begin.
  std::array<std::vector<std::vector<uint8_t*>>, 2> slots;
  for (size_t s = 0; s < 2; ++s) {
    slots[s].assign(out.sides_[s]->slots().size(), std::vector<uint8_t*>(partitions));
    for (size_t p = 0; p < partitions; ++p) {
      const SideView view = out.View(static_cast<Side>(s), static_cast<int64_t>(p));
      for (size_t k = 0; k < slots[s].size(); ++k) slots[s][k][p] = const_cast<uint8_t*>(view.slots[k]);
    }
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, tasks, [&](int64_t task) {
    const Range& range = ranges[static_cast<size_t>(task)];
    return ScatterRange(*out.sides_[range.side], range, cut, slots[range.side], context.pool);
  }));
  return out;
}

arrow::Result<RangeView> ViewRange(JoinSide* side, int64_t begin, int64_t end, arrow::MemoryPool* pool) {
  RangeView out;
  out.view.side = side;
  out.view.rows = end - begin;
  if (end - begin >= int64_t{kNoRow}) {
    return arrow::Status::CapacityError("join: ", end - begin, " rows in one partition; ", kNoRow, " are the most");
  }
  int blocks = 0;
  side->ForBlocks(begin, end, end - begin, [&](size_t, int64_t, int64_t, int64_t) { ++blocks; });
  if (blocks == 1) {
    side->ForBlocks(begin, end, end - begin, [&](size_t piece, int64_t at, int64_t, int64_t) {
      out.view.piece = static_cast<int64_t>(piece);
      out.view.piece_row = at;
    });
  }
  for (const Slot& slot : side->slots()) {
    if ((slot.kind == Slot::Kind::kWord && side->word_kind() == WordKind::kNone) ||
        (slot.kind == Slot::Kind::kRowId && blocks == 1)) {
      out.view.slots.push_back(nullptr);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> memory, arrow::AllocateBuffer(0, pool));
    uint8_t* values = memory->mutable_data();
    const bool in_place =
        blocks == 1 && (slot.kind == Slot::Kind::kValues || (slot.kind == Slot::Kind::kWord && side->words_in_place()));
    if (!in_place) {
      ARROW_ASSIGN_OR_RAISE(memory, arrow::AllocateBuffer((end - begin) * slot.width, pool));
      values = memory->mutable_data();
    }
    const uint8_t* read = values;
    side->ForBlocks(begin, end, end - begin, [&](size_t piece, int64_t at, int64_t n, int64_t offset) {
      uint8_t* to = values + offset * slot.width;
      const uint8_t* from = side->Read(slot, piece, at, n, to);
      if (in_place) {
        read = from;
      } else if (from != to) {
        std::memcpy(to, from, static_cast<size_t>(n * slot.width));
      }
    });
    out.view.slots.push_back(read);
    out.memory.push_back(std::move(memory));
  }
  return out;
}

}  // namespace weft::kernels
