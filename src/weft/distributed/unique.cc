#include "weft/distributed/unique.h"

#include <arrow/type.h>

#include <numeric>
#include <span>
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

arrow::Result<std::vector<int64_t>> CountDistinct(Communicator& communicator,
                                                  const std::shared_ptr<arrow::Table>& table,
                                                  const std::vector<int>& columns, bool drop_missing,
                                                  const Context& context) {
  const arrow::Status check = table::CheckKeyTypes(*table->schema(), columns, "nunique");
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "nunique"));
  const bool alone = communicator.world_size() == 1;
  std::vector<int64_t> counts;
  arrow::Status counted;
  for (const int column : columns) {
    ARROW_ASSIGN_OR_RAISE(auto values, table->SelectColumns({column}));
    if (!alone) {
      auto local = kernels::Unique(values, {.columns = {0}, .nan_is_null = true}, context);
      ARROW_RETURN_NOT_OK(exchange::Agree(communicator, local.status(), "nunique"));
      const auto partitioner = exchange::ByHash({0}, /*nan_is_null=*/true, communicator.world_size());
      ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, *std::move(local), partitioner, context));
      values = std::move(shuffled.table);
    }
    const auto count = kernels::CountDistinct(*values, 0, drop_missing, context);
    if (counted.ok()) counted = count.status();
    counts.push_back(count.ok() ? *count : 0);
  }
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, counted, "nunique"));
  if (alone || counts.empty()) return counts;
  const Reduction sum{.type = arrow::Type::INT64, .op = ReduceOp::kSum};
  const std::span<int64_t> all(counts);
  ARROW_RETURN_NOT_OK(
      communicator.Allreduce(std::as_bytes(all), std::as_writable_bytes(all), static_cast<int64_t>(all.size()), sum));
  return counts;
}

}  // namespace weft::distributed
