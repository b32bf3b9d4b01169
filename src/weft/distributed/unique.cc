#include "weft/distributed/unique.h"

#include <numeric>
#include <utility>

#include "weft/exchange/exchange.h"
#include "weft/table/columns.h"

namespace weft::distributed {

arrow::Result<std::shared_ptr<arrow::Table>> Unique(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                    const kernels::UniqueOptions& options, const Context& context) {
  kernels::UniqueOptions explicit_options = options;
  if (explicit_options.columns.empty()) {
    explicit_options.columns.resize(static_cast<size_t>(table->num_columns()));
    std::iota(explicit_options.columns.begin(), explicit_options.columns.end(), 0);
  }
  const arrow::Status check = table::CheckKeyTypes(*table->schema(), explicit_options.columns, "unique");
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "unique"));

  auto local = kernels::Unique(table, explicit_options, context);
  table.reset();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, local.status(), "unique"));
  if (communicator.world_size() == 1) return local;
  const auto partitioner = exchange::ByHash(explicit_options.columns, options.nan_is_null, communicator.world_size());
  // Blocks come by source rank and keep their order, so the first row here is the first by (rank, row).
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, *std::move(local), partitioner, context));
  auto unique = kernels::Unique(shuffled.table, explicit_options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, unique.status(), "unique"));
  return unique;
}

}  // namespace weft::distributed
