#include "weft/distributed/join.h"

#include <arrow/type.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "weft/base/choice.h"
#include "weft/distributed/join_shuffle.h"
#include "weft/distributed/slice.h"
#include "weft/distributed/sort.h"
#include "weft/distributed/splitters.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/ordered_join.h"
#include "weft/kernels/unique.h"
#include "weft/table/runs.h"

namespace weft::distributed {
namespace {

using kernels::JoinAlgorithm;
using kernels::JoinOptions;
using kernels::JoinPlan;
using kernels::JoinType;
using TablePtr = std::shared_ptr<arrow::Table>;

/// What all ranks must agree on before rows move: that the join can be made at all, and both sides' columns.
arrow::Status AgreeOnJoin(Communicator& communicator, const arrow::Status& prepared, const arrow::Schema& left,
                          const arrow::Schema& right, const JoinOptions& options) {
  using SchemaResult = arrow::Result<std::shared_ptr<arrow::Schema>>;
  SchemaResult both = prepared.ok() ? kernels::JoinSchema(left, right, options) : SchemaResult(prepared);
  if (both.ok()) {
    arrow::FieldVector fields = left.fields();
    fields.insert(fields.end(), right.fields().begin(), right.fields().end());
    both = arrow::schema(std::move(fields));
  }
  return exchange::AgreeSchema(communicator, both, "join");
}

kernels::SortOptions SortByKeys(const std::vector<int>& keys, const JoinOptions& options) {
  kernels::SortOptions sort;
  for (const int key : keys) sort.keys.push_back({key, true});
  sort.nan_is_null = options.nan_is_null;
  return sort;
}

/// Rows go to the rank whose range of keys they are in; equal keys are never cut, so both sides' meet.
arrow::Result<std::pair<TablePtr, TablePtr>> ShuffleByRange(Communicator& communicator, TablePtr left, TablePtr right,
                                                            const JoinOptions& options, const Context& context) {
  const auto left_sort = SortByKeys(options.left_keys, options);
  const auto right_sort = SortByKeys(options.right_keys, options);
  const auto sort_both = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(left, table::WithoutRuns(left, context));
    ARROW_ASSIGN_OR_RAISE(right, table::WithoutRuns(right, context));
    ARROW_ASSIGN_OR_RAISE(left, kernels::Sort(left, left_sort, context));
    ARROW_ASSIGN_OR_RAISE(right, kernels::Sort(right, right_sort, context));
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, sort_both(), "join"));
  ARROW_ASSIGN_OR_RAISE(auto splitters,
                        ChooseSplitters(communicator, {{left, left_sort}, {right, right_sort}}, context));
  const auto move = [&](TablePtr table, const kernels::SortOptions& sort) -> arrow::Result<TablePtr> {
    const auto ranges = kernels::FindSplits(*table, sort, *splitters, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, ranges.status(), "join"));
    std::vector<int64_t> ends;
    for (const auto& range : *ranges) ends.push_back(range.before);
    ends.resize(static_cast<size_t>(communicator.world_size()), table->num_rows());
    ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table),
                                                           exchange::ByPosition(std::move(ends), 0), context));
    return std::move(shuffled.table);
  };
  ARROW_ASSIGN_OR_RAISE(left, move(std::move(left), left_sort));
  ARROW_ASSIGN_OR_RAISE(right, move(std::move(right), right_sort));
  return std::pair{std::move(left), std::move(right)};
}

/// The join with the columns alone that it needs, and the names that its result has.
struct Pruned {
  TablePtr left;
  TablePtr right;
  JoinOptions options;
  std::shared_ptr<arrow::Schema> schema;
};

/// A side without what neither keys nor result need, and by old column its new place.
arrow::Result<TablePtr> PruneSide(const TablePtr& table, std::vector<int>* keys, std::vector<bool> needed,
                                  std::vector<int>* places) {
  for (const int key : *keys) needed[static_cast<size_t>(key)] = true;
  std::vector<int> kept;
  places->assign(needed.size(), -1);
  for (size_t c = 0; c < needed.size(); ++c) {
    if (!needed[c]) continue;
    (*places)[c] = static_cast<int>(kept.size());
    kept.push_back(static_cast<int>(c));
  }
  for (int& key : *keys) key = (*places)[static_cast<size_t>(key)];
  return kept.size() == needed.size() ? arrow::Result<TablePtr>(table) : table->SelectColumns(kept);
}

arrow::Result<Pruned> Prune(const TablePtr& left, const TablePtr& right, const JoinOptions& options,
                            const JoinPlan& plan) {
  Pruned out{left, right, options, plan.schema};
  const auto is_left = [](const kernels::OutputColumn& column) { return column.side == kernels::Side::kLeft; };
  std::vector<bool> left_needed(static_cast<size_t>(left->num_columns()), false);
  std::vector<bool> right_needed(static_cast<size_t>(right->num_columns()), false);
  for (const auto& column : plan.columns) {
    if (!column.indicator) (is_left(column) ? left_needed : right_needed)[static_cast<size_t>(column.column)] = true;
  }
  std::vector<int> left_places;
  std::vector<int> right_places;
  ARROW_ASSIGN_OR_RAISE(out.left, PruneSide(left, &out.options.left_keys, std::move(left_needed), &left_places));
  ARROW_ASSIGN_OR_RAISE(out.right, PruneSide(right, &out.options.right_keys, std::move(right_needed), &right_places));
  if (out.left == left && out.right == right) return out;
  out.options.columns.reset();
  ARROW_ASSIGN_OR_RAISE(const auto pruned, kernels::PlanJoin(*out.left->schema(), *out.right->schema(), out.options));
  std::vector<int> chosen;
  for (const auto& column : plan.columns) {
    const int place =
        column.indicator ? 0 : (is_left(column) ? left_places : right_places)[static_cast<size_t>(column.column)];
    const auto same = std::find_if(pruned.columns.begin(), pruned.columns.end(), [&](const auto& other) {
      return other.indicator == column.indicator &&
             (column.indicator || (other.side == column.side && other.column == place));
    });
    chosen.push_back(static_cast<int>(same - pruned.columns.begin()));
  }
  out.options.columns = std::move(chosen);
  return out;
}

/// All rows of one side on every rank.
bool CanBroadcastRight(JoinType type) { return type != JoinType::kRight && type != JoinType::kOuter; }
bool CanBroadcastLeft(JoinType type) {
  return type == JoinType::kInner || type == JoinType::kRight || type == JoinType::kCross;
}

enum class Route { kByHash, kByRange, kCopyLeft, kCopyRight };

/// A side that is copied has at most this many bytes, unless it must be.
constexpr int64_t kMostCopiedBytes = int64_t{64} << 20;

/// The same on all ranks.
Route ChooseRoute(const JoinSides& sides, const JoinOptions& options, int world_size) {
  const bool cross = options.type == JoinType::kCross;
  if (options.algorithm == JoinAlgorithm::kHash && !cross) return Route::kByHash;
  if ((options.algorithm == JoinAlgorithm::kSort && !cross) || options.type == JoinType::kOuter) {
    return options.algorithm == JoinAlgorithm::kSort ? Route::kByRange : Route::kByHash;
  }
  if (cross && options.maintain_order) return Route::kCopyRight;
  const bool copy_left =
      CanBroadcastLeft(options.type) && (sides.bytes[0] < sides.bytes[1] || !CanBroadcastRight(options.type));
  const Route copy = copy_left ? Route::kCopyLeft : Route::kCopyRight;
  if (cross || options.algorithm == JoinAlgorithm::kBroadcast) return copy;
  // A rank receives 1/world of what is shuffled, and all of a side that is copied; half of that for the larger table to
  // be built.
  const int64_t small = sides.bytes[copy_left ? 0 : 1];
  const bool pays = small <= kMostCopiedBytes && small * 2 * world_size <= sides.moved_bytes();
  return pays ? copy : Route::kByHash;
}

/// Where the rows of the result lie: by the hash of keys that the columns `left` and `right` of the two sides held, a
/// list for each place in the hash.
Placement PlaceResult(const Placement& like, const JoinPlan& plan, const JoinOptions& options,
                      const std::vector<std::vector<int>>& left, const std::vector<std::vector<int>>& right) {
  const auto has = [](const std::vector<int>& columns, int column) {
    return std::find(columns.begin(), columns.end(), column) != columns.end();
  };
  const bool left_rows = options.type != JoinType::kRight && options.type != JoinType::kOuter;
  const bool right_rows = options.type != JoinType::kLeft && options.type != JoinType::kOuter;
  std::vector<std::vector<int>> places(std::max(left.size(), right.size()));
  for (size_t c = 0; c < plan.columns.size(); ++c) {
    const auto& column = plan.columns[c];
    if (column.indicator) continue;
    for (size_t i = 0; i < places.size(); ++i) {
      const auto& of_left = i < left.size() ? left[i] : std::vector<int>{};
      const auto& of_right = i < right.size() ? right[i] : std::vector<int>{};
      bool holds;
      if (column.key >= 0) {
        // The key of whichever side has the row.
        holds = has(of_left, options.left_keys[static_cast<size_t>(column.key)]) ||
                has(of_right, options.right_keys[static_cast<size_t>(column.key)]);
      } else {
        holds = column.side == kernels::Side::kLeft ? left_rows && has(of_left, column.column)
                                                    : right_rows && has(of_right, column.column);
      }
      if (holds) places[i].push_back(static_cast<int>(c));
    }
  }
  return {like, std::move(places)};
}

/// A join that is made, and where its rows lie.
struct Placed {
  TablePtr table;
  Placement lies;
};

/// Moves rows to where their matches are, and tells where the result of joining them will lie; `pruned` is the join of
/// `whole`.
arrow::Result<Placement> PlaceRows(Communicator& communicator, const JoinPlacement& lies, const JoinPlan& plan,
                                   const JoinOptions& whole, const Context& context, Pruned* pruned,
                                   const JoinSides& sides) {
  TablePtr* left = &pruned->left;
  TablePtr* right = &pruned->right;
  switch (ChooseRoute(sides, pruned->options, communicator.world_size())) {
    case Route::kCopyLeft:
      NoteChoice(context, "join.copy_left");
      ARROW_RETURN_NOT_OK(exchange::Allgather(communicator, std::move(*left), context).Value(left));
      return PlaceResult(lies.right, plan, whole, {}, lies.right.columns());
    case Route::kCopyRight:
      NoteChoice(context, "join.copy_right");
      ARROW_RETURN_NOT_OK(exchange::Allgather(communicator, std::move(*right), context).Value(right));
      return PlaceResult(lies.left, plan, whole, lies.left.columns(), {});
    case Route::kByRange: {
      NoteChoice(context, "join.range");
      ARROW_ASSIGN_OR_RAISE(std::tie(*left, *right), ShuffleByRange(communicator, std::move(*left), std::move(*right),
                                                                    pruned->options, context));
      return Placement();
    }
    case Route::kByHash:
      break;
  }
  ARROW_ASSIGN_OR_RAISE(const bool by_hash, ShuffleForJoin(communicator, pruned->options, sides, context, left, right));
  if (!by_hash) return Placement();
  std::vector<std::vector<int>> of_left;
  std::vector<std::vector<int>> of_right;
  for (const int key : InOrder(whole.left_keys, sides.order)) of_left.push_back({key});
  for (const int key : InOrder(whole.right_keys, sides.order)) of_right.push_back({key});
  return PlaceResult(Placement(communicator, InOrder(whole.left_keys, sides.order), whole.nan_is_null), plan, whole,
                     of_left, of_right);
}

arrow::Result<TablePtr> JoinWithoutRuns(const TablePtr& left, const TablePtr& right, const JoinOptions& options,
                                        const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto plain_left, table::WithoutRuns(left, context));
  ARROW_ASSIGN_OR_RAISE(const auto plain_right, table::WithoutRuns(right, context));
  return kernels::Join(plain_left, plain_right, options, context);
}

arrow::Result<Placed> JoinInAnyOrder(Communicator& communicator, const TablePtr& left, const TablePtr& right,
                                     const JoinOptions& options, const Context& context, const JoinPlacement& lies) {
  JoinPlan plan;
  const auto prepare = [&]() -> arrow::Result<Pruned> {
    ARROW_ASSIGN_OR_RAISE(
        plan, kernels::PlanJoin(*table::WithoutRuns(left->schema()), *table::WithoutRuns(right->schema()), options));
    ARROW_ASSIGN_OR_RAISE(auto pruned, Prune(left, right, options, plan));
    if (ChoosesLeftRows(options.type)) {
      // Of one key one row is enough.
      ARROW_ASSIGN_OR_RAISE(pruned.right,
                            kernels::Unique(pruned.right, {pruned.options.right_keys, options.nan_is_null}, context));
    }
    return pruned;
  };
  auto pruned = prepare();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, pruned.status(), "join"));
  // The pruned sides have other columns, but their keys are the same ones.
  const auto sides_of = [&](const Placement& side, const std::vector<int>& from, const std::vector<int>& to) {
    const auto order = side.KeyOrder(communicator, from, options.nan_is_null);
    return order.empty() ? Placement() : Placement(communicator, InOrder(to, order), options.nan_is_null);
  };
  ARROW_ASSIGN_OR_RAISE(
      const JoinSides sides,
      DescribeSides(communicator, *pruned->left, sides_of(lies.left, options.left_keys, pruned->options.left_keys),
                    *pruned->right, sides_of(lies.right, options.right_keys, pruned->options.right_keys),
                    pruned->options));
  Placed out;
  ARROW_ASSIGN_OR_RAISE(out.lies, PlaceRows(communicator, lies, plan, options, context, &*pruned, sides));
  auto joined = JoinWithoutRuns(pruned->left, pruned->right, pruned->options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, joined.status(), "join"));
  out.table = arrow::Table::Make(pruned->schema, (*joined)->columns(), (*joined)->num_rows());
  return out;
}

}  // namespace

arrow::Result<TablePtr> Join(Communicator& communicator, TablePtr left, TablePtr right, const JoinOptions& options,
                             const Context& context, JoinPlacement* placement) {
  // Keys are looked at before rows move; what else has runs keeps them until then.
  const auto prepare = [&]() -> arrow::Status {
    ARROW_RETURN_NOT_OK(table::WithoutRuns(left, options.left_keys, context).Value(&left));
    return table::WithoutRuns(right, options.right_keys, context).Value(&right);
  };
  const arrow::Status prepared = prepare();
  ARROW_RETURN_NOT_OK(AgreeOnJoin(communicator, prepared, *left->schema(), *right->schema(), options));
  if (communicator.world_size() == 1) {
    auto joined = JoinWithoutRuns(left, right, options, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, joined.status(), "join"));
    return joined;
  }
  const JoinPlacement lies = placement == nullptr ? JoinPlacement{} : *placement;
  if (!kernels::OrdersByNumbers(options)) {
    JoinOptions chosen = options;
    if (options.maintain_order && options.type == JoinType::kOuter) chosen.algorithm = JoinAlgorithm::kSort;
    ARROW_ASSIGN_OR_RAISE(auto joined, JoinInAnyOrder(communicator, left, right, chosen, context, lies));
    if (placement != nullptr) placement->result = std::move(joined.lies);
    return std::move(joined.table);
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t left_first, FirstRow(communicator, *left));
  ARROW_ASSIGN_OR_RAISE(const int64_t right_first, FirstRow(communicator, *right));
  auto ordered = kernels::MakeOrderedJoin(left, left_first, right, right_first, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, ordered.status(), "join"));
  // The numbers are columns behind the others, so that these are where they were.
  ARROW_ASSIGN_OR_RAISE(auto joined,
                        JoinInAnyOrder(communicator, ordered->left, ordered->right, ordered->options, context, lies));
  ARROW_ASSIGN_OR_RAISE(auto sorted, Sort(communicator, std::move(joined.table), ordered->sort, context));
  return ordered->Finish(sorted);
}

}  // namespace weft::distributed
