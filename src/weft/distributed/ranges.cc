#include "weft/distributed/ranges.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "weft/distributed/splitters.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// After moving, no rank has more rows than this many times its fair share, unless it has them now.
constexpr double kMostOfShare = 1.25;

/// What all ranks know of their rows: how many there are, and how many of the first go to an earlier rank.
struct Heads {
  std::vector<int64_t> rows;
  std::vector<int64_t> heads;
  /// By rank, where its head goes; itself where it has none.
  std::vector<size_t> owners;

  bool any() const {
    return std::any_of(heads.begin(), heads.end(), [](int64_t head) { return head > 0; });
  }
  bool balanced() const {
    std::vector<int64_t> after = rows;
    for (size_t r = 0; r < rows.size(); ++r) {
      after[r] -= heads[r];
      after[owners[r]] += heads[r];
    }
    const int64_t most = *std::max_element(after.begin(), after.end());
    const int64_t total = std::accumulate(rows.begin(), rows.end(), int64_t{0});
    const double share = static_cast<double>(total) / static_cast<double>(rows.size());
    return static_cast<double>(most) <= std::max(share * kMostOfShare, share + 1) ||
           most <= *std::max_element(rows.begin(), rows.end());
  }
};

}  // namespace

arrow::Result<TablePtr> EndKeys(const TablePtr& sorted, const kernels::SortOptions& options, const Context& context) {
  const int64_t rows = sorted->num_rows();
  std::vector<int> columns;
  SortedPart ends{nullptr, options};
  for (auto& key : ends.options.keys) {
    columns.push_back(key.column);
    key.column = static_cast<int>(columns.size()) - 1;
  }
  ARROW_ASSIGN_OR_RAISE(const auto keys, sorted->SelectColumns(columns));
  const std::vector<int64_t> both = {0, rows - 1};
  ARROW_ASSIGN_OR_RAISE(ends.table, kernels::GatherRows(keys, std::span(both).first(rows > 0 ? 2 : 0), context));
  return KeyColumns(ends, context);
}

arrow::Result<bool> JoinRanges(Communicator& communicator, const kernels::SortOptions& order, bool may_move,
                               const Context& context, TablePtr* table) {
  auto own = EndKeys(*table, order, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, own.status(), "ranges"));
  ARROW_ASSIGN_OR_RAISE(const auto ends, exchange::Allgather(communicator, *std::move(own), context));
  Heads all;
  ARROW_ASSIGN_OR_RAISE(all.rows, exchange::AllgatherCounts(communicator, (*table)->num_rows()));
  all.owners.resize(all.rows.size());
  std::iota(all.owners.begin(), all.owners.end(), size_t{0});
  const auto me = static_cast<size_t>(communicator.rank());

  const auto find = [&]() -> arrow::Result<int64_t> {
    // Rows of `ends` with as many before them are equal.
    ARROW_ASSIGN_OR_RAISE(const auto places, kernels::FindSplits(*ends, KeyOrder(order), *ends, context));
    int64_t head = 0;
    size_t at = 0;
    size_t owner = 0;
    for (size_t r = 0; r < all.rows.size(); ++r) {
      if (all.rows[r] == 0) continue;
      if (at > 0 && places[at].before == places[at - 1].before) {
        all.owners[r] = owner;
        if (r == me) {
          const auto key = ends->Slice(static_cast<int64_t>(at), 1);
          ARROW_ASSIGN_OR_RAISE(const auto split, kernels::FindSplits(**table, order, *key, context));
          head = split[0].through;
        }
      }
      // The first rank that has rows of this rank's last key.
      if (places[at + 1].before != places[at].before || at == 0 || places[at - 1].before != places[at].before) {
        owner = r;
      }
      at += 2;
    }
    return head;
  };
  const auto head = find();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, head.status(), "ranges"));
  ARROW_ASSIGN_OR_RAISE(all.heads, exchange::AllgatherCounts(communicator, *head));
  if (!all.any()) return true;
  if (!may_move || !all.balanced()) return false;

  std::vector<int64_t> cuts(all.rows.size(), 0);
  for (size_t r = all.owners[me]; r < cuts.size(); ++r) cuts[r] = *head;
  ARROW_ASSIGN_OR_RAISE(auto moved, exchange::Shuffle(communicator, (*table)->Slice(0, *head),
                                                      exchange::ByPosition(std::move(cuts), 0), context));
  const auto stacked = arrow::ConcatenateTables({(*table)->Slice(*head), moved.table});
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, stacked.status(), "ranges"));
  *table = *stacked;
  return true;
}

arrow::Result<bool> BringTogether(Communicator& communicator, const Placement& lies, const std::vector<int>& keys,
                                  bool nan_is_null, bool may_move, const Context& context, std::vector<int>* hash_order,
                                  TablePtr* table) {
  *hash_order = lies.KeyOrder(communicator, keys, nan_is_null);
  const auto leading = lies.order().Leading(communicator, keys, nan_is_null);
  ARROW_ASSIGN_OR_RAISE(const auto agreed,
                        AgreeOrders(communicator, {*hash_order, lies.order().Claim(communicator, leading)}));
  if (agreed[0]) return true;
  hash_order->clear();
  return agreed[1] ? JoinRanges(communicator, leading, may_move, context, table) : false;
}

}  // namespace weft::distributed
