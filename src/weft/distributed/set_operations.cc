#include "weft/distributed/set_operations.h"

#include <numeric>
#include <utility>
#include <vector>

#include "weft/distributed/concat.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/unique.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// The rows to where they hash to; of equal ones only the first of each rank travels, where one is enough.
arrow::Result<TablePtr> Place(Communicator& communicator, TablePtr table, bool all, const Context& context) {
  if (!all) {
    auto unique = kernels::Unique(table, {{}, true}, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, unique.status(), "set operation"));
    table = *std::move(unique);
  }
  std::vector<int> columns(static_cast<size_t>(table->num_columns()));
  std::iota(columns.begin(), columns.end(), 0);
  const auto partitioner = exchange::ByHash(std::move(columns), /*nan_is_null=*/true, communicator.world_size());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table), partitioner, context));
  return std::move(shuffled.table);
}

}  // namespace

arrow::Result<TablePtr> CombineSets(Communicator& communicator, const TablePtr& left, const TablePtr& right,
                                    const kernels::SetOptions& options, const Context& context) {
  auto sides = kernels::ConformSets(left, right, context);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, sides.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(sides->first->schema()) : sides.status(),
      "set operation"));
  auto [first, second] = *std::move(sides);
  if (options.operation == kernels::SetOperation::kUnion && options.all) {
    return Concat(communicator, {std::move(first), std::move(second)}, /*outer=*/true, context);
  }
  if (communicator.world_size() > 1) {
    ARROW_ASSIGN_OR_RAISE(first, Place(communicator, std::move(first), options.all, context));
    ARROW_ASSIGN_OR_RAISE(second, Place(communicator, std::move(second), options.all, context));
  }
  auto combined = kernels::CombineSets(first, second, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, combined.status(), "set operation"));
  return combined;
}

}  // namespace weft::distributed
