#include "weft/distributed/slice.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

int64_t RowsBefore(const std::vector<int64_t>& counts, Rank rank) {
  int64_t rows = 0;
  for (Rank r = 0; r < rank; ++r) rows += counts[static_cast<size_t>(r)];
  return rows;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> Slice(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                   int64_t offset, int64_t length) {
  const arrow::Status check =
      offset < 0 || length < 0
          ? arrow::Status::Invalid("slice: offset ", offset, " and length ", length, " must not be negative")
          : arrow::Status::OK();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, check, "slice"));
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, table->num_rows()));
  const int64_t first = RowsBefore(counts, communicator.rank());
  const int64_t rows = table->num_rows();
  const int64_t end = length > INT64_MAX - offset ? INT64_MAX : offset + length;
  const int64_t local_begin = std::clamp<int64_t>(offset - first, 0, rows);
  const int64_t local_end = std::clamp<int64_t>(end - first, local_begin, rows);
  return table->Slice(local_begin, local_end - local_begin);
}

arrow::Result<std::shared_ptr<arrow::Table>> Repartition(Communicator& communicator,
                                                         std::shared_ptr<arrow::Table> table, const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table->schema(), "repartition"));
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, table->num_rows()));
  const int world = communicator.world_size();
  const int64_t total = RowsBefore(counts, world);
  auto ends = EvenEnds(total, world);
  const int64_t first = RowsBefore(counts, communicator.rank());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table),
                                                         exchange::ByPosition(std::move(ends), first), context));
  return std::move(shuffled.table);
}

arrow::Result<std::shared_ptr<arrow::Table>> AlignRows(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                       int64_t rows, std::string_view operation,
                                                       const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table->schema(), operation));
  ARROW_ASSIGN_OR_RAISE(const auto have, exchange::AllgatherCounts(communicator, table->num_rows()));
  ARROW_ASSIGN_OR_RAISE(const auto want, exchange::AllgatherCounts(communicator, rows));
  std::vector<int64_t> ends(want.size());
  std::partial_sum(want.begin(), want.end(), ends.begin());
  const int64_t total = RowsBefore(have, communicator.world_size());
  if (ends.back() != total) {
    return arrow::Status::Invalid(operation, ": the frames have ", ends.back(), " and ", total,
                                  " rows; without an index rows go by position, and must be equally many");
  }
  if (have == want) return table;
  const int64_t first = RowsBefore(have, communicator.rank());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table),
                                                         exchange::ByPosition(std::move(ends), first), context));
  return std::move(shuffled.table);
}

std::vector<int64_t> EvenEnds(int64_t total, int world) {
  std::vector<int64_t> ends;
  for (int64_t rank = 0; rank < world; ++rank) {
    ends.push_back((rank + 1) * (total / world) + std::min(rank + 1, total % world));
  }
  return ends;
}

arrow::Result<int64_t> TotalRows(Communicator& communicator, const arrow::Table& table) {
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, table.num_rows()));
  return RowsBefore(counts, communicator.world_size());
}

arrow::Result<int64_t> FirstRow(Communicator& communicator, const arrow::Table& table) {
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, table.num_rows()));
  return RowsBefore(counts, communicator.rank());
}

}  // namespace weft::distributed
