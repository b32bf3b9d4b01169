#include "weft/distributed/join_shuffle.h"

#include <arrow/util/byte_size.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "weft/base/choice.h"
#include "weft/distributed/heavy_keys.h"
#include "weft/distributed/key_filter.h"
#include "weft/exchange/exchange.h"
#include "weft/table/hash.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using kernels::JoinOptions;
using kernels::JoinType;

/// Hashes of keys whose rows are dealt out, by the side that has the many rows.
struct HeavyKeys {
  HashSet left;
  HashSet right;
};

/// Keys of more rows than a rank's fair share divided by `part`.
arrow::Result<HeavyKeys> FindHeavyKeys(Communicator& communicator, const TablePtr& left, const TablePtr& right,
                                       const JoinOptions& options, double part, const Context& context) {
  if (options.type == JoinType::kOuter) return HeavyKeys{};
  const auto rule = [&](const std::vector<KeyEstimate>& sides) {
    const double least = (sides[0].rows + sides[1].rows) / communicator.world_size() / part;
    std::vector<HashSet> heavy(2);
    if (options.type != JoinType::kRight) {
      for (const auto& [key, rows] : sides[0].by_key) {
        if (rows <= least) continue;
        if (options.type != JoinType::kInner || rows >= sides[1].RowsOf(key)) heavy[0].insert(key);
      }
    }
    if (options.type == JoinType::kInner || options.type == JoinType::kRight) {
      for (const auto& [key, rows] : sides[1].by_key) {
        if (rows > least && !heavy[0].contains(key)) heavy[1].insert(key);
      }
    }
    return heavy;
  };
  ARROW_ASSIGN_OR_RAISE(auto heavy,
                        ChooseHeavyKeys(communicator, {{left, options.left_keys}, {right, options.right_keys}},
                                        options.nan_is_null, "join", rule, context));
  return HeavyKeys{std::move(heavy[0]), std::move(heavy[1])};
}

/// By hash, but those of `dealt` out one by one, beginning with rank `first`.
exchange::Partitioner ByHashOrDealt(std::vector<int> keys, bool nan_is_null, const HashSet& dealt, uint32_t ranks,
                                    uint32_t first) {
  return [keys = std::move(keys), nan_is_null, &dealt, ranks, next = first](
             const arrow::RecordBatch& batch, int64_t /*first_row*/, const Context& context,
             std::span<uint32_t> targets) mutable {
    std::vector<uint64_t> hashes(static_cast<size_t>(batch.num_rows()));
    ARROW_RETURN_NOT_OK(table::HashRows(batch, keys, {.nan_is_null = nan_is_null}, context, hashes.data()));
    for (size_t i = 0; i < hashes.size(); ++i) {
      if (dealt.contains(hashes[i])) {
        targets[i] = next;
        next = next + 1 == ranks ? 0 : next + 1;
      } else {
        targets[i] = table::RankOfHash(hashes[i], ranks);
      }
    }
    return arrow::Status::OK();
  };
}

arrow::Status ShuffleSide(Communicator& communicator, const std::vector<int>& keys, bool nan_is_null,
                          const HashSet& dealt, const HashSet& copied, const Context& context, TablePtr* table) {
  TablePtr everywhere;
  if (!copied.empty()) {
    auto parts = SeparateKeys(*table, keys, nan_is_null, copied, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, parts.status(), "join"));
    *table = std::move(parts->second);
    ARROW_ASSIGN_OR_RAISE(everywhere, exchange::Allgather(communicator, std::move(parts->first), context));
  }
  const auto ranks = static_cast<uint32_t>(communicator.world_size());
  const auto partitioner =
      dealt.empty() ? exchange::ByHash(keys, nan_is_null, communicator.world_size())
                    : ByHashOrDealt(keys, nan_is_null, dealt, ranks, static_cast<uint32_t>(communicator.rank()));
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(*table), partitioner, context));
  *table = std::move(shuffled.table);
  if (everywhere == nullptr) return arrow::Status::OK();
  return arrow::ConcatenateTables({*table, everywhere}, arrow::ConcatenateTablesOptions::Defaults(), context.pool)
      .Value(table);
}

/// Whether rows of a side (0: left) that have no match add nothing to the result.
bool MatchesAlone(size_t side, JoinType type) {
  if (type == JoinType::kInner || type == JoinType::kLeftSemi) return true;
  return side == 0 ? type == JoinType::kRight : type == JoinType::kLeft || type == JoinType::kLeftAnti;
}

FilterTrade TradeOf(const JoinSides& sides, size_t side, int world_size) {
  return {sides.bytes[side], sides.rows[side], sides.rows[1 - side], world_size, sides.through_memory};
}

/// The side that is worth asking whether to filter it, or 2. A filter takes memory and a copy of what passes, which a
/// rank that goes by way of disk has not.
size_t SideToFilter(const JoinSides& sides, JoinType type, int world_size, const Context& context) {
  if (context.spill != nullptr) return 2;
  const size_t larger = sides.bytes[0] >= sides.bytes[1] ? 0 : 1;
  for (const size_t side : {larger, 1 - larger}) {
    if (sides.placed[side] || !MatchesAlone(side, type)) continue;
    if (FilterMayPay(TradeOf(sides, side, world_size))) return side;
  }
  return 2;
}

/// Without heavy keys.
arrow::Status ShuffleByHash(Communicator& communicator, const JoinOptions& options, const JoinSides& sides,
                            const Context& context, const std::array<TablePtr*, 2>& tables) {
  const std::array<std::vector<int>, 2> keys = {InOrder(options.left_keys, sides.order),
                                                InOrder(options.right_keys, sides.order)};
  const auto move = [&](size_t side) -> arrow::Status {
    if (sides.placed[side]) return arrow::Status::OK();
    return ShuffleSide(communicator, keys[side], options.nan_is_null, {}, {}, context, tables[side]);
  };
  const size_t filtered = SideToFilter(sides, options.type, communicator.world_size(), context);
  if (filtered == 2) {
    ARROW_RETURN_NOT_OK(move(0));
    return move(1);
  }
  const size_t other = 1 - filtered;
  ARROW_RETURN_NOT_OK(move(other));
  ARROW_ASSIGN_OR_RAISE(
      *tables[filtered],
      FilterBeforeShuffle(communicator, {*tables[filtered], keys[filtered]}, {*tables[other], keys[other]},
                          TradeOf(sides, filtered, communicator.world_size()), options.nan_is_null, context));
  return move(filtered);
}

}  // namespace

arrow::Result<JoinSides> DescribeSides(Communicator& communicator, const arrow::Table& left, const Placement& left_lies,
                                       const arrow::Table& right, const Placement& right_lies,
                                       const JoinOptions& options) {
  JoinSides sides;
  const auto left_bytes = arrow::util::ReferencedBufferSize(left);
  const auto right_bytes = arrow::util::ReferencedBufferSize(right);
  ARROW_RETURN_NOT_OK(
      exchange::Agree(communicator, left_bytes.ok() ? right_bytes.status() : left_bytes.status(), "join"));
  const auto links = communicator.links();
  const bool apart = std::any_of(links.begin(), links.end(), [&](const LinkInfo& link) {
    return link.peer >= 0 && link.peer != communicator.rank() && link.shared_memory == 0;
  });
  // A byte a row, so that rows without columns count too.
  std::array<int64_t, 5> sums = {*left_bytes + left.num_rows(), *right_bytes + right.num_rows(), left.num_rows(),
                                 right.num_rows(), apart ? 1 : 0};
  const std::span<int64_t> all(sums);
  const Reduction sum{.type = arrow::Type::INT64, .op = ReduceOp::kSum};
  ARROW_RETURN_NOT_OK(
      communicator.Allreduce(std::as_bytes(all), std::as_writable_bytes(all), static_cast<int64_t>(all.size()), sum));
  sides.bytes = {sums[0], sums[1]};
  sides.rows = {sums[2], sums[3]};
  sides.through_memory = sums[4] == 0;

  const auto left_order = left_lies.KeyOrder(communicator, options.left_keys, options.nan_is_null);
  const auto right_order = right_lies.KeyOrder(communicator, options.right_keys, options.nan_is_null);
  ARROW_ASSIGN_OR_RAISE(const auto agreed,
                        AgreeOrders(communicator, {left_order, right_order,
                                                   left_order == right_order ? left_order : std::vector<int>{}}));
  const auto whole = [&](size_t side, const std::vector<int>& order) {
    return agreed[side] && order.size() == options.left_keys.size();
  };
  if (agreed[2]) {
    sides.placed = {true, true};
    sides.order = left_order;
  } else if (whole(0, left_order) && (!whole(1, right_order) || sides.bytes[0] >= sides.bytes[1])) {
    sides.placed = {true, false};
    sides.order = left_order;
  } else if (whole(1, right_order)) {
    sides.placed = {false, true};
    sides.order = right_order;
  } else {
    sides.order.resize(options.left_keys.size());
    std::iota(sides.order.begin(), sides.order.end(), 0);
  }
  return sides;
}

arrow::Result<bool> ShuffleForJoin(Communicator& communicator, const JoinOptions& options, const JoinSides& sides,
                                   const Context& context, TablePtr* left, TablePtr* right) {
  // Rows that are where they should be are moved for a key alone that has more than all that a rank should have.
  const double part = sides.placed[0] && sides.placed[1] ? 1 : kHeavyPart;
  ARROW_ASSIGN_OR_RAISE(const auto heavy, FindHeavyKeys(communicator, *left, *right, options, part, context));
  if (heavy.left.empty() && heavy.right.empty()) {
    NoteChoice(context, sides.placed[0] && sides.placed[1]   ? "join.in_place"
                        : sides.placed[0] || sides.placed[1] ? "join.shuffle_one"
                                                             : "join.shuffle");
    ARROW_RETURN_NOT_OK(ShuffleByHash(communicator, options, sides, context, {left, right}));
    return true;
  }
  NoteChoice(context, "join.spread");
  ARROW_RETURN_NOT_OK(
      ShuffleSide(communicator, options.left_keys, options.nan_is_null, heavy.left, heavy.right, context, left));
  ARROW_RETURN_NOT_OK(
      ShuffleSide(communicator, options.right_keys, options.nan_is_null, heavy.right, heavy.left, context, right));
  return false;
}

}  // namespace weft::distributed
