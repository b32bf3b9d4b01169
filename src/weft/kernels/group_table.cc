#include "weft/kernels/group_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "weft/kernels/group_keys.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/radix_partition.h"
#include "weft/kernels/row_order.h"

namespace weft::kernels {
namespace {

/// The fewest rows of a block when there are few groups. Blocks depend on the data alone, so that sums of floats do not
/// depend on threads.
constexpr int64_t kBlockRows = 1 << 17;
/// More blocks than this are not made; they grow instead.
constexpr int64_t kMaxBlocks = 64;
/// Nor fewer, whatever the number of groups.
constexpr int64_t kLeastBlocks = 4;
/// A block has at least so many rows a group, so that putting blocks together is little beside them.
constexpr int64_t kBlockRowsPerGroup = 16;
/// With more groups than this (their table and states no longer fit the last-level cache) rows are partitioned first.
constexpr int64_t kFewGroups = 1 << 18;
/// The same where keys are compared, each look-up reading a row of the group somewhere.
constexpr int64_t kFewComparedGroups = 1 << 14;
/// Codes of at most so many bits index a table directly, where the table has not many more places than rows.
constexpr int kDirectBits = 22;
/// With at least so many groups it is worth looking whether they come in ascending order.
constexpr int64_t kManyRuns = 1 << 12;
/// Rows looked at to tell few groups from many.
constexpr int64_t kSampleRows = 1 << 13;
/// Codes of at most so many bits, and so many places a row, index the tables of partitions.
constexpr int kPlacedBits = 40;
constexpr int64_t kPlacesPerRow = 4;
/// Rows of one partition when there are many groups, and the most partitions.
constexpr int64_t kPartitionRows = 24 * 1024;
/// Ranges of keys are no partitions where one would have more than this share of the rows, and more than so many.
constexpr int64_t kMostShare = 32;
constexpr int64_t kMostPartitionRows = 4 * kPartitionRows;
/// The most tasks that partitions' groups are put in order by: each looks for where it begins in every partition.
constexpr int64_t kMergeTasks = 16;

/// Open addressing with linear probing; groups are numbered from 1 as they come.
class CodeTable {
 public:
  CodeTable(const GroupKeys& keys, arrow::MemoryPool* pool) : keys_(keys), pool_(pool) {}

  /// Where the cut has places, those of codes index the table.
  arrow::Status Begin(int64_t expected, const WordCut& cut) {
    direct_ = cut.places > 0;
    shift_ = cut.bits;
    ARROW_ASSIGN_OR_RAISE(first_rows_, PoolArray<int64_t>::Make(1024, pool_));
    ARROW_ASSIGN_OR_RAISE(codes_, PoolArray<uint64_t>::Make(1024, pool_));
    if (direct_) {
      ARROW_ASSIGN_OR_RAISE(direct_ids_, PoolArray<uint32_t>::MakeZero(cut.places, pool_));
      return arrow::Status::OK();
    }
    return Resize(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(expected * 2, 64))));
  }

  /// The ids of entries with `codes`, of rows rows[i], or first + i where rows is nullptr. Dropped ones get 0.
  arrow::Status Assign(const uint64_t* codes, const int64_t* rows, int64_t first, const uint8_t* dropped,
                       int64_t length, uint32_t* ids) {
    ARROW_RETURN_NOT_OK(MakeRoom(length));
    if (direct_) {
      for (int64_t i = 0; i < length; ++i) {
        if (dropped != nullptr && dropped[i] != 0) {
          ids[i] = 0;
          continue;
        }
        uint32_t& id = direct_ids_[static_cast<int64_t>(codes[i] >> shift_)];
        if (id == 0) id = Add(codes[i], rows != nullptr ? rows[i] : first + i);
        ids[i] = id;
      }
    } else if (keys_.exact()) {
      AssignHashed<true>(codes, rows, first, dropped, length, ids);
    } else {
      AssignHashed<false>(codes, rows, first, dropped, length, ids);
    }
    return arrow::Status::OK();
  }

  /// No more is to be assigned.
  void Close() {
    direct_ids_ = {};
    slots_ = {};
  }

  int64_t groups() const { return groups_; }
  /// By group, from 0.
  const int64_t* first_rows() const { return first_rows_.data(); }
  const uint64_t* codes() const { return codes_.data(); }

 private:
  struct Slot {
    uint64_t code;
    uint64_t id;
  };

  template <bool kExact>
  void AssignHashed(const uint64_t* codes, const int64_t* rows, int64_t first, const uint8_t* dropped, int64_t length,
                    uint32_t* ids) {
    Slot* slots = slots_.data();
    for (int64_t i = 0; i < length; ++i) {
      if (dropped != nullptr && dropped[i] != 0) {
        ids[i] = 0;
        continue;
      }
      const uint64_t code = codes[i];
      const int64_t row = rows != nullptr ? rows[i] : first + i;
      uint64_t place = keys_.HashOfCode(code) & slot_mask_;
      for (;; place = (place + 1) & slot_mask_) {
        Slot& slot = slots[place];
        if (slot.id == 0) {
          slot = {code, Add(code, row)};
          ids[i] = static_cast<uint32_t>(slot.id);
          break;
        }
        if (slot.code == code && (kExact || keys_.Equal(first_rows_[static_cast<int64_t>(slot.id) - 1], row))) {
          ids[i] = static_cast<uint32_t>(slot.id);
          break;
        }
      }
    }
  }

  uint32_t Add(uint64_t code, int64_t row) {
    first_rows_[groups_] = row;
    codes_[groups_] = code;
    return static_cast<uint32_t>(++groups_);
  }

  /// For `more` groups beyond those there are.
  arrow::Status MakeRoom(int64_t more) {
    const int64_t needed = groups_ + more;
    if (needed > first_rows_.size()) {
      ARROW_ASSIGN_OR_RAISE(auto larger, PoolArray<int64_t>::Make(needed * 2, pool_));
      std::copy(first_rows_.data(), first_rows_.data() + groups_, larger.data());
      first_rows_ = std::move(larger);
      ARROW_ASSIGN_OR_RAISE(auto more_codes, PoolArray<uint64_t>::Make(needed * 2, pool_));
      std::copy(codes_.data(), codes_.data() + groups_, more_codes.data());
      codes_ = std::move(more_codes);
    }
    if (direct_ || static_cast<uint64_t>(needed) * 4 <= slots_count_ * 3) return arrow::Status::OK();
    return Resize(std::bit_ceil(static_cast<uint64_t>(needed) * 2));
  }

  arrow::Status Resize(uint64_t count) {
    ARROW_ASSIGN_OR_RAISE(auto larger, PoolArray<Slot>::MakeZero(static_cast<int64_t>(count), pool_));
    std::swap(slots_, larger);
    slots_count_ = count;
    slot_mask_ = count - 1;
    for (const Slot& slot : larger) {
      if (slot.id == 0) continue;
      uint64_t place = keys_.HashOfCode(slot.code) & slot_mask_;
      while (slots_[static_cast<int64_t>(place)].id != 0) place = (place + 1) & slot_mask_;
      slots_[static_cast<int64_t>(place)] = slot;
    }
    return arrow::Status::OK();
  }

  const GroupKeys& keys_;
  arrow::MemoryPool* pool_;
  bool direct_ = false;
  int shift_ = 0;
  PoolArray<uint32_t> direct_ids_;
  PoolArray<Slot> slots_;
  uint64_t slots_count_ = 0;
  uint64_t slot_mask_ = 0;
  PoolArray<int64_t> first_rows_;
  PoolArray<uint64_t> codes_;
  int64_t groups_ = 0;
};

/// About how many groups there are, from the number of different keys in a sample.
arrow::Result<int64_t> EstimateGroups(const GroupKeys& keys, const Context& context) {
  if (keys.rows() <= kBlockRows) return 1;
  CodeTable table(keys, context.pool);
  ARROW_RETURN_NOT_OK(table.Begin(kSampleRows, {}));
  const int64_t step = keys.rows() / kSampleRows;
  for (int64_t i = 0; i < kSampleRows; ++i) {
    uint64_t code = 0;
    uint32_t id = 0;
    keys.Codes(i * step, 1, &code);
    ARROW_RETURN_NOT_OK(table.Assign(&code, nullptr, i * step, nullptr, 1, &id));
  }
  return GroupsBySample(table.groups(), kSampleRows, keys.rows());
}

/// Whether codes index a table of ids. It is cleared for each block, and touched all over.
bool IsDirect(const GroupKeys& keys, int64_t block_rows) {
  return keys.exact() && keys.bits() <= kDirectBits && (int64_t{1} << keys.bits()) <= 4 * block_rows;
}

/// Groups by blocks of rows, of groups about as many as `expected`. Gives up, and returns false, where there are too
/// many groups for that.
arrow::Result<bool> GroupByBlocks(const GroupKeys& keys, int64_t expected, Grouping* grouping, const Context& context) {
  const int64_t rows = keys.rows();
  int64_t block_rows = std::max({kBlockRows, (rows + kMaxBlocks - 1) / kMaxBlocks,
                                 std::min(expected * kBlockRowsPerGroup, rows / kLeastBlocks + 1)});
  block_rows = (block_rows + KeyLayout::kBlock - 1) / KeyLayout::kBlock * KeyLayout::kBlock;
  const int64_t blocks = (rows + block_rows - 1) / block_rows;
  const WordCut cut = IsDirect(keys, block_rows) ? WordCut::ByPlace(0, 0, (uint64_t{1} << keys.bits()) - 1) : WordCut();
  const int64_t most_groups = std::min(2 * expected + kBlockRows / 8, 2 * kFewGroups);
  ARROW_ASSIGN_OR_RAISE(grouping->ids, PoolArray<uint32_t>::Make(rows, context.pool));
  std::vector<CodeTable> tables;
  for (int64_t b = 0; b < blocks; ++b) tables.emplace_back(keys, context.pool);
  std::atomic<bool> too_many{false};
  ARROW_RETURN_NOT_OK(ParallelFor(context, blocks, [&](int64_t b) -> arrow::Status {
    CodeTable& table = tables[static_cast<size_t>(b)];
    ARROW_RETURN_NOT_OK(table.Begin(1024, cut));
    uint64_t codes[KeyLayout::kBlock];
    uint8_t dropped[KeyLayout::kBlock];
    const int64_t end = std::min(rows, (b + 1) * block_rows);
    for (int64_t begin = b * block_rows; begin < end && !too_many; begin += KeyLayout::kBlock) {
      const int64_t length = std::min(KeyLayout::kBlock, end - begin);
      keys.Codes(begin, length, codes);
      if (keys.drops()) keys.Dropped(begin, length, dropped);
      ARROW_RETURN_NOT_OK(
          table.Assign(codes, nullptr, begin, keys.drops() ? dropped : nullptr, length, grouping->ids.data() + begin));
      if (blocks > 1 && table.groups() > most_groups) too_many = true;
    }
    table.Close();
    return arrow::Status::OK();
  }));
  if (too_many) return false;
  // Blocks in their order, groups in theirs: first appearance.
  CodeTable all(keys, context.pool);
  ARROW_RETURN_NOT_OK(all.Begin(1024, cut));
  for (int64_t b = 0; b < blocks; ++b) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    const CodeTable& table = tables[static_cast<size_t>(b)];
    GroupSection section{b * block_rows, std::min(rows, (b + 1) * block_rows), table.groups(), 0, {}};
    std::vector<uint32_t> ids(static_cast<size_t>(table.groups()));
    ARROW_RETURN_NOT_OK(all.Assign(table.codes(), table.first_rows(), 0, nullptr, table.groups(), ids.data()));
    section.to_global.reserve(ids.size());
    for (const uint32_t id : ids) section.to_global.push_back(int64_t{id} - 1);
    grouping->sections.push_back(std::move(section));
  }
  grouping->groups = all.groups();
  ARROW_ASSIGN_OR_RAISE(grouping->first_rows, PoolArray<int64_t>::Make(all.groups(), context.pool));
  std::copy(all.first_rows(), all.first_rows() + all.groups(), grouping->first_rows.data());
  return true;
}

/// How exact codes that lie close together are cut: what is left of a code is its place in the partition's table. By
/// ranges of keys where their order is asked for. Else by the upper bits of the hash, and without places.
WordCut ChooseCut(const GroupKeys& keys, bool by_key) {
  const int64_t rows = keys.rows();
  const int bits =
      std::clamp(static_cast<int>(std::bit_width(static_cast<uint64_t>(rows / kPartitionRows))), 1, kMaxPartitionBits);
  const bool close = keys.exact() && keys.bits() <= kPlacedBits && (int64_t{1} << keys.bits()) <= kPlacesPerRow * rows;
  if (!close) return {.bits = bits};
  const uint64_t greatest = (uint64_t{1} << keys.bits()) - 1;
  return by_key ? WordCut::ByRange(bits, 0, greatest) : WordCut::ByPlace(bits, 0, greatest);
}

arrow::Result<RowPartitions> PartitionRows(const GroupKeys& keys, const WordCut& cut, const Context& context) {
  const int parts = 1 << cut.bits;
  const auto partition_of = [&](int64_t begin, int64_t length, uint16_t* out) {
    uint64_t codes[KeyLayout::kBlock];
    keys.Codes(begin, length, codes);
    if (cut.places > 0) {
      FindPartitions(codes, length, cut, out);
    } else {
      for (int64_t i = 0; i < length; ++i) out[i] = static_cast<uint16_t>(keys.HashOfCode(codes[i]) >> (64 - cut.bits));
    }
    if (!keys.drops()) return;
    uint8_t dropped[KeyLayout::kBlock];
    keys.Dropped(begin, length, dropped);
    for (int64_t i = 0; i < length; ++i) out[i] = dropped[i] != 0 ? static_cast<uint16_t>(parts) : out[i];
  };
  return RowPartitions::Make(keys.rows(), parts, partition_of, context);
}

/// Calls append for the codes of a block's rows and their numbers.
template <typename Append>
void ReadCodes(const GroupKeys& keys, int64_t begin, int64_t length, const Append& append) {
  uint64_t codes[KeyLayout::kBlock];
  int64_t numbers[KeyLayout::kBlock];
  const uint8_t* const values[] = {reinterpret_cast<const uint8_t*>(codes), reinterpret_cast<const uint8_t*>(numbers)};
  for (const int64_t end = begin + length; begin < end; begin += KeyLayout::kBlock) {
    const int64_t n = std::min(KeyLayout::kBlock, end - begin);
    keys.Codes(begin, n, codes);
    std::iota(numbers, numbers + n, begin);
    append(values, n);
  }
}

/// How many groups begin in a block of rows, and with which row the first of them does.
struct Starts {
  int64_t count = 0;
  int64_t first = -1;
};

/// Calls visit(row) for the rows in [begin, end) whose code is greater than that of the row before. False, at once,
/// where one is less.
template <typename Visit>
bool VisitStarts(const GroupKeys& keys, int64_t begin, int64_t end, Visit&& visit) {
  uint64_t codes[KeyLayout::kBlock];
  uint64_t last = 0;
  if (begin > 0) keys.Codes(begin - 1, 1, &last);
  for (int64_t block = begin; block < end; block += KeyLayout::kBlock) {
    const int64_t length = std::min(KeyLayout::kBlock, end - block);
    keys.Codes(block, length, codes);
    for (int64_t i = 0; i < length; ++i) {
      if (codes[i] < last) return false;
      if (codes[i] != last || block + i == 0) visit(block + i);
      last = codes[i];
    }
  }
  return true;
}

/// Where codes ascend from row to row, groups are runs. Gives up, and returns false, where they do not, or where a few
/// keys have so many rows that one thread would have most of the work.
arrow::Result<bool> GroupByRuns(const GroupKeys& keys, Grouping* grouping, const Context& context) {
  const int64_t rows = keys.rows();
  const auto nothing = [](int64_t) {};
  if (!VisitStarts(keys, 0, std::min(rows, KeyLayout::kBlock), nothing)) return false;
  const int64_t block_rows = std::max(kBlockRows, (rows + kMaxBlocks - 1) / kMaxBlocks);
  const int64_t blocks = (rows + block_rows - 1) / block_rows;
  std::vector<Starts> starts(static_cast<size_t>(blocks));
  std::atomic<bool> ascending{true};
  ARROW_RETURN_NOT_OK(ParallelFor(context, blocks, [&](int64_t b) {
    Starts& found = starts[static_cast<size_t>(b)];
    const auto count = [&](int64_t row) {
      if (found.count++ == 0) found.first = row;
    };
    if (ascending && !VisitStarts(keys, b * block_rows, std::min(rows, (b + 1) * block_rows), count)) ascending = false;
    return arrow::Status::OK();
  }));
  if (!ascending) return false;
  // A section is a block from its first start on, and what the next blocks have before theirs.
  grouping->shared = false;
  grouping->by_key = true;
  for (const Starts& found : starts) {
    if (found.count == 0) continue;
    if (!grouping->sections.empty()) grouping->sections.back().end = found.first;
    grouping->sections.push_back({found.first, rows, found.count, grouping->groups, {}});
    grouping->groups += found.count;
  }
  for (const GroupSection& section : grouping->sections) {
    if (section.end - section.begin > kLeastBlocks * block_rows) return false;
  }
  ARROW_ASSIGN_OR_RAISE(grouping->ids, PoolArray<uint32_t>::Make(rows, context.pool));
  ARROW_ASSIGN_OR_RAISE(grouping->first_rows, PoolArray<int64_t>::Make(grouping->groups, context.pool));
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(grouping->sections.size()), [&](int64_t s) {
    const GroupSection& section = grouping->sections[static_cast<size_t>(s)];
    int64_t* next = grouping->first_rows.data() + section.first_group;
    uint32_t id = 0;
    int64_t at = section.begin;
    uint32_t* const ids = grouping->ids.data();
    VisitStarts(keys, section.begin, section.end, [&](int64_t row) {
      while (at < row) ids[at++] = id;
      ++id;
      *next++ = row;
    });
    while (at < section.end) ids[at++] = id;
    return arrow::Status::OK();
  }));
  return true;
}

/// Numbers the groups of a partition that is a range of keys by their places, and returns their first rows.
arrow::Result<PoolArray<int64_t>> NumberByPlace(const WordCut& cut, std::span<const uint64_t> codes,
                                                const int64_t* rows, uint32_t* ids, arrow::MemoryPool* pool) {
  constexpr uint32_t kNone = UINT32_MAX;
  const auto n = static_cast<uint32_t>(codes.size());
  // By place: its first entry, later its id.
  ARROW_ASSIGN_OR_RAISE(auto first, PoolArray<uint32_t>::Make(cut.places, pool));
  std::fill(first.begin(), first.end(), kNone);
  for (uint32_t i = n; i-- > 0;) first[cut.RangedPlace(codes[i])] = i;
  const int64_t groups = first.size() - std::count(first.begin(), first.end(), kNone);
  ARROW_ASSIGN_OR_RAISE(auto first_rows, PoolArray<int64_t>::Make(groups, pool));
  uint32_t id = 0;
  for (uint32_t& entry : first) {
    if (entry == kNone) continue;
    first_rows[id] = rows[entry];
    entry = ++id;
  }
  for (uint32_t i = 0; i < n; ++i) ids[i] = first[cut.RangedPlace(codes[i])];
  return first_rows;
}

/// The same in the order in which groups appear. `moved`: keys lie in the order of entries.
arrow::Result<PoolArray<int64_t>> NumberByAppearance(const GroupKeys& keys, const WordCut& cut, bool moved,
                                                     std::span<const uint64_t> codes, int64_t begin,
                                                     const int64_t* rows, uint32_t* ids, arrow::MemoryPool* pool) {
  CodeTable table(keys, pool);
  ARROW_RETURN_NOT_OK(table.Begin(1024, cut));
  const auto n = static_cast<int64_t>(codes.size());
  for (int64_t at = 0; at < n; at += KeyLayout::kBlock) {
    ARROW_RETURN_NOT_OK(table.Assign(codes.data() + at, moved ? nullptr : rows + at, begin + at, nullptr,
                                     std::min(KeyLayout::kBlock, n - at), ids + at));
  }
  ARROW_ASSIGN_OR_RAISE(auto first_rows, PoolArray<int64_t>::Make(table.groups(), pool));
  std::transform(table.first_rows(), table.first_rows() + table.groups(), first_rows.begin(),
                 [&](int64_t first) { return moved ? rows[first - begin] : first; });
  return first_rows;
}

arrow::Status GroupByPartitions(GroupKeys keys, bool by_key, Grouping* grouping, const Context& context) {
  WordCut cut = ChooseCut(keys, by_key);
  ARROW_ASSIGN_OR_RAISE(auto partitions, PartitionRows(keys, cut, context));
  if (cut.range_bits >= 0 &&
      partitions.LargestPartition() > std::max(partitions.entries() / kMostShare, kMostPartitionRows)) {
    cut = ChooseCut(keys, false);
    ARROW_ASSIGN_OR_RAISE(partitions, PartitionRows(keys, cut, context));
  }
  grouping->by_key = cut.range_bits >= 0;
  const auto& starts = partitions.starts();
  const auto parts = static_cast<int64_t>(starts.size()) - 1;
  const auto read_codes = [&](int64_t begin, int64_t length, const auto& append) {
    ReadCodes(keys, begin, length, append);
  };
  ARROW_ASSIGN_OR_RAISE(auto buffers, partitions.MoveTogether<2>(sizeof(uint64_t), read_codes, context));
  grouping->rows = PoolArray<int64_t>::Of(std::move(buffers[1]));
  grouping->rows.Shrink(partitions.entries());
  const auto* const codes = reinterpret_cast<const uint64_t*>(buffers[0]->data());
  ARROW_ASSIGN_OR_RAISE(const bool moved, keys.Move(partitions, context));
  ARROW_ASSIGN_OR_RAISE(grouping->ids, PoolArray<uint32_t>::Make(partitions.entries(), context.pool));
  grouping->shared = false;
  grouping->sections.assign(static_cast<size_t>(parts), {});
  std::vector<PoolArray<int64_t>> first_rows(static_cast<size_t>(parts));
  ARROW_RETURN_NOT_OK(ParallelFor(context, parts, [&](int64_t p) -> arrow::Status {
    GroupSection& section = grouping->sections[static_cast<size_t>(p)];
    section.begin = starts[static_cast<size_t>(p)];
    section.end = starts[static_cast<size_t>(p) + 1];
    const std::span<const uint64_t> section_codes(codes + section.begin,
                                                  static_cast<size_t>(section.end - section.begin));
    const int64_t* const rows = grouping->rows.data() + section.begin;
    uint32_t* const ids = grouping->ids.data() + section.begin;
    auto& first = first_rows[static_cast<size_t>(p)];
    if (grouping->by_key) {
      ARROW_ASSIGN_OR_RAISE(first, NumberByPlace(cut, section_codes, rows, ids, context.pool));
    } else {
      ARROW_ASSIGN_OR_RAISE(
          first, NumberByAppearance(keys, cut, moved, section_codes, section.begin, rows, ids, context.pool));
    }
    section.groups = first.size();
    return arrow::Status::OK();
  }));
  buffers[0].reset();
  grouping->partitions = std::make_shared<const RowPartitions>(std::move(partitions));
  for (GroupSection& section : grouping->sections) {
    section.first_group = grouping->groups;
    grouping->groups += section.groups;
  }
  ARROW_ASSIGN_OR_RAISE(grouping->first_rows, PoolArray<int64_t>::Make(grouping->groups, context.pool));
  return ParallelFor(context, parts, [&](int64_t p) {
    const auto& rows = first_rows[static_cast<size_t>(p)];
    std::copy(rows.begin(), rows.end(),
              grouping->first_rows.data() + grouping->sections[static_cast<size_t>(p)].first_group);
    return arrow::Status::OK();
  });
}

/// Groups of a partition lie in the order of their first rows, so that partitions are merged: by reading again which
/// one each row belongs to, and whether it is the first of the next group there.
arrow::Status MergeFirstRows(const Grouping& grouping, GroupsByRow* out, const Context& context) {
  const std::span<const uint16_t> partitions = grouping.partitions->partitions();
  const auto rows = static_cast<int64_t>(partitions.size());
  const int64_t task_rows = std::max(kBlockRows, (rows + kMergeTasks - 1) / kMergeTasks);
  return ParallelFor(context, (rows + task_rows - 1) / task_rows, [&](int64_t task) {
    const int64_t begin = task * task_rows;
    const int64_t end = std::min(rows, begin + task_rows);
    // By partition: its next group. Rows of the last one have no group.
    std::vector<int64_t> next;
    int64_t at = 0;
    for (const GroupSection& section : grouping.sections) {
      const int64_t* const first = grouping.first_rows.data() + section.first_group;
      const int64_t before = std::lower_bound(first, first + section.groups, begin) - first;
      next.push_back(section.first_group + before);
      at += before;
    }
    next.push_back(0);
    const int64_t* const first_rows = grouping.first_rows.data();
    const int64_t last = grouping.groups - 1;
    int64_t block_groups[KeyLayout::kBlock];
    int64_t block_rows[KeyLayout::kBlock];
    for (int64_t block = begin; block < end; block += KeyLayout::kBlock) {
      const int64_t block_end = std::min(end, block + KeyLayout::kBlock);
      int64_t n = 0;
      for (int64_t row = block; row < block_end; ++row) {
        int64_t& group = next[partitions[static_cast<size_t>(row)]];
        block_groups[n] = group;
        block_rows[n] = row;
        // Past a partition's last group is one of another partition, whose first row this is not.
        const bool is_first = first_rows[std::min(group, last)] == row;
        n += is_first ? 1 : 0;
        group += is_first ? 1 : 0;
      }
      std::copy(block_groups, block_groups + n, out->groups.data() + at);
      std::copy(block_rows, block_rows + n, out->first_rows.data() + at);
      at += n;
    }
    return arrow::Status::OK();
  });
}

}  // namespace

arrow::Result<Grouping> GroupRows(const arrow::Table& table, std::span<const int> columns,
                                  const GroupingOptions& options, const Context& context) {
  ARROW_RETURN_NOT_OK(context.stop.Poll());
  ARROW_ASSIGN_OR_RAISE(GroupKeys keys, GroupKeys::Make(table, columns, options, context));
  Grouping grouping;
  ARROW_ASSIGN_OR_RAISE(const int64_t expected, EstimateGroups(keys, context));
  if (expected >= kManyRuns && keys.exact() && !keys.drops()) {
    ARROW_ASSIGN_OR_RAISE(const bool done, GroupByRuns(keys, &grouping, context));
    if (done) return grouping;
    grouping = Grouping();
  }
  if (expected <= (keys.exact() ? kFewGroups : kFewComparedGroups)) {
    ARROW_ASSIGN_OR_RAISE(const bool done, GroupByBlocks(keys, expected, &grouping, context));
    if (done) return grouping;
    grouping = Grouping();
  }
  ARROW_RETURN_NOT_OK(GroupByPartitions(std::move(keys), options.by_key, &grouping, context));
  return grouping;
}

int64_t GroupsBySample(int64_t seen, int64_t sampled, int64_t rows) {
  const auto n = static_cast<double>(sampled);
  int64_t groups = seen;
  while (groups < rows) {
    const auto g = static_cast<double>(groups);
    if (g * -std::expm1(-n / g) >= static_cast<double>(seen)) break;
    groups += groups / 16 + 1;
  }
  return groups;
}

arrow::Result<GroupsByRow> OrderByFirstRow(Grouping* grouping, const Context& context) {
  GroupsByRow out;
  ARROW_ASSIGN_OR_RAISE(out.groups, PoolArray<int64_t>::Make(grouping->groups, context.pool));
  if (grouping->partitions == nullptr || grouping->by_key || grouping->groups == 0) {
    std::iota(out.groups.begin(), out.groups.end(), int64_t{0});
    out.first_rows = std::move(grouping->first_rows);
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(out.first_rows, PoolArray<int64_t>::Make(grouping->groups, context.pool));
  ARROW_RETURN_NOT_OK(MergeFirstRows(*grouping, &out, context));
  return out;
}

}  // namespace weft::kernels
