#include "weft/distributed/reduce.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "weft/exchange/exchange.h"

namespace weft::distributed {

arrow::Result<std::shared_ptr<arrow::Table>> Reduce(Communicator& communicator,
                                                    const std::shared_ptr<arrow::Table>& table,
                                                    const kernels::ReduceOptions& options, const Context& context) {
  const auto schema = table->schema();
  const auto output = kernels::ReduceSchema(*schema, options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, output.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(schema) : output.status(), "reduce"));
  if (communicator.world_size() == 1) return kernels::Reduce(table, options, context);
  int64_t first_row = 0;
  const bool numbers_rows = std::any_of(options.reductions.begin(), options.reductions.end(), [](const auto& one) {
    return one.function == kernels::ReduceFunction::kArgMin || one.function == kernels::ReduceFunction::kArgMax;
  });
  if (numbers_rows) {
    ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, table->num_rows()));
    for (Rank rank = 0; rank < communicator.rank(); ++rank) first_row += counts[static_cast<size_t>(rank)];
  }
  auto partial = kernels::ReducePartial(table, options, first_row, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, partial.status(), "reduce"));
  ARROW_ASSIGN_OR_RAISE(const auto partials, exchange::Allgather(communicator, *std::move(partial), context));
  // From equal rows, so that an error is every rank's; but for memory, which may be short on one alone.
  auto made = kernels::ReduceFinal(partials, *schema, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), "reduce"));
  return made;
}

}  // namespace weft::distributed
