#include "weft/distributed/inversions.h"

#include <arrow/array/array_primitive.h>
#include <arrow/buffer.h>
#include <arrow/table.h>

#include <span>
#include <utility>

#include "weft/exchange/exchange.h"
#include "weft/kernels/inversions.h"

namespace weft::distributed {

arrow::Result<int64_t> CountInversions(Communicator& communicator, const std::shared_ptr<arrow::ChunkedArray>& column,
                                       const Context& context) {
  auto mine = kernels::CountInversions(column, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, mine.status(), "inversions"));
  const int world = communicator.world_size();
  int64_t count = mine->count;
  const auto schema = arrow::schema({arrow::field("value", arrow::float64())});
  // The buffer refers to `mine`, which outlives it.
  const auto buffer = std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(mine->sorted.data()),
                                                      mine->sorted.size() * static_cast<int64_t>(sizeof(double)));
  const auto own = arrow::Table::Make(
      schema,
      {std::make_shared<arrow::ChunkedArray>(std::make_shared<arrow::DoubleArray>(mine->sorted.size(), buffer))});
  // The last rank's values are before no other's.
  for (Rank root = 0; root + 1 < world; ++root) {
    ARROW_ASSIGN_OR_RAISE(const auto table, exchange::Broadcast(communicator, own, root, context));
    if (communicator.rank() <= root) continue;
    for (const auto& chunk : table->column(0)->chunks()) {
      const auto& values = static_cast<const arrow::DoubleArray&>(*chunk);
      count += kernels::CountGreater({values.raw_values(), static_cast<size_t>(values.length())}, mine->sorted.span());
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, count));
  int64_t whole = 0;
  for (const int64_t one : counts) whole += one;
  return whole;
}

}  // namespace weft::distributed
