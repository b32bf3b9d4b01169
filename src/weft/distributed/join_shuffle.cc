#include "weft/distributed/join_shuffle.h"

#include <span>
#include <utility>
#include <vector>

#include "weft/distributed/heavy_keys.h"
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

arrow::Result<HeavyKeys> FindHeavyKeys(Communicator& communicator, const TablePtr& left, const TablePtr& right,
                                       const JoinOptions& options, const Context& context) {
  if (options.type == JoinType::kOuter) return HeavyKeys{};
  const auto rule = [&](const std::vector<KeyEstimate>& sides) {
    const double least = (sides[0].rows + sides[1].rows) / communicator.world_size() / kHeavyPart;
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
             const arrow::RecordBatch& batch, int64_t /*first_row*/, std::span<uint32_t> targets) mutable {
    std::vector<uint64_t> hashes(static_cast<size_t>(batch.num_rows()));
    ARROW_RETURN_NOT_OK(table::HashRows(batch, keys, {.nan_is_null = nan_is_null}, hashes.data()));
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

}  // namespace

arrow::Status ShuffleForJoin(Communicator& communicator, const JoinOptions& options, const Context& context,
                             TablePtr* left, TablePtr* right) {
  ARROW_ASSIGN_OR_RAISE(const auto heavy, FindHeavyKeys(communicator, *left, *right, options, context));
  ARROW_RETURN_NOT_OK(
      ShuffleSide(communicator, options.left_keys, options.nan_is_null, heavy.left, heavy.right, context, left));
  return ShuffleSide(communicator, options.right_keys, options.nan_is_null, heavy.right, heavy.left, context, right);
}

}  // namespace weft::distributed
