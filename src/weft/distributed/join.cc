#include "weft/distributed/join.h"

#include <arrow/type.h>

#include <utility>
#include <vector>

#include "weft/distributed/splitters.h"
#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

using kernels::JoinAlgorithm;
using kernels::JoinOptions;
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

arrow::Result<TablePtr> ShuffleByHash(Communicator& communicator, TablePtr table, const std::vector<int>& keys,
                                      const JoinOptions& options, const Context& context) {
  const auto partitioner = exchange::ByHash(keys, options.nan_is_null, communicator.world_size());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table), partitioner, context));
  return std::move(shuffled.table);
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

}  // namespace

arrow::Result<TablePtr> Join(Communicator& communicator, TablePtr left, TablePtr right, const JoinOptions& options,
                             const Context& context) {
  ARROW_RETURN_NOT_OK(AgreeOnJoin(communicator, *left->schema(), *right->schema(), options));
  if (communicator.world_size() > 1) {
    if (options.algorithm == JoinAlgorithm::kSort) {
      ARROW_ASSIGN_OR_RAISE(std::tie(left, right),
                            ShuffleByRange(communicator, std::move(left), std::move(right), options, context));
    } else {
      ARROW_ASSIGN_OR_RAISE(left, ShuffleByHash(communicator, std::move(left), options.left_keys, options, context));
      ARROW_ASSIGN_OR_RAISE(right, ShuffleByHash(communicator, std::move(right), options.right_keys, options, context));
    }
  }
  auto joined = kernels::Join(left, right, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, joined.status(), "join"));
  return joined;
}

}  // namespace weft::distributed
