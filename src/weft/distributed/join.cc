#include "weft/distributed/join.h"

#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "weft/distributed/join_shuffle.h"
#include "weft/distributed/slice.h"
#include "weft/distributed/sort.h"
#include "weft/distributed/splitters.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/ordered_join.h"
#include "weft/kernels/unique.h"

namespace weft::distributed {
namespace {

using kernels::JoinAlgorithm;
using kernels::JoinOptions;
using kernels::JoinType;
using TablePtr = std::shared_ptr<arrow::Table>;

/// What all ranks must agree on before rows move: that the join can be made at all, and both sides' columns.
arrow::Status AgreeOnJoin(Communicator& communicator, const arrow::Schema& left, const arrow::Schema& right,
                          const JoinOptions& options) {
  arrow::Result<std::shared_ptr<arrow::Schema>> both = kernels::JoinSchema(left, right, options);
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

arrow::Result<Pruned> Prune(const TablePtr& left, const TablePtr& right, const JoinOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto plan, kernels::PlanJoin(*left->schema(), *right->schema(), options));
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

enum class Placement { kByHash, kByRange, kCopyLeft, kCopyRight };

/// A side that is copied has at most this many bytes, unless it must be.
constexpr int64_t kMostCopiedBytes = int64_t{64} << 20;

/// The same on all ranks.
arrow::Result<Placement> ChoosePlacement(Communicator& communicator, const arrow::Table& left,
                                         const arrow::Table& right, const JoinOptions& options) {
  const bool cross = options.type == JoinType::kCross;
  if (options.algorithm == JoinAlgorithm::kHash && !cross) return Placement::kByHash;
  if ((options.algorithm == JoinAlgorithm::kSort && !cross) || options.type == JoinType::kOuter) {
    return options.algorithm == JoinAlgorithm::kSort ? Placement::kByRange : Placement::kByHash;
  }
  if (cross && options.maintain_order) return Placement::kCopyRight;
  int64_t total[2] = {0, 0};
  for (const auto* side : {&left, &right}) {
    const auto bytes = arrow::util::ReferencedBufferSize(*side);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, bytes.status(), "join"));
    // A byte a row, so that rows without columns count too.
    ARROW_ASSIGN_OR_RAISE(const auto all, exchange::AllgatherCounts(communicator, *bytes + side->num_rows()));
    for (const int64_t n : all) total[side == &left ? 0 : 1] += n;
  }
  const bool copy_left = CanBroadcastLeft(options.type) && (total[0] < total[1] || !CanBroadcastRight(options.type));
  const Placement copy = copy_left ? Placement::kCopyLeft : Placement::kCopyRight;
  if (cross || options.algorithm == JoinAlgorithm::kBroadcast) return copy;
  // A rank receives 1/world of both sides when they are shuffled, and all of one when that is copied; half of that for
  // the larger table to be built.
  const int64_t small = total[copy_left ? 0 : 1];
  const bool pays = small <= kMostCopiedBytes && small * 2 * communicator.world_size() <= total[0] + total[1];
  return pays ? copy : Placement::kByHash;
}

arrow::Status PlaceRows(Communicator& communicator, const JoinOptions& options, const Context& context, TablePtr* left,
                        TablePtr* right) {
  ARROW_ASSIGN_OR_RAISE(const auto placement, ChoosePlacement(communicator, **left, **right, options));
  switch (placement) {
    case Placement::kCopyLeft:
      return exchange::Allgather(communicator, std::move(*left), context).Value(left);
    case Placement::kCopyRight:
      return exchange::Allgather(communicator, std::move(*right), context).Value(right);
    case Placement::kByRange: {
      ARROW_ASSIGN_OR_RAISE(std::tie(*left, *right),
                            ShuffleByRange(communicator, std::move(*left), std::move(*right), options, context));
      return arrow::Status::OK();
    }
    case Placement::kByHash:
      break;
  }
  return ShuffleForJoin(communicator, options, context, left, right);
}

arrow::Result<TablePtr> JoinInAnyOrder(Communicator& communicator, const TablePtr& left, const TablePtr& right,
                                       const JoinOptions& options, const Context& context) {
  auto pruned = Prune(left, right, options);
  if (pruned.ok() && ChoosesLeftRows(options.type)) {
    // Of one key one row is enough.
    auto unique = kernels::Unique(pruned->right, {pruned->options.right_keys, options.nan_is_null}, context);
    if (unique.ok()) {
      pruned->right = *std::move(unique);
    } else {
      pruned = unique.status();
    }
  }
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, pruned.status(), "join"));
  ARROW_RETURN_NOT_OK(PlaceRows(communicator, pruned->options, context, &pruned->left, &pruned->right));
  auto joined = kernels::Join(pruned->left, pruned->right, pruned->options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, joined.status(), "join"));
  return arrow::Table::Make(pruned->schema, (*joined)->columns(), (*joined)->num_rows());
}

}  // namespace

arrow::Result<TablePtr> Join(Communicator& communicator, TablePtr left, TablePtr right, const JoinOptions& options,
                             const Context& context) {
  ARROW_RETURN_NOT_OK(AgreeOnJoin(communicator, *left->schema(), *right->schema(), options));
  if (communicator.world_size() == 1) {
    auto joined = kernels::Join(left, right, options, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, joined.status(), "join"));
    return joined;
  }
  if (!kernels::OrdersByNumbers(options)) {
    JoinOptions chosen = options;
    if (options.maintain_order && options.type == JoinType::kOuter) chosen.algorithm = JoinAlgorithm::kSort;
    return JoinInAnyOrder(communicator, left, right, chosen, context);
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t left_first, FirstRow(communicator, *left));
  ARROW_ASSIGN_OR_RAISE(const int64_t right_first, FirstRow(communicator, *right));
  auto ordered = kernels::MakeOrderedJoin(left, left_first, right, right_first, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, ordered.status(), "join"));
  ARROW_ASSIGN_OR_RAISE(auto joined,
                        JoinInAnyOrder(communicator, ordered->left, ordered->right, ordered->options, context));
  ARROW_ASSIGN_OR_RAISE(joined, Sort(communicator, std::move(joined), ordered->sort, context));
  return ordered->Finish(joined);
}

}  // namespace weft::distributed
