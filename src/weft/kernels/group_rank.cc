#include "weft/kernels/group_rank.h"

#include <arrow/array/util.h>
#include <arrow/builder.h>

#include <algorithm>
#include <utility>

#include "weft/kernels/group_runs.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/row_order.h"

namespace weft::kernels {
namespace {

/// Ranks of one group's rows, in the order of their values, those without a rank left out.
template <typename Equal>
void RankRun(const int64_t* rows, int64_t count, const GroupRankOptions& options, const Equal& equal, double* ranks) {
  double dense = 0;
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1;
    while (end < count && equal(rows[begin], rows[end])) ++end;
    ++dense;
    for (int64_t i = begin; i < end; ++i) {
      double rank = 0;
      switch (options.method) {
        case RankMethod::kAverage:
          rank = static_cast<double>(begin + 1 + end) / 2;
          break;
        case RankMethod::kMin:
          rank = static_cast<double>(begin + 1);
          break;
        case RankMethod::kMax:
          rank = static_cast<double>(end);
          break;
        case RankMethod::kFirst:
          rank = static_cast<double>(i + 1);
          break;
        case RankMethod::kDense:
          rank = dense;
          break;
      }
      ranks[rows[i]] = rank;
    }
    begin = end;
  }
  if (!options.percent) return;
  const double of = options.method == RankMethod::kDense ? dense : static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) ranks[rows[i]] /= of;
}

/// Whether rows are null or equal. Codes of all rows are read at once, where one word is a value.
class Values {
 public:
  static arrow::Result<Values> Make(const KeyColumn& keys, const Context& context) {
    Values made(keys);
    if (keys.is_binary() || keys.pieces() != 1) return made;
    ARROW_ASSIGN_OR_RAISE(made.codes_, PoolArray<uint64_t>::Make(keys.rows(), context.pool));
    ARROW_ASSIGN_OR_RAISE(made.nulls_, PoolArray<uint8_t>::MakeZero(keys.rows(), context.pool));
    constexpr int64_t kBlock = KeyLayout::kBlock;
    ARROW_RETURN_NOT_OK(ParallelFor(context, (keys.rows() + kBlock - 1) / kBlock, [&](int64_t task) {
      const int64_t begin = task * kBlock;
      const int64_t length = std::min(kBlock, keys.rows() - begin);
      keys.Piece(0, begin, length, made.codes_.data() + begin);
      if (keys.may_have_nulls()) keys.Nulls(begin, length, made.nulls_.data() + begin);
      return arrow::Status::OK();
    }));
    return made;
  }

  bool IsNull(int64_t row) const { return codes_.empty() ? keys_->IsNull(row) : nulls_[row] != 0; }

  bool AreEqual(int64_t a, int64_t b) const {
    if (codes_.empty()) return CompareKeys(*keys_, a, *keys_, b, {}) == 0;
    return nulls_[a] == nulls_[b] && (nulls_[a] != 0 || codes_[a] == codes_[b]);
  }

 private:
  explicit Values(const KeyColumn& keys) : keys_(&keys) {}

  const KeyColumn* keys_;
  PoolArray<uint64_t> codes_;
  PoolArray<uint8_t> nulls_;
};

}  // namespace

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> RankInGroups(const Grouping& grouping,
                                                                 const std::shared_ptr<arrow::ChunkedArray>& column,
                                                                 const GroupRankOptions& options,
                                                                 const Context& context) {
  const int64_t rows = column->length();
  ARROW_ASSIGN_OR_RAISE(const auto groups, GroupOfRows(grouping, rows, context));
  const auto ids = std::make_shared<arrow::ChunkedArray>(
      std::make_shared<arrow::Int64Array>(rows, arrow::Buffer::Wrap(groups.data(), static_cast<size_t>(rows))));
  std::vector<KeyColumn> keys;
  ARROW_ASSIGN_OR_RAISE(auto by_group, KeyColumn::Make({ids}, false, context));
  ARROW_ASSIGN_OR_RAISE(auto by_value, KeyColumn::Make({column}, options.nan_is_null, context));
  keys.push_back(std::move(by_group));
  keys.push_back(std::move(by_value));
  const std::vector<KeyDirection> directions{{true, false}, {options.ascending, options.nulls == RankMissing::kTop}};
  ARROW_ASSIGN_OR_RAISE(const auto layout, KeyLayout::Make(keys, directions, context));
  ARROW_ASSIGN_OR_RAISE(const auto order, OrderRows(layout, rows, context));
  ARROW_ASSIGN_OR_RAISE(const auto values, Values::Make(keys[1], context));

  constexpr double kNone = -1;
  ARROW_ASSIGN_OR_RAISE(auto ranks, PoolArray<double>::Make(rows, context.pool));
  std::fill(ranks.begin(), ranks.end(), kNone);
  for (int64_t begin = 0; begin < rows;) {
    const int64_t group = groups[order[begin]];
    int64_t end = begin + 1;
    while (end < rows && groups[order[end]] == group) ++end;
    int64_t ranked = end;
    if (options.nulls == RankMissing::kKeep) {
      while (ranked > begin && values.IsNull(order[ranked - 1])) --ranked;
    }
    if (group >= 0) {
      RankRun(
          order.data() + begin, ranked - begin, options, [&](int64_t a, int64_t b) { return values.AreEqual(a, b); },
          ranks.data());
    }
    begin = end;
  }
  arrow::DoubleBuilder builder(context.pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(rows));
  for (const double rank : ranks) {
    if (rank == kNone) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(rank);
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto made, builder.Finish());
  return std::make_shared<arrow::ChunkedArray>(std::move(made));
}

}  // namespace weft::kernels
