#include "weft/distributed/slice.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "weft/base/choice.h"
#include "weft/base/types.h"
#include "weft/exchange/exchange.h"
#include "weft/table/columns.h"
#include "weft/table/runs.h"

namespace weft::distributed {
namespace {

int64_t RowsBefore(const std::vector<int64_t>& counts, Rank rank) {
  int64_t rows = 0;
  for (Rank r = 0; r < rank; ++r) rows += counts[static_cast<size_t>(r)];
  return rows;
}

/// Where the ranks' shares end. The same on all ranks, or the same error.
arrow::Result<std::vector<int64_t>> ShareEnds(Communicator& communicator, const std::vector<int64_t>& counts,
                                              int64_t total) {
  const auto world = static_cast<size_t>(communicator.world_size());
  const auto check = [&] {
    if (counts.empty()) return arrow::Status::OK();
    if (counts.size() != world) {
      return arrow::Status::Invalid("repartition: ", counts.size(), " counts for ", world, " ranks");
    }
    int64_t sum = 0;
    for (const int64_t count : counts) {
      if (count < 0 || count > total) {
        return arrow::Status::Invalid("repartition: a count of ", count, " where there are ", total, " rows");
      }
      sum += count;
    }
    if (sum != total) {
      return arrow::Status::Invalid("repartition: the counts add up to ", sum, "; there are ", total, " rows");
    }
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, check(), "repartition"));
  std::vector<int64_t> ends = EvenEnds(total, communicator.world_size());
  if (!counts.empty()) std::partial_sum(counts.begin(), counts.end(), ends.begin());
  ARROW_ASSIGN_OR_RAISE(const auto all,
                        exchange::AllgatherBytes(communicator, AsText(std::as_bytes(std::span<const int64_t>(ends)))));
  for (size_t r = 1; r < all.size(); ++r) {
    if (all[r] != all[0]) {
      return arrow::Status::Invalid("repartition: ranks 0 and ", r, " give different counts; give all the same");
    }
  }
  return ends;
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
                                                         std::shared_ptr<arrow::Table> table, const Context& context,
                                                         const std::vector<int64_t>& counts) {
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table->schema(), "repartition"));
  ARROW_ASSIGN_OR_RAISE(const auto rows, exchange::AllgatherCounts(communicator, table->num_rows()));
  const int world = communicator.world_size();
  const int64_t total = RowsBefore(rows, world);
  ARROW_ASSIGN_OR_RAISE(auto ends, ShareEnds(communicator, counts, total));
  const int64_t first = RowsBefore(rows, communicator.rank());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table),
                                                         exchange::ByPosition(std::move(ends), first), context));
  return std::move(shuffled.table);
}

arrow::Result<std::shared_ptr<arrow::Table>> RepartitionByKey(Communicator& communicator,
                                                              std::shared_ptr<arrow::Table> table,
                                                              std::vector<int> columns, bool nan_is_null,
                                                              const Context& context, Placement* lies) {
  const arrow::Status check = table::CheckKeyTypes(*table::WithoutRuns(table->schema()), columns, "repartition");
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check,
      "repartition"));
  if (communicator.world_size() == 1) return table;
  if (lies != nullptr) {
    std::vector<int> whole(columns.size());
    std::iota(whole.begin(), whole.end(), 0);
    const auto order = lies->KeyOrder(communicator, columns, nan_is_null);
    ARROW_ASSIGN_OR_RAISE(const auto agreed, AgreeOrders(communicator, {order == whole ? order : std::vector<int>{}}));
    NoteChoice(context, agreed[0] ? "repartition.in_place" : "repartition.shuffle");
    if (agreed[0]) return table;
    *lies = Placement(communicator, columns, nan_is_null);
  }
  auto by_key = exchange::ByHash(std::move(columns), nan_is_null, communicator.world_size());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table), by_key, context));
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
