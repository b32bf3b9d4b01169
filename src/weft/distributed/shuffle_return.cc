#include "weft/distributed/shuffle_return.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "weft/kernels/gather.h"

namespace weft::distributed {

arrow::Result<std::shared_ptr<arrow::Table>> ShuffleReturn::Out(std::shared_ptr<arrow::Table> table,
                                                                const Context& context) {
  const int world = communicator_.world_size();
  if (world == 1) {
    rows_from_ = {table->num_rows()};
    return table;
  }
  auto targets = kernels::PoolArray<uint32_t>::Make(table->num_rows(), context.pool);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator_, targets.status(), operation_));
  targets_ = *std::move(targets);
  const exchange::Partitioner keep_targets = [&](const arrow::RecordBatch& batch, int64_t first_row,
                                                 const Context& shuffle_context,
                                                 std::span<uint32_t> out) -> arrow::Status {
    ARROW_RETURN_NOT_OK(owner_(batch, first_row, shuffle_context, out));
    std::copy(out.begin(), out.end(), targets_.data() + first_row);
    return arrow::Status::OK();
  };
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator_, std::move(table), keep_targets, context));
  rows_from_ = std::move(shuffled.rows_from);
  return std::move(shuffled.table);
}

arrow::Result<std::shared_ptr<arrow::Table>> ShuffleReturn::Back(arrow::Result<std::shared_ptr<arrow::Table>> answers,
                                                                 const Context& context) {
  const int64_t rows = std::accumulate(rows_from_.begin(), rows_from_.end(), int64_t{0});
  if (answers.ok() && (*answers)->num_rows() != rows) {
    answers = arrow::Status::Invalid(operation_, ": ", (*answers)->num_rows(), " answers to ", rows, " rows");
  }
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator_, answers.status(), operation_));
  if (communicator_.world_size() == 1) return answers;
  std::vector<int64_t> ends(rows_from_.size());
  std::partial_sum(rows_from_.begin(), rows_from_.end(), ends.begin());
  // To each source the answers to its rows, which lie together and in its order: nothing is copied to send them.
  ARROW_ASSIGN_OR_RAISE(auto returned,
                        exchange::Shuffle(communicator_, *std::move(answers), exchange::ByPosition(ends, 0), context));
  auto place = [&]() -> arrow::Result<std::shared_ptr<arrow::Table>> {
    ARROW_ASSIGN_OR_RAISE(auto places, kernels::PoolArray<int64_t>::Make(targets_.size(), context.pool));
    std::vector<int64_t> next(returned.rows_from.size());
    std::exclusive_scan(returned.rows_from.begin(), returned.rows_from.end(), next.begin(), int64_t{0});
    for (int64_t row = 0; row < targets_.size(); ++row) places[row] = next[targets_[row]]++;
    targets_.Free();
    return kernels::GatherRows(returned.table, places.span(), context);
  }();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator_, place.status(), operation_));
  return place;
}

int ColumnPlaces::Take(int column) {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  if (found != columns_.end()) return static_cast<int>(found - columns_.begin());
  columns_.push_back(column);
  return static_cast<int>(columns_.size()) - 1;
}

std::vector<int> ColumnPlaces::Take(const std::vector<int>& columns) {
  std::vector<int> places;
  for (const int column : columns) places.push_back(Take(column));
  return places;
}

arrow::Result<std::shared_ptr<arrow::Table>> ComputeByKey(Communicator& communicator,
                                                          std::shared_ptr<arrow::Table> table, std::vector<int> keys,
                                                          bool nan_is_null, const RowKernel& kernel,
                                                          const std::string& operation, const Context& context) {
  ShuffleReturn trip(communicator, std::move(keys), nan_is_null, operation);
  ARROW_ASSIGN_OR_RAISE(auto received, trip.Out(std::move(table), context));
  auto answers = kernel(received);
  received.reset();
  return trip.Back(std::move(answers), context);
}

}  // namespace weft::distributed
