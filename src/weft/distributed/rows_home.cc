#include "weft/distributed/rows_home.h"

#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <utility>

#include "weft/exchange/exchange.h"
#include "weft/kernels/ordered_join.h"
#include "weft/kernels/sort.h"

namespace weft::distributed {

arrow::Result<RowsHome> RowsHome::Make(Communicator& communicator, int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, rows));
  RowsHome home;
  int64_t end = 0;
  for (const int64_t n : counts) home.ends_.push_back(end += n);
  home.first_ = home.ends_[static_cast<size_t>(communicator.rank())] - rows;
  return home;
}

arrow::Result<std::shared_ptr<arrow::Table>> RowsHome::AppendNumbers(const std::shared_ptr<arrow::Table>& table,
                                                                     const Context& context) const {
  return kernels::AppendRowNumbers(table, "__weft_row__", first_, context);
}

arrow::Result<std::shared_ptr<arrow::Table>> RowsHome::BringBack(Communicator& communicator,
                                                                 std::shared_ptr<arrow::Table> table, int numbers,
                                                                 const Context& context) const {
  const auto to_home = [this, numbers](const arrow::RecordBatch& batch, int64_t /*first_row*/,
                                       const Context& /*context*/, std::span<uint32_t> targets) {
    const auto& column = static_cast<const arrow::Int64Array&>(*batch.column(numbers));
    for (size_t i = 0; i < targets.size(); ++i) {
      const auto owner = std::upper_bound(ends_.begin(), ends_.end(), column.Value(static_cast<int64_t>(i)));
      targets[i] = static_cast<uint32_t>(owner - ends_.begin());
    }
    return arrow::Status::OK();
  };
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table), to_home, context));
  kernels::SortOptions by_number;
  by_number.keys = {{numbers, true}};
  auto sorted = kernels::Sort(shuffled.table, by_number, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, sorted.status(), "rows to their places"));
  return (*sorted)->RemoveColumn(numbers);
}

}  // namespace weft::distributed
