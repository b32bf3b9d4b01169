#include "weft/distributed/quantile.h"

#include <arrow/type.h>

#include <string>
#include <vector>

#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

kernels::SelectExchange OverRanks(Communicator& communicator) {
  return {
      [&communicator](const arrow::Status& local, std::span<int64_t> counts) -> arrow::Status {
        ARROW_RETURN_NOT_OK(exchange::Agree(communicator, local, "quantile"));
        if (counts.empty()) return arrow::Status::OK();
        const Reduction sum{.type = arrow::Type::INT64, .op = ReduceOp::kSum};
        // In place: the two are the very same memory.
        return communicator.Allreduce(std::as_bytes(counts), std::as_writable_bytes(counts),
                                      static_cast<int64_t>(counts.size()), sum);
      },
      [&communicator](const arrow::Status& local, std::string_view bytes) -> arrow::Result<std::vector<std::string>> {
        ARROW_RETURN_NOT_OK(exchange::Agree(communicator, local, "quantile"));
        return exchange::AllgatherBytes(communicator, bytes);
      }};
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> Quantile(Communicator& communicator,
                                                      const std::shared_ptr<arrow::Table>& table,
                                                      const kernels::QuantileOptions& options, const Context& context) {
  const auto output = kernels::QuantileSchema(*table->schema(), options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, output.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : output.status(),
      "quantile"));
  const bool alone = communicator.world_size() == 1;
  return kernels::Quantile(table, options, alone ? kernels::SelectAlone() : OverRanks(communicator), context);
}

}  // namespace weft::distributed
