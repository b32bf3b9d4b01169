#include "weft/distributed/scan.h"

#include <utility>

#include "weft/exchange/exchange.h"

namespace weft::distributed {

arrow::Result<std::shared_ptr<arrow::Table>> Scan(Communicator& communicator,
                                                  const std::shared_ptr<arrow::Table>& table,
                                                  const kernels::ScanOptions& options, const Context& context) {
  const auto output = kernels::ScanSchema(*table->schema(), options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, output.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : output.status(),
      "scan"));
  if (communicator.world_size() == 1) return kernels::Scan(table, nullptr, options, context);
  auto totals = kernels::ScanTotals(table, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, totals.status(), "scan"));
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange::Allgather(communicator, *std::move(totals), context));
  const Rank rank = communicator.rank();
  auto made = kernels::Scan(table, rank == 0 ? nullptr : all->Slice(0, rank), options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), "scan"));
  return made;
}

}  // namespace weft::distributed
