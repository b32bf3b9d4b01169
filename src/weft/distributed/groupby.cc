#include "weft/distributed/groupby.h"

#include <numeric>
#include <utility>
#include <vector>

#include "weft/distributed/sort.h"
#include "weft/exchange/exchange.h"

namespace weft::distributed {

arrow::Result<std::shared_ptr<arrow::Table>> GroupBy(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                     const kernels::GroupByOptions& options, const Context& context) {
  const auto input = table->schema();
  const auto output = kernels::GroupBySchema(*input, options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, output.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(input) : output.status(), "groupby"));
  if (communicator.world_size() == 1) return kernels::GroupBy(table, options, context);

  auto partial = kernels::GroupByPartial(table, options, context);
  table.reset();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, partial.status(), "groupby"));
  std::vector<int> keys(options.keys.size());
  std::iota(keys.begin(), keys.end(), 0);
  const auto partitioner = exchange::ByHash(keys, options.nan_is_null, communicator.world_size());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, *std::move(partial), partitioner, context));

  kernels::GroupByOptions final_options = options;
  final_options.sort = false;
  auto grouped = kernels::GroupByFinal(shuffled.table, *input, final_options, context);
  shuffled.table.reset();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, grouped.status(), "groupby"));
  if (!options.sort) return grouped;

  kernels::SortOptions order;
  for (const int key : keys) order.keys.push_back({key, true});
  order.nan_is_null = options.nan_is_null;
  return Sort(communicator, *std::move(grouped), order, context);
}

}  // namespace weft::distributed
