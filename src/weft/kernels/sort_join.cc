#include "weft/kernels/sort_join.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "weft/kernels/join_codes.h"
#include "weft/kernels/join_output.h"
#include "weft/kernels/join_partition.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/radix_partition.h"
#include "weft/kernels/row_order.h"
#include "weft/kernels/scratch.h"
#include "weft/kernels/word_range.h"

namespace weft::kernels {
namespace {

/// Sorted rows a task.
constexpr int64_t kTaskRows = int64_t{1} << 17;
/// Fewer rows than these, of both sides, are ordered as they lie.
constexpr int64_t kLeastPlacedRows = int64_t{1} << 16;
/// Keys have places of their own where there are at most so many a row of both sides.
constexpr int64_t kPlacesPerRow = 4;
/// Rows of both sides a partition.
constexpr int64_t kPartitionRows = 16384;
/// No partition may have more rows than this, and than a share of all.
constexpr int64_t kLargePartitionRows = int64_t{1} << 18;
constexpr int64_t kLargePartitionShare = 8;
/// Chunks that are smaller than this on average are put together.
constexpr int64_t kLeastChunkRows = 4096;

class SortJoiner {
 public:
  SortJoiner(JoinPlan plan, const JoinOptions& options, uint32_t chunk_rows, const Context& context)
      : plan_(std::move(plan)), options_(options), chunk_rows_(chunk_rows), context_(context) {}

  arrow::Result<std::shared_ptr<arrow::Table>> Run(const std::shared_ptr<arrow::Table>& left,
                                                   const std::shared_ptr<arrow::Table>& right);

 private:
  /// Rows of one key and side, as numbers in the side's view.
  struct OrderedRows {
    const int64_t* rows;
    int64_t before;
    int64_t size;
    uint32_t operator[](int64_t i) const { return static_cast<uint32_t>(rows[i] - before); }
  };
  struct PlacedRows {
    const uint32_t* rows;
    int64_t size;
    uint32_t operator[](int64_t i) const { return rows[i]; }
  };
  /// What one thread works with.
  struct Places {
    explicit Places(arrow::MemoryPool* pool) : begins(pool), rows(pool) {}
    Scratch<uint32_t> begins;
    Scratch<uint32_t> rows;
  };

  arrow::Status Order(const arrow::Table& left, const arrow::Table& right);
  arrow::Status FindRuns(const KeyLayout& layout, int64_t rows);
  bool MatchesNothing(int64_t row) const;
  arrow::Status EmitTask(const ViewPair& views, int64_t begin, int64_t end, ChunkList* out) const;
  /// Whether words lie close together, and how they are then cut into ranges.
  arrow::Result<std::optional<WordCut>> ChooseCut(JoinSide* left, JoinSide* right) const;
  /// By partitions of the words' ranges, in which each word has a place: nothing is compared, and columns are gathered
  /// from what is in the cache. False where one partition would have most of the work.
  arrow::Result<bool> JoinByPlace(const WordCut& cut, JoinSide* left, JoinSide* right,
                                  std::vector<ChunkList>* out) const;
  static arrow::Status FindPlaces(const SideView& view, const WordCut& cut, Places* places);
  arrow::Status JoinPartition(const ViewPair& views, const WordCut& cut, ChunkList* out) const;
  template <typename Rows>
  arrow::Status AddRun(const Rows& left, const Rows& right, bool matched, const ViewPair& views, PairBuffer* pairs,
                       ChunkList* out) const;
  template <typename Rows>
  arrow::Status AddAlone(Side side, const Rows& rows, const ViewPair& views, PairBuffer* pairs, ChunkList* out) const;
  arrow::Status Emit(const ViewPair& views, PairBuffer* pairs, ChunkList* out) const {
    return EmitPairs(plan_, *views.left.side, *views.right.side, views, pairs, context_.pool, out);
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

template <typename Rows>
arrow::Status SortJoiner::AddAlone(Side side, const Rows& rows, const ViewPair& views, PairBuffer* pairs,
                                   ChunkList* out) const {
  const Side other = side == Side::kLeft ? Side::kRight : Side::kLeft;
  for (int64_t i = 0; i < rows.size; ++i) {
    if (pairs->room() == 0) ARROW_RETURN_NOT_OK(Emit(views, pairs, out));
    *pairs->open(side) = rows[i];
    *pairs->open(other) = kNoRow;
    pairs->SetPadded(other);
    pairs->Add(1);
  }
  return arrow::Status::OK();
}

template <typename Rows>
arrow::Status SortJoiner::AddRun(const Rows& left, const Rows& right, bool matched, const ViewPair& views,
                                 PairBuffer* pairs, ChunkList* out) const {
  if (ChoosesLeftRows(options_.type)) {
    const bool kept = matched == (options_.type == JoinType::kLeftSemi);
    return kept ? AddAlone(Side::kLeft, left, views, pairs, out) : arrow::Status::OK();
  }
  if (!matched) {
    if (KeepsUnmatchedLeft(options_.type)) ARROW_RETURN_NOT_OK(AddAlone(Side::kLeft, left, views, pairs, out));
    if (!KeepsUnmatchedRight(options_.type)) return arrow::Status::OK();
    return AddAlone(Side::kRight, right, views, pairs, out);
  }
  // By rows of the outer side, and for each by rows of the inner.
  const bool right_first = options_.type == JoinType::kRight;
  const Side outer = right_first ? Side::kRight : Side::kLeft;
  const Side inner = right_first ? Side::kLeft : Side::kRight;
  const Rows& outer_rows = right_first ? right : left;
  const Rows& inner_rows = right_first ? left : right;
  for (int64_t o = 0; o < outer_rows.size; ++o) {
    const uint32_t row = outer_rows[o];
    for (int64_t at = 0; at < inner_rows.size;) {
      if (pairs->room() == 0) {
        ARROW_RETURN_NOT_OK(context_.stop.Poll());
        ARROW_RETURN_NOT_OK(Emit(views, pairs, out));
      }
      uint32_t* const outers = pairs->open(outer);
      uint32_t* const inners = pairs->open(inner);
      const auto n = static_cast<uint32_t>(std::min<int64_t>(pairs->room(), inner_rows.size - at));
      for (uint32_t i = 0; i < n; ++i) {
        outers[i] = row;
        inners[i] = inner_rows[at + i];
      }
      pairs->Add(n);
      at += n;
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
    int64_t run_end = begin + 1;
    while (starts_[run_end] == 0) ++run_end;
    int64_t middle = begin;
    while (middle < run_end && order_[middle] < left_rows_) ++middle;
    const OrderedRows left{order_.data() + begin, 0, middle - begin};
    const OrderedRows right{order_.data() + middle, left_rows_, run_end - middle};
    const bool matched = left.size > 0 && right.size > 0 && !MatchesNothing(order_[begin]);
    ARROW_RETURN_NOT_OK(AddRun(left, right, matched, views, &pairs, out));
    begin = run_end;
  }
  return Emit(views, &pairs, out);
}

arrow::Result<std::optional<WordCut>> SortJoiner::ChooseCut(JoinSide* left, JoinSide* right) const {
  const int64_t rows = left->rows() + right->rows();
  if (rows < kLeastPlacedRows) return std::nullopt;
  // A number of 64 bits is its own word; others have codes in the order of the keys.
  const SideColumn& key = left->column(left->key_column(0));
  const arrow::Type::type type = key.type->id();
  const bool exact = left->CanBeExact() && right->CanBeExact() && left->num_keys() == 1 && key.width == 8 &&
                     type != arrow::Type::FIXED_SIZE_BINARY;
  if (exact) {
    for (JoinSide* side : {left, right}) side->MakeExactWords();
  } else {
    ARROW_ASSIGN_OR_RAISE(const bool coded, MakeCodes(left, right, options_, context_));
    if (!coded) return std::nullopt;
  }
  const auto most = static_cast<uint64_t>(rows * kPlacesPerRow);
  std::optional<WordRange> both;
  for (const JoinSide* side : {left, right}) {
    if (side->rows() == 0) continue;
    ARROW_ASSIGN_OR_RAISE(const auto range, RangeOfWords(*side, most, context_));
    if (!range.has_value()) return std::nullopt;
    both = both.has_value() ? both->With(*range) : *range;
  }
  if (!both.has_value() || both->extent > most) return std::nullopt;
  // The range is one of signed numbers: unsigned ones and codes that cross 0 in it are the least and the greatest.
  const bool is_signed = exact && type != arrow::Type::UINT64;
  if (!is_signed && both->least > both->least + both->extent) return std::nullopt;
  return WordCut::ByRange(PartitionBits(rows, kPartitionRows), both->least, both->extent);
}

arrow::Status SortJoiner::FindPlaces(const SideView& view, const WordCut& cut, Places* places) {
  const auto n = static_cast<uint32_t>(view.rows);
  ARROW_ASSIGN_OR_RAISE(uint32_t* const begins, places->begins.Reserve(int64_t{cut.places} + 1));
  ARROW_ASSIGN_OR_RAISE(uint32_t* const rows, places->rows.Reserve(n));
  GroupByPlace(view.words(), n, cut.places, [cut](uint64_t word) { return cut.RangedPlace(word); }, begins, rows);
  return arrow::Status::OK();
}

arrow::Status SortJoiner::JoinPartition(const ViewPair& views, const WordCut& cut, ChunkList* out) const {
  Places left(context_.pool);
  Places right(context_.pool);
  ARROW_RETURN_NOT_OK(FindPlaces(views.left, cut, &left));
  ARROW_RETURN_NOT_OK(FindPlaces(views.right, cut, &right));
  PairBuffer pairs(context_.pool, chunk_rows_);
  ARROW_RETURN_NOT_OK(pairs.Open());
  const auto rows_at = [](const Places& places, uint32_t p) {
    const uint32_t begin = places.begins.data()[p];
    return PlacedRows{places.rows.data() + begin, places.begins.data()[p + 1] - begin};
  };
  for (uint32_t p = 0; p < cut.places; ++p) {
    const PlacedRows l = rows_at(left, p);
    const PlacedRows r = rows_at(right, p);
    if (l.size + r.size == 0) continue;
    ARROW_RETURN_NOT_OK(AddRun(l, r, l.size > 0 && r.size > 0, views, &pairs, out));
  }
  return Emit(views, &pairs, out);
}

arrow::Result<bool> SortJoiner::JoinByPlace(const WordCut& cut, JoinSide* left, JoinSide* right,
                                            std::vector<ChunkList>* out) const {
  for (JoinSide* side : {left, right}) ARROW_RETURN_NOT_OK(side->MeasureTexts(context_));
  ARROW_RETURN_NOT_OK(NeedOutput(plan_, left, right, context_.pool));
  ARROW_ASSIGN_OR_RAISE(auto partitions, JoinPartitions::Make(left, right, cut, context_));
  for (JoinSide* side : {left, right}) side->FreeWords();
  const int64_t most = std::max(kLargePartitionRows, (left->rows() + right->rows()) / kLargePartitionShare);
  const auto views = [&](int64_t p) {
    return ViewPair{partitions.View(Side::kLeft, p), partitions.View(Side::kRight, p)};
  };
  for (int64_t p = 0; p < partitions.count(); ++p) {
    const ViewPair pair = views(p);
    if (pair.left.rows + pair.right.rows > most) return false;
  }
  out->resize(static_cast<size_t>(partitions.count()));
  ARROW_RETURN_NOT_OK(ParallelFor(context_, partitions.count(), [&](int64_t p) {
    ARROW_RETURN_NOT_OK(JoinPartition(views(p), cut, &(*out)[static_cast<size_t>(p)]));
    partitions.Free(p);
    return arrow::Status::OK();
  }));
  return true;
}

arrow::Result<std::shared_ptr<arrow::Table>> SortJoiner::Run(const std::shared_ptr<arrow::Table>& left,
                                                             const std::shared_ptr<arrow::Table>& right) {
  {
    const TraceSpan span(context_.tracer, "join.places");
    ARROW_ASSIGN_OR_RAISE(auto sides, MakeSides(plan_, options_, left, right, context_));
    ARROW_ASSIGN_OR_RAISE(const auto cut, ChooseCut(&sides.first, &sides.second));
    if (cut.has_value()) {
      std::vector<ChunkList> chunks;
      ARROW_ASSIGN_OR_RAISE(const bool done, JoinByPlace(*cut, &sides.first, &sides.second, &chunks));
      if (done) return FinishTable(plan_.schema, std::move(chunks), kLeastChunkRows, context_);
    }
  }
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
