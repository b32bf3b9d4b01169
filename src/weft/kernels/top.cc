#include "weft/kernels/top.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "weft/kernels/gather.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

struct Candidate {
  uint64_t word;
  int64_t row;
};

/// Candidates for the first `wanted` rows; forgets those that others have shut out.
class Candidates {
 public:
  Candidates(int64_t wanted, arrow::MemoryPool* pool) : wanted_(wanted), pool_(pool) {}

  arrow::Status Reserve(int64_t more) {
    if (count_ + more <= held_.size()) return arrow::Status::OK();
    if (count_ >= enough_) ShutOut();
    if (count_ + more <= held_.size()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(auto larger, PoolArray<Candidate>::Make(2 * (count_ + more), pool_));
    std::copy(held_.begin(), held_.begin() + count_, larger.begin());
    held_ = std::move(larger);
    return arrow::Status::OK();
  }
  void Add(uint64_t word, int64_t row) {
    if (word <= threshold_) held_[count_++] = {word, row};
  }
  /// Those left, in row order.
  std::span<const Candidate> Finish() {
    if (count_ > wanted_) ShutOut();
    return {held_.data(), static_cast<size_t>(count_)};
  }

 private:
  /// What is above the wanted-th word cannot be among the first. Keeps row order.
  void ShutOut() {
    std::vector<uint64_t> words;
    words.reserve(static_cast<size_t>(count_));
    for (int64_t i = 0; i < count_; ++i) words.push_back(held_[i].word);
    const auto last = words.begin() + (wanted_ - 1);
    std::nth_element(words.begin(), last, words.end());
    threshold_ = *last;
    const auto end = std::remove_if(held_.begin(), held_.begin() + count_,
                                    [&](const Candidate& candidate) { return candidate.word > threshold_; });
    count_ = end - held_.begin();
    // Many that are equal to the last are not looked at again before there are twice as many.
    enough_ = std::max(enough_, 2 * count_);
  }

  int64_t wanted_;
  arrow::MemoryPool* pool_;
  PoolArray<Candidate> held_;
  int64_t count_ = 0;
  uint64_t threshold_ = std::numeric_limits<uint64_t>::max();
  int64_t enough_ = std::max<int64_t>(2 * wanted_, 4 * KeyLayout::kBlock);
};

/// The rows that may be among the first, by the first level of their keys; in row order.
arrow::Result<PoolArray<int64_t>> Select(const arrow::Table& table, const TopOptions& options, const Context& context) {
  std::vector<KeyColumn> columns;
  std::vector<KeyDirection> directions;
  for (const SortKey& key : options.order.keys) {
    ARROW_ASSIGN_OR_RAISE(auto column, KeyColumn::Make({table.column(key.column)}, options.order.nan_is_null, context));
    columns.push_back(std::move(column));
    directions.push_back({key.ascending, options.order.nulls_first});
  }
  ARROW_ASSIGN_OR_RAISE(const auto layout, KeyLayout::Make(columns, directions, context));
  const int64_t rows = table.num_rows();
  if (layout.levels() == 0 || layout.binary(0) != nullptr || options.rows >= rows) {
    ARROW_ASSIGN_OR_RAISE(auto all, PoolArray<int64_t>::Make(rows, context.pool));
    std::iota(all.begin(), all.end(), int64_t{0});
    return all;
  }
  Candidates candidates(options.rows, context.pool);
  uint64_t words[KeyLayout::kBlock];
  for (int64_t begin = 0; begin < rows; begin += KeyLayout::kBlock) {
    const int64_t length = std::min(KeyLayout::kBlock, rows - begin);
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    ARROW_RETURN_NOT_OK(candidates.Reserve(length));
    layout.Words(0, begin, length, words);
    for (int64_t i = 0; i < length; ++i) candidates.Add(words[i], begin + i);
  }
  const auto left = candidates.Finish();
  ARROW_ASSIGN_OR_RAISE(auto found, PoolArray<int64_t>::Make(static_cast<int64_t>(left.size()), context.pool));
  std::transform(left.begin(), left.end(), found.begin(), [](const Candidate& candidate) { return candidate.row; });
  return found;
}

/// How many of sorted rows stay: the first `rows`, and with kAll those equal to the last of them.
arrow::Result<int64_t> Cut(const TablePtr& sorted, const TopOptions& options, const Context& context) {
  if (sorted->num_rows() <= options.rows || options.ties != Ties::kAll) {
    return std::min(options.rows, sorted->num_rows());
  }
  std::vector<int> keys;
  for (const SortKey& key : options.order.keys) keys.push_back(key.column);
  ARROW_ASSIGN_OR_RAISE(const auto columns, sorted->SelectColumns(keys));
  ARROW_ASSIGN_OR_RAISE(const auto ranges,
                        FindSplits(*sorted, options.order, *columns->Slice(options.rows - 1, 1), context));
  return ranges.front().through;
}

}  // namespace

arrow::Result<TablePtr> Top(const TablePtr& table, const TopOptions& options, const Context& context) {
  ARROW_RETURN_NOT_OK(CheckSort(*table->schema(), options.order));
  if (options.rows <= 0) return table->Slice(0, 0);
  TraceSpan span(context.tracer, "top");
  span.AddRows(table->num_rows());
  ARROW_ASSIGN_OR_RAISE(auto rows, Select(*table, options, context));
  if (options.ties == Ties::kLast) std::reverse(rows.begin(), rows.end());
  ARROW_ASSIGN_OR_RAISE(const auto selected, GatherRows(table, rows.span(), context));
  ARROW_ASSIGN_OR_RAISE(const auto sorted, Sort(selected, options.order, context));
  ARROW_ASSIGN_OR_RAISE(const int64_t count, Cut(sorted, options, context));
  return sorted->Slice(0, count);
}

}  // namespace weft::kernels
