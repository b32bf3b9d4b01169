#include "weft/kernels/group_keys.h"

#include <algorithm>
#include <utility>

#include "weft/base/cpu_level.h"
#include "weft/table/hash.h"

namespace weft::kernels {
namespace {

/// Rows of one parallel task.
constexpr int64_t kTaskRows = 1 << 17;

}  // namespace

arrow::Result<GroupKeys> GroupKeys::Make(const arrow::Table& table, std::span<const int> columns,
                                         const GroupingOptions& options, const Context& context) {
  GroupKeys keys;
  keys.rows_ = table.num_rows();
  keys.mask_ = options.hash_mask;
  for (const int column : columns) {
    ARROW_ASSIGN_OR_RAISE(auto made, KeyColumn::Make({table.column(column)}, options.nan_is_null, context, false));
    keys.columns_.push_back(std::move(made));
  }
  const std::vector<KeyDirection> directions(columns.size());
  ARROW_ASSIGN_OR_RAISE(keys.layout_, KeyLayout::Make(keys.columns_, directions, context));
  const int levels = keys.layout_.levels();
  keys.exact_ = levels == 0 || (levels == 1 && keys.layout_.binary(0) == nullptr);
  if (options.drop_nulls) {
    for (const KeyColumn& column : keys.columns_) keys.drop_nulls_ |= column.may_have_nulls();
  }
  if (keys.exact_) return keys;
  keys.levels_.resize(static_cast<size_t>(levels));
  for (int number = 0; number < levels; ++number) {
    Level& level = keys.levels_[static_cast<size_t>(number)];
    level.texts = keys.layout_.binary(number);
    if (level.texts != nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> words,
                          arrow::AllocateBuffer(keys.rows_ * static_cast<int64_t>(sizeof(uint64_t)), context.pool));
    level.words = reinterpret_cast<const uint64_t*>(words->data());
    level.memory.push_back(std::move(words));
  }
  ARROW_ASSIGN_OR_RAISE(keys.hashes_, PoolArray<uint64_t>::Make(keys.rows_, context.pool));
  if (keys.layout_.has_binary()) {
    ARROW_RETURN_NOT_OK(
        table::HashRows(table, columns, {.nan_is_null = options.nan_is_null}, context, keys.hashes_.data()));
  }
  const int64_t tasks = (keys.rows_ + kTaskRows - 1) / kTaskRows;
  ARROW_RETURN_NOT_OK(ParallelFor(context, tasks, [&](int64_t task) {
    const int64_t end = std::min(keys.rows_, (task + 1) * kTaskRows);
    for (int64_t begin = task * kTaskRows; begin < end; begin += KeyLayout::kBlock) {
      keys.EncodeBlock(begin, std::min(KeyLayout::kBlock, end - begin));
    }
    return arrow::Status::OK();
  }));
  return keys;
}

void GroupKeys::EncodeBlock(int64_t begin, int64_t length) {
  const bool hashed = layout_.has_binary();
  uint64_t* hashes = hashes_.data() + begin;
  if (!hashed) std::fill(hashes, hashes + length, 0);
  for (size_t level = 0; level < levels_.size(); ++level) {
    if (levels_[level].texts != nullptr) continue;
    auto* words = reinterpret_cast<uint64_t*>(levels_[level].memory[0]->mutable_data()) + begin;
    layout_.Words(static_cast<int>(level), begin, length, words);
    if (hashed) continue;
    ForCpu([=]() WEFT_FOR_CPU {
      for (int64_t i = 0; i < length; ++i) hashes[i] = Mix(hashes[i] ^ words[i]) + 0x9e3779b97f4a7c15ULL;
    });
  }
  ForCpu([=, mask = mask_]() WEFT_FOR_CPU {
    for (int64_t i = 0; i < length; ++i) hashes[i] = Mix(hashes[i]) & mask;
  });
}

void GroupKeys::Codes(int64_t begin, int64_t length, uint64_t* out) const {
  if (!exact_) {
    std::memcpy(out, hashes_.data() + begin, static_cast<size_t>(length) * sizeof(uint64_t));
  } else if (layout_.levels() == 0) {
    std::fill(out, out + length, 0);
  } else {
    layout_.Words(0, begin, length, out);
  }
}

void GroupKeys::Dropped(int64_t begin, int64_t length, uint8_t* out) const {
  uint8_t nulls[KeyLayout::kBlock];
  std::memset(out, 0, static_cast<size_t>(length));
  for (const KeyColumn& column : columns_) {
    if (!column.may_have_nulls()) continue;
    column.Nulls(begin, length, nulls);
    for (int64_t i = 0; i < length; ++i) out[i] |= nulls[i];
  }
}

arrow::Result<bool> GroupKeys::Move(const RowPartitions& partitions, const Context& context) {
  std::vector<Level> moved;
  for (const Level& level : levels_) {
    arrow::Result<Level> made = Level{};
    if (level.texts != nullptr) {
      RowPartitions::TextSource source;
      source.read = [&](int64_t begin, int64_t length, const auto& visit) {
        level.texts->VisitTexts(begin, length, visit);
      };
      if (level.texts->may_have_nulls()) {
        source.nulls = [&](int64_t begin, int64_t length, uint8_t* out) { level.texts->Nulls(begin, length, out); };
      }
      auto texts = partitions.MoveTexts(source, context);
      if (texts.ok() && !texts->has_value()) return false;
      if (texts.ok()) {
        made->begins = reinterpret_cast<const uint64_t*>((*texts)->begins->data());
        made->bytes = reinterpret_cast<const char*>((*texts)->bytes->data());
        made->memory = {(*texts)->begins, (*texts)->bytes};
      } else {
        made = texts.status();
      }
    } else {
      const auto read = [&](int64_t begin, int64_t length, const auto& append) {
        append(reinterpret_cast<const uint8_t*>(level.words + begin), length);
      };
      auto words = partitions.Move(sizeof(uint64_t), read, context);
      if (words.ok()) {
        made->words = reinterpret_cast<const uint64_t*>((*words)->data());
        made->memory.push_back(*std::move(words));
      } else {
        made = words.status();
      }
    }
    if (made.status().IsOutOfMemory()) return false;
    ARROW_RETURN_NOT_OK(made.status());
    moved.push_back(*std::move(made));
  }
  levels_ = std::move(moved);
  return true;
}

bool GroupKeys::Equal(int64_t a, int64_t b) const {
  for (const Level& level : levels_) {
    if (level.words != nullptr) {
      if (level.words[a] != level.words[b]) return false;
      continue;
    }
    const std::string_view x = level.Text(a);
    const std::string_view y = level.Text(b);
    if ((x.data() == nullptr) != (y.data() == nullptr) || x != y) return false;
  }
  return true;
}

}  // namespace weft::kernels
