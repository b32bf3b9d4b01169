#include "weft/distributed/top.h"

#include <utility>
#include <vector>

#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// The parts of the ranks in opposite order: what equal rows come in where the last ones stay.
arrow::Result<TablePtr> Reversed(const TablePtr& gathered, const std::vector<int64_t>& counts, const Context& context) {
  std::vector<TablePtr> parts(counts.size());
  int64_t begin = 0;
  for (size_t rank = 0; rank < counts.size(); ++rank) {
    parts[counts.size() - 1 - rank] = gathered->Slice(begin, counts[rank]);
    begin += counts[rank];
  }
  return arrow::ConcatenateTables(parts, arrow::ConcatenateTablesOptions::Defaults(), context.pool);
}

}  // namespace

arrow::Result<TablePtr> Top(Communicator& communicator, const TablePtr& table, const kernels::TopOptions& options,
                            const Context& context) {
  const arrow::Status check = kernels::CheckSort(*table->schema(), options.order);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "top"));
  auto own = kernels::Top(table, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, own.status(), "top"));
  if (communicator.world_size() == 1) return own;
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, (*own)->num_rows()));
  ARROW_ASSIGN_OR_RAISE(auto gathered, exchange::Gather(communicator, *std::move(own), 0, context));
  auto top = [&]() -> arrow::Result<TablePtr> {
    if (communicator.rank() != 0) return gathered;
    if (options.ties != kernels::Ties::kLast) return kernels::Top(gathered, options, context);
    // A rank's own rows come last row first already: taken in this order, the first of equal rows are the last.
    kernels::TopOptions first = options;
    first.ties = kernels::Ties::kFirst;
    ARROW_ASSIGN_OR_RAISE(const auto reversed, Reversed(gathered, counts, context));
    return kernels::Top(reversed, first, context);
  }();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, top.status(), "top"));
  return top;
}

}  // namespace weft::distributed
