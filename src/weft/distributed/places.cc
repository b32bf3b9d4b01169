#include "weft/distributed/places.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "weft/distributed/shuffle_return.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/pool_array.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Rows go to the rank that has the place which int64 column `column` says. Places are known to be there.
exchange::Partitioner ByPlace(int column, std::vector<int64_t> ends) {
  return [column, ends = std::move(ends)](const arrow::RecordBatch& batch, int64_t /*first_row*/,
                                          const Context& /*context*/, std::span<uint32_t> targets) {
    const auto* places = static_cast<const arrow::Int64Array&>(*batch.column(column)).raw_values();
    for (size_t i = 0; i < targets.size(); ++i) {
      targets[i] = static_cast<uint32_t>(std::upper_bound(ends.begin(), ends.end(), places[i]) - ends.begin());
    }
    return arrow::Status::OK();
  };
}

arrow::Status CheckPlaces(std::span<const int64_t> places, int64_t total) {
  for (const int64_t place : places) {
    if (place < 0 || place >= total) {
      return arrow::Status::IndexError("take: row ", place, " is not there; the frame has ", total, " rows");
    }
  }
  return arrow::Status::OK();
}

arrow::Status CheckPlaces(const arrow::ChunkedArray& places, int64_t total) {
  if (places.type()->id() != arrow::Type::INT64 || places.null_count() > 0) {
    return arrow::Status::TypeError("places are int64 without nulls, not ", places.type()->ToString());
  }
  for (const auto& chunk : places.chunks()) {
    const auto& values = static_cast<const arrow::Int64Array&>(*chunk);
    ARROW_RETURN_NOT_OK(CheckPlaces({values.raw_values(), static_cast<size_t>(values.length())}, total));
  }
  return arrow::Status::OK();
}

/// values[i] - first for all i, as pool memory.
arrow::Result<kernels::PoolArray<int64_t>> Relative(const arrow::ChunkedArray& values, int64_t first,
                                                    const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto made, kernels::PoolArray<int64_t>::Make(values.length(), context.pool));
  int64_t at = 0;
  for (const auto& chunk : values.chunks()) {
    const auto& numbers = static_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < numbers.length(); ++i) made[at++] = numbers.Value(i) - first;
  }
  return made;
}

arrow::Result<TablePtr> Requests(std::span<const int64_t> rows, int64_t total, const Context& context) {
  ARROW_RETURN_NOT_OK(CheckPlaces(rows, total));
  const auto bytes = static_cast<int64_t>(rows.size_bytes());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes, context.pool));
  std::copy(rows.begin(), rows.end(), reinterpret_cast<int64_t*>(buffer->mutable_data()));
  return arrow::Table::Make(
      arrow::schema({arrow::field("row", arrow::int64())}),
      {std::make_shared<arrow::Int64Array>(static_cast<int64_t>(rows.size()), std::move(buffer))});
}

}  // namespace

arrow::Result<TablePtr> TakeRows(Communicator& communicator, const TablePtr& table, std::span<const int64_t> rows,
                                 const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table->schema(), "take"));
  ARROW_ASSIGN_OR_RAISE(auto ends, exchange::AllgatherCounts(communicator, table->num_rows()));
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  const int64_t first = ends[static_cast<size_t>(communicator.rank())] - table->num_rows();
  auto requests = Requests(rows, ends.back(), context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, requests.status(), "take"));
  ShuffleReturn trip(communicator, ByPlace(0, std::move(ends)), "take");
  ARROW_ASSIGN_OR_RAISE(auto received, trip.Out(*std::move(requests), context));
  auto found = [&]() -> arrow::Result<TablePtr> {
    ARROW_ASSIGN_OR_RAISE(const auto wanted, Relative(*received->column(0), first, context));
    received.reset();
    return kernels::GatherRows(table, wanted.span(), context);
  }();
  return trip.Back(std::move(found), context);
}

arrow::Result<TablePtr> PutRows(Communicator& communicator, TablePtr table, int places, std::vector<int64_t> ends,
                                const Context& context) {
  const auto rank = static_cast<size_t>(communicator.rank());
  const int64_t first = rank == 0 ? 0 : ends[rank - 1];
  const int64_t share = ends[rank] - first;
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, CheckPlaces(*table->column(places), ends.back()), "put"));
  ARROW_ASSIGN_OR_RAISE(auto shuffled,
                        exchange::Shuffle(communicator, std::move(table), ByPlace(places, std::move(ends)), context));
  auto put = [&]() -> arrow::Result<TablePtr> {
    const auto& received = shuffled.table;
    if (received->num_rows() != share) {
      return arrow::Status::Invalid("put: ", received->num_rows(), " rows for ", share, " places");
    }
    ARROW_ASSIGN_OR_RAISE(const auto at, Relative(*received->column(places), first, context));
    ARROW_ASSIGN_OR_RAISE(auto order, kernels::PoolArray<int64_t>::Make(share, context.pool));
    std::fill(order.begin(), order.end(), int64_t{-1});
    for (int64_t i = 0; i < share; ++i) order[at[i]] = i;
    if (std::find(order.begin(), order.end(), int64_t{-1}) != order.end()) {
      return arrow::Status::Invalid("put: two rows have one place");
    }
    ARROW_ASSIGN_OR_RAISE(const auto rest, received->RemoveColumn(places));
    return kernels::GatherRows(rest, order.span(), context);
  }();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, put.status(), "put"));
  return put;
}

}  // namespace weft::distributed
