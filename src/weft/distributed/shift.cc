#include "weft/distributed/shift.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/pool_array.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

arrow::Result<TablePtr> Repeat(const TablePtr& fill, int64_t rows, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto zeros, kernels::PoolArray<int64_t>::MakeZero(rows, context.pool));
  return kernels::GatherRows(fill, zeros.span(), context);
}

/// The rows of the three below each other. Arrow's ConcatenateTables loses rows of tables without columns.
TablePtr Stack(const TablePtr& first, const TablePtr& second, const TablePtr& third) {
  arrow::ChunkedArrayVector columns;
  for (int c = 0; c < first->num_columns(); ++c) {
    arrow::ArrayVector chunks;
    for (const TablePtr& part : {first, second, third}) {
      const auto& more = part->column(c)->chunks();
      chunks.insert(chunks.end(), more.begin(), more.end());
    }
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), first->schema()->field(c)->type()));
  }
  return arrow::Table::Make(first->schema(), std::move(columns),
                            first->num_rows() + second->num_rows() + third->num_rows());
}

/// Moves are at most the whole: beyond it every row is filled.
int64_t Bounded(int64_t periods, int64_t total) { return std::clamp(periods, -total, total); }

}  // namespace

arrow::Result<TablePtr> ShiftLocal(const TablePtr& table, int64_t periods, const TablePtr& fill,
                                   const Context& context) {
  const int64_t rows = table->num_rows();
  const int64_t move = Bounded(periods, rows);
  ARROW_ASSIGN_OR_RAISE(const auto filled, Repeat(fill, std::abs(move), context));
  if (move >= 0) return Stack(filled, table->Slice(0, rows - move), table->Slice(0, 0));
  return Stack(table->Slice(-move), filled, table->Slice(0, 0));
}

arrow::Result<TablePtr> Shift(Communicator& communicator, const TablePtr& table, int64_t periods, const TablePtr& fill,
                              const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table->schema(), "shift"));
  if (communicator.world_size() == 1) return ShiftLocal(table, periods, fill, context);
  const int64_t rows = table->num_rows();
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, rows));
  std::vector<int64_t> ends;
  int64_t total = 0;
  for (const int64_t count : counts) ends.push_back(total += count);
  const int64_t first = ends[static_cast<size_t>(communicator.rank())] - rows;
  const int64_t move = Bounded(periods, total);
  // Of this rank's rows [0, rows): those that stay, and those that go to ranks behind or before.
  const int64_t stay_begin = move < 0 ? std::min(rows, -move) : 0;
  const int64_t stay_end = move > 0 ? std::max<int64_t>(0, rows - move) : rows;
  const TablePtr leaving = move >= 0 ? table->Slice(stay_end) : table->Slice(0, stay_begin);
  const TablePtr staying = table->Slice(stay_begin, stay_end - stay_begin);
  // Row j goes to place j + move: to the first rank whose rows end behind it; rows moved out of the whole are dropped.
  const int64_t leaving_first = first + (move >= 0 ? stay_end : 0);
  const int64_t drop_begin = std::clamp<int64_t>(-(leaving_first + move), 0, leaving->num_rows());
  const int64_t drop_end = std::clamp<int64_t>(total - (leaving_first + move), drop_begin, leaving->num_rows());
  const TablePtr sent = leaving->Slice(drop_begin, drop_end - drop_begin);
  ARROW_ASSIGN_OR_RAISE(
      const auto shuffled,
      exchange::Shuffle(communicator, sent, exchange::ByPosition(ends, leaving_first + drop_begin + move), context));
  const int64_t missing = rows - staying->num_rows() - shuffled.table->num_rows();
  auto filled = Repeat(fill, missing, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, filled.status(), "shift"));
  return move >= 0 ? Stack(*filled, shuffled.table, staying) : Stack(staying, shuffled.table, *filled);
}

}  // namespace weft::distributed
