#include "weft/kernels/join_partition.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "weft/kernels/key_texts.h"

namespace weft::kernels {
namespace {

constexpr int64_t kBlockRows = 2048;
constexpr int64_t kRangeRows = int64_t{1} << 18;

/// Rows that one task counts and scatters.
struct Range {
  size_t side;
  int64_t begin;
  int64_t end;
  /// Of these rows; later of those before them on their side.
  PartitionCounts counts;
};

int64_t AlignToLine(int64_t bytes) { return (bytes + PartitionWriter::kLine - 1) & ~(PartitionWriter::kLine - 1); }

struct Block {
  alignas(64) uint64_t words[kBlockRows];
  alignas(64) uint8_t values[PartitionWriter::kMostColumns][kBlockRows * 8];
  uint64_t lengths[kBlockRows];
  const uint8_t* places[kBlockRows];
  uint16_t partitions[kBlockRows];
};

PartitionCounts NoCounts(const JoinSide& side, size_t partitions) {
  PartitionCounts counts;
  counts.rows.assign(partitions, 0);
  for (const Slot& slot : side.slots()) {
    counts.text_bytes.emplace_back(slot.kind == Slot::Kind::kTextPlace ? partitions : 0, 0);
  }
  return counts;
}

/// Makes `counts` those of the rows before, and adds it to these.
void Accumulate(std::vector<int64_t>* counts, std::vector<int64_t>* before) {
  for (size_t p = 0; p < counts->size(); ++p) {
    const int64_t earlier = (*before)[p];
    (*before)[p] += (*counts)[p];
    (*counts)[p] = earlier;
  }
}

void CountRange(const JoinSide& side, const WordCut& cut, Range* range) {
  range->counts = NoCounts(side, size_t{1} << cut.bits);
  const auto& slots = side.slots();
  const auto block = std::make_unique<Block>();
  side.ForBlocks(range->begin, range->end, kBlockRows, [&](size_t piece, int64_t begin, int64_t n, int64_t) {
    const uint64_t* words = side.ReadWords(piece, begin, n, block->words);
    CountPartitions(words, n, cut, range->counts.rows.data());
    bool found = false;
    for (size_t s = 1; s < slots.size(); ++s) {
      if (slots[s].kind != Slot::Kind::kTextPlace) continue;
      if (!found) FindPartitions(words, n, cut, block->partitions);
      found = true;
      side.Read(slots[s], piece, begin, n, reinterpret_cast<uint8_t*>(block->lengths));
      int64_t* const bytes = range->counts.text_bytes[s].data();
      for (int64_t i = 0; i < n; ++i) bytes[block->partitions[i]] += static_cast<int64_t>(block->lengths[i]);
    }
  });
}

/// Where a slot's values of each partition begin, and the texts that they are places of.
struct SlotBegins {
  std::vector<uint8_t*> values;
  std::vector<uint8_t*> texts;
};

/// Moves the texts of a block and writes their places to `values`.
void MoveTexts(const arrow::ArrayData& data, int64_t begin, int64_t n, const std::vector<uint8_t*>& texts,
               PartitionTextWriter* writer, Block* block, uint8_t* values) {
  const TextRun run = ReadTexts(data, begin, n, block->lengths);
  writer->Append(block->partitions, run.bytes, run.readable, run.lengths, n, block->places);
  auto* const out = reinterpret_cast<uint64_t*>(values);
  for (int64_t i = 0; i < n; ++i) {
    out[i] = MakeTextPlace(block->places[i] - texts[block->partitions[i]], static_cast<int64_t>(block->lengths[i]));
  }
}

/// Slots of one width that are scattered together.
struct SlotGroup {
  std::vector<size_t> slots;
  PartitionWriter writer;
};

arrow::Result<std::vector<SlotGroup>> GroupSlots(const JoinSide& side, const Range& range,
                                                 const std::vector<SlotBegins>& begins, arrow::MemoryPool* pool) {
  std::vector<size_t> order(begins.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto width = [&](size_t s) { return side.slots()[s].width; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return width(a) < width(b); });
  std::vector<SlotGroup> groups;
  for (size_t at = 0; at < order.size();) {
    SlotGroup group;
    std::vector<std::vector<uint8_t*>> next;
    for (; at < order.size() && group.slots.size() < PartitionWriter::kMostColumns; ++at) {
      if (!group.slots.empty() && width(order[at]) != width(group.slots[0])) break;
      group.slots.push_back(order[at]);
      next.push_back(begins[order[at]].values);
      for (size_t p = 0; p < next.back().size(); ++p) next.back()[p] += range.counts.rows[p] * width(order[at]);
    }
    ARROW_ASSIGN_OR_RAISE(group.writer, PartitionWriter::Make(width(group.slots[0]), std::move(next), pool));
    groups.push_back(std::move(group));
  }
  return groups;
}

arrow::Status ScatterRange(const JoinSide& side, const Range& range, const WordCut& cut,
                           const std::vector<SlotBegins>& slots, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto groups, GroupSlots(side, range, slots, pool));
  std::vector<std::optional<PartitionTextWriter>> text_writers(slots.size());
  for (size_t s = 0; s < slots.size(); ++s) {
    if (side.slots()[s].kind != Slot::Kind::kTextPlace) continue;
    std::vector<uint8_t*> next = slots[s].texts;
    for (size_t p = 0; p < next.size(); ++p) next[p] += range.counts.text_bytes[s][p];
    ARROW_ASSIGN_OR_RAISE(text_writers[s], PartitionTextWriter::Make(std::move(next), pool));
  }
  const auto block = std::make_unique<Block>();
  side.ForBlocks(range.begin, range.end, kBlockRows, [&](size_t piece, int64_t begin, int64_t n, int64_t) {
    const uint64_t* words = side.ReadWords(piece, begin, n, block->words);
    FindPartitions(words, n, cut, block->partitions);
    for (SlotGroup& group : groups) {
      const uint8_t* values[PartitionWriter::kMostColumns];
      for (size_t c = 0; c < group.slots.size(); ++c) {
        const size_t s = group.slots[c];
        const Slot& slot = side.slots()[s];
        uint8_t* const made = block->values[c];
        if (s == 0) {
          values[c] = reinterpret_cast<const uint8_t*>(words);
        } else if (text_writers[s].has_value()) {
          const arrow::ArrayData& data = *side.pieces()[piece].columns[static_cast<size_t>(slot.column)];
          MoveTexts(data, begin, n, slots[s].texts, &*text_writers[s], block.get(), made);
          values[c] = made;
        } else {
          values[c] = side.Read(slot, piece, begin, n, made);
        }
      }
      group.writer.Append(block->partitions, values, n);
    }
  });
  for (SlotGroup& group : groups) group.writer.Finish();
  for (auto& writer : text_writers) {
    if (writer.has_value()) writer->Finish();
  }
  return arrow::Status::OK();
}

}  // namespace

template <typename Visit>
void JoinPartitions::ForSlots(size_t partition, Visit&& visit) const {
  for (size_t s = 0; s < 2; ++s) {
    const auto& slots = sides_[s]->slots();
    for (size_t k = 0; k < slots.size(); ++k) {
      const auto& texts = counts_[s].text_bytes[k];
      visit(s, k, AlignToLine(counts_[s].rows[partition] * slots[k].width),
            texts.empty() ? 0 : AlignToLine(texts[partition] + kTextRoom));
    }
  }
}

arrow::Status JoinPartitions::Allocate(arrow::MemoryPool* pool) {
  for (size_t p = 0; p < memory_.size(); ++p) {
    for (size_t s = 0; s < 2; ++s) {
      if (counts_[s].rows[p] >= int64_t{kNoRow}) {
        return arrow::Status::CapacityError("join: ", counts_[s].rows[p], " rows fall into one partition; ", kNoRow,
                                            " are the most");
      }
    }
    int64_t bytes = 0;
    ForSlots(p, [&](size_t, size_t, int64_t values, int64_t texts) { bytes += values + texts; });
    ARROW_ASSIGN_OR_RAISE(memory_[p], arrow::AllocateBuffer(bytes, PartitionWriter::kLine, pool));
  }
  return arrow::Status::OK();
}

SideView JoinPartitions::View(Side side, int64_t partition) const {
  const auto p = static_cast<size_t>(partition);
  const uint8_t* at = memory_[p]->data();
  SideView view;
  ForSlots(p, [&](size_t s, size_t, int64_t values, int64_t texts) {
    if (s == static_cast<size_t>(side)) {
      view.slots.push_back(at);
      view.texts.push_back(texts == 0 ? nullptr : at + values);
    }
    at += values + texts;
  });
  view.side = sides_[static_cast<size_t>(side)];
  view.rows = counts_[static_cast<size_t>(side)].rows[p];
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
    out.counts_[s] = NoCounts(*out.sides_[s], partitions);
  }
  const auto tasks = static_cast<int64_t>(ranges.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, tasks, [&](int64_t task) {
    Range& range = ranges[static_cast<size_t>(task)];
    CountRange(*out.sides_[range.side], cut, &range);
    return arrow::Status::OK();
  }));
  for (Range& range : ranges) {
    PartitionCounts& before = out.counts_[range.side];
    Accumulate(&range.counts.rows, &before.rows);
    for (size_t k = 0; k < before.text_bytes.size(); ++k) {
      Accumulate(&range.counts.text_bytes[k], &before.text_bytes[k]);
    }
  }
  out.memory_.resize(partitions);
  ARROW_RETURN_NOT_OK(out.Allocate(context.pool));

  std::array<std::vector<SlotBegins>, 2> slots;
  for (size_t s = 0; s < 2; ++s) slots[s].resize(out.sides_[s]->slots().size());
  for (size_t p = 0; p < partitions; ++p) {
    uint8_t* at = out.memory_[p]->mutable_data();
    out.ForSlots(p, [&](size_t s, size_t k, int64_t values, int64_t texts) {
      slots[s][k].values.push_back(at);
      if (texts > 0) slots[s][k].texts.push_back(at + values);
      at += values + texts;
    });
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
