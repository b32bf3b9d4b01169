#include "weft/distributed/unique_keys.h"

#include <arrow/type.h>

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "weft/exchange/exchange.h"
#include "weft/kernels/unique_keys.h"

namespace weft::distributed {

arrow::Status CheckUniqueKeys(Communicator& communicator, const arrow::Table& table, std::span<const int> columns,
                              std::string_view what, const Context& context) {
  const std::vector<int> all(columns.begin(), columns.end());
  std::vector<int> places(all.size());
  std::iota(places.begin(), places.end(), 0);
  auto keys = table.SelectColumns(all);
  auto schema = keys.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>((*keys)->schema()) : keys.status();
  if (schema.ok()) {
    const arrow::Status here = kernels::CheckUniqueKeys(**keys, places, what, context);
    if (!here.ok()) schema = here;
  }
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, schema, "validate"));
  if (communicator.world_size() == 1) return arrow::Status::OK();
  const auto partitioner = exchange::ByHash(places, /*nan_is_null=*/true, communicator.world_size());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, *std::move(keys), partitioner, context));
  return exchange::Agree(communicator, kernels::CheckUniqueKeys(*shuffled.table, places, what, context), "validate");
}

}  // namespace weft::distributed
