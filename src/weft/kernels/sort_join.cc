#include "weft/kernels/sort_join.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "weft/kernels/join_output.h"
#include "weft/kernels/join_partition.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/row_order.h"

namespace weft::kernels {
namespace {

/// Sorted rows a task.
constexpr int64_t kTaskRows = int64_t{1} << 17;

class SortJoiner {
 public:
  SortJoiner(JoinPlan plan, const JoinOptions& options, uint32_t chunk_rows, const Context& context)
      : plan_(std::move(plan)), options_(options), chunk_rows_(chunk_rows), context_(context) {}

  arrow::Result<std::shared_ptr<arrow::Table>> Run(const std::shared_ptr<arrow::Table>& left,
                                                   const std::shared_ptr<arrow::Table>& right);

 private:
  /// Rows of one key: the left ones, then the right ones, as places in order_.
  struct RunOfKey {
    int64_t begin;
    int64_t middle;
    int64_t end;
  };

  arrow::Status Order(const arrow::Table& left, const arrow::Table& right);
  arrow::Status FindRuns(const KeyLayout& layout, int64_t rows);
  bool MatchesNothing(int64_t row) const;
  arrow::Status EmitTask(const ViewPair& views, int64_t begin, int64_t end, ChunkList* out) const;
  arrow::Status AddRun(const RunOfKey& run, const ViewPair& views, PairBuffer* pairs, ChunkList* out) const;
  arrow::Status AddAlone(Side side, int64_t begin, int64_t end, const ViewPair& views, PairBuffer* pairs,
                         ChunkList* out) const;
  arrow::Status Emit(const ViewPair& views, PairBuffer* pairs, ChunkList* out) const {
    return EmitPairs(plan_, *views.left.side, *views.right.side, views, pairs, context_.pool, out);
  }
  uint32_t RowAt(Side side, int64_t place) const {
    return static_cast<uint32_t>(side == Side::kLeft ? order_[place] : order_[place] - left_rows_);
  }

  const JoinPlan plan_;
  const JoinOptions& options_;
  const uint32_t chunk_rows_;
  const Context& context_;
  int64_t left_rows_ = 0;
  std::vector<KeyColumn> keys_;
  /// Rows in the order of their keys; those of the right side count from left_rows_ on.
  PoolArray<int64_t> order_;
  /// 1 where a place's key is another than that of the place before.
  PoolArray<uint8_t> starts_;
};

bool SortJoiner::MatchesNothing(int64_t row) const {
  if (options_.nulls_equal) return false;
  return std::any_of(keys_.begin(), keys_.end(),
                     [row](const KeyColumn& key) { return key.may_have_nulls() && key.IsNull(row); });
}

arrow::Status SortJoiner::FindRuns(const KeyLayout& layout, int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(starts_, PoolArray<uint8_t>::MakeZero(rows + 1, context_.pool));
  if (rows > 0) starts_[0] = 1;
  starts_[rows] = 1;
  const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  PoolArray<uint64_t> words;
  for (int level = 0; level < layout.levels(); ++level) {
    const KeyColumn* const binary = layout.binary(level);
    if (binary == nullptr) {
      if (words.empty()) {
        ARROW_ASSIGN_OR_RAISE(words, PoolArray<uint64_t>::Make(rows, context_.pool));
      }
      ARROW_RETURN_NOT_OK(ParallelFor(context_, tasks, [&](int64_t task) {
        const int64_t end = std::min(rows, (task + 1) * kTaskRows);
        for (int64_t i = task * kTaskRows; i < end; i += KeyLayout::kBlock) {
          layout.Words(level, i, std::min(KeyLayout::kBlock, end - i), words.data() + i);
        }
        return arrow::Status::OK();
      }));
    }
    ARROW_RETURN_NOT_OK(ParallelFor(context_, tasks, [&](int64_t task) {
      const int64_t end = std::min(rows, (task + 1) * kTaskRows);
      for (int64_t i = std::max<int64_t>(1, task * kTaskRows); i < end; ++i) {
        const int64_t a = order_[i - 1];
        const int64_t b = order_[i];
        const bool differ = binary == nullptr ? words[a] != words[b]
                                              : CompareKeys(*binary, a, *binary, b, layout.direction(level)) != 0;
        starts_[i] |= static_cast<uint8_t>(differ);
      }
      return arrow::Status::OK();
    }));
  }
  return arrow::Status::OK();
}

arrow::Status SortJoiner::Order(const arrow::Table& left, const arrow::Table& right) {
  const TraceSpan span(context_.tracer, "join.order");
  left_rows_ = left.num_rows();
  const int64_t rows = left_rows_ + right.num_rows();
  for (size_t k = 0; k < options_.left_keys.size(); ++k) {
    ARROW_ASSIGN_OR_RAISE(auto key,
                          KeyColumn::Make({left.column(options_.left_keys[k]), right.column(options_.right_keys[k])},
                                          options_.nan_is_null, context_));
    keys_.push_back(std::move(key));
  }
  const std::vector<KeyDirection> directions(keys_.size());
  ARROW_ASSIGN_OR_RAISE(const auto layout, KeyLayout::Make(keys_, directions, context_));
  ARROW_ASSIGN_OR_RAISE(order_, OrderRows(layout, rows, context_));
  return FindRuns(layout, rows);
}

arrow::Status SortJoiner::AddAlone(Side side, int64_t begin, int64_t end, const ViewPair& views, PairBuffer* pairs,
                                   ChunkList* out) const {
  const Side other = side == Side::kLeft ? Side::kRight : Side::kLeft;
  for (int64_t place = begin; place < end; ++place) {
    if (pairs->room() == 0) ARROW_RETURN_NOT_OK(Emit(views, pairs, out));
    *pairs->open(side) = RowAt(side, place);
    *pairs->open(other) = kNoRow;
    pairs->SetPadded(other);
    pairs->Add(1);
  }
  return arrow::Status::OK();
}

arrow::Status SortJoiner::AddRun(const RunOfKey& run, const ViewPair& views, PairBuffer* pairs, ChunkList* out) const {
  const bool matched = run.begin < run.middle && run.middle < run.end && !MatchesNothing(order_[run.begin]);
  if (ChoosesLeftRows(options_.type)) {
    const bool kept = matched == (options_.type == JoinType::kLeftSemi);
    return kept ? AddAlone(Side::kLeft, run.begin, run.middle, views, pairs, out) : arrow::Status::OK();
  }
  if (!matched) {
    if (KeepsUnmatchedLeft(options_.type)) {
      ARROW_RETURN_NOT_OK(AddAlone(Side::kLeft, run.begin, run.middle, views, pairs, out));
    }
    if (!KeepsUnmatchedRight(options_.type)) return arrow::Status::OK();
    return AddAlone(Side::kRight, run.middle, run.end, views, pairs, out);
  }
  // By rows of the outer side, and for each by rows of the inner.
  const bool right_first = options_.type == JoinType::kRight;
  const Side outer = right_first ? Side::kRight : Side::kLeft;
  const Side inner = right_first ? Side::kLeft : Side::kRight;
  const auto [outer_begin, outer_end] = right_first ? std::pair(run.middle, run.end) : std::pair(run.begin, run.middle);
  const auto [inner_begin, inner_end] = right_first ? std::pair(run.begin, run.middle) : std::pair(run.middle, run.end);
  for (int64_t o = outer_begin; o < outer_end; ++o) {
    const uint32_t row = RowAt(outer, o);
    for (int64_t place = inner_begin; place < inner_end;) {
      if (pairs->room() == 0) {
        ARROW_RETURN_NOT_OK(context_.stop.Poll());
        ARROW_RETURN_NOT_OK(Emit(views, pairs, out));
      }
      uint32_t* const outers = pairs->open(outer);
      uint32_t* const inners = pairs->open(inner);
      const auto n = static_cast<uint32_t>(std::min<int64_t>(pairs->room(), inner_end - place));
      for (uint32_t i = 0; i < n; ++i) {
        outers[i] = row;
        inners[i] = RowAt(inner, place + i);
      }
      pairs->Add(n);
      place += n;
    }
  }
  return arrow::Status::OK();
}

arrow::Status SortJoiner::EmitTask(const ViewPair& views, int64_t begin, int64_t end, ChunkList* out) const {
  PairBuffer pairs(context_.pool, chunk_rows_);
  ARROW_RETURN_NOT_OK(pairs.Open());
  // A run belongs to the task in which it begins.
  while (begin < end && starts_[begin] == 0) ++begin;
  while (begin < end) {
    RunOfKey run{begin, begin, begin + 1};
    while (starts_[run.end] == 0) ++run.end;
    while (run.middle < run.end && order_[run.middle] < left_rows_) ++run.middle;
    ARROW_RETURN_NOT_OK(AddRun(run, views, &pairs, out));
    begin = run.end;
  }
  return Emit(views, &pairs, out);
}

arrow::Result<std::shared_ptr<arrow::Table>> SortJoiner::Run(const std::shared_ptr<arrow::Table>& left,
                                                             const std::shared_ptr<arrow::Table>& right) {
  ARROW_RETURN_NOT_OK(Order(*left, *right));
  const TraceSpan span(context_.tracer, "join.match");
  ARROW_ASSIGN_OR_RAISE(auto sides, MakeSides(plan_, options_, left, right, context_));
  ARROW_RETURN_NOT_OK(NeedOutput(plan_, &sides.first, &sides.second, context_.pool));
  ARROW_ASSIGN_OR_RAISE(const RangeView left_view, ViewRange(&sides.first, 0, sides.first.rows(), context_.pool));
  ARROW_ASSIGN_OR_RAISE(const RangeView right_view, ViewRange(&sides.second, 0, sides.second.rows(), context_.pool));
  const ViewPair views{left_view.view, right_view.view};
  const int64_t rows = order_.size();
  const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  std::vector<ChunkList> chunks(static_cast<size_t>(tasks));
  ARROW_RETURN_NOT_OK(ParallelFor(context_, tasks, [&](int64_t task) {
    return EmitTask(views, task * kTaskRows, std::min(rows, (task + 1) * kTaskRows),
                    &chunks[static_cast<size_t>(task)]);
  }));
  return FinishTable(plan_.schema, std::move(chunks), 0, context_);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> SortJoin(const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const JoinOptions& options, uint32_t chunk_rows,
                                                      const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto plan, PlanJoin(*left->schema(), *right->schema(), options));
  return SortJoiner(std::move(plan), options, chunk_rows, context).Run(left, right);
}

}  // namespace weft::kernels
