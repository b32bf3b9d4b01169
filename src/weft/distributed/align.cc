#include "weft/distributed/align.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "weft/exchange/exchange.h"
#include "weft/kernels/beside.h"

namespace weft::distributed {

arrow::Result<std::shared_ptr<arrow::Table>> Align(Communicator& communicator,
                                                   const std::shared_ptr<arrow::Table>& left,
                                                   std::shared_ptr<arrow::Table> right, int index_columns,
                                                   std::string_view operation, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto wanted, exchange::AllgatherCounts(communicator, left->num_rows()));
  ARROW_ASSIGN_OR_RAISE(const auto there, exchange::AllgatherCounts(communicator, right->num_rows()));
  std::vector<int64_t> ends;
  int64_t total = 0;
  for (const int64_t rows : wanted) ends.push_back(total += rows);
  int64_t found = 0;
  int64_t first = 0;
  for (size_t rank = 0; rank < there.size(); ++rank) {
    if (rank == static_cast<size_t>(communicator.rank())) first = found;
    found += there[rank];
  }
  if (total != found) {
    return arrow::Status::Invalid(operation, ": the sides have ", total, " and ", found,
                                  " rows; without an index rows go by position, and must be equally many");
  }
  if (wanted != there) {
    ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, right->schema(), operation));
    ARROW_ASSIGN_OR_RAISE(auto moved, exchange::Shuffle(communicator, std::move(right),
                                                        exchange::ByPosition(std::move(ends), first), context));
    right = std::move(moved.table);
  }
  if (index_columns > 0) {
    ARROW_RETURN_NOT_OK(exchange::Agree(
        communicator, kernels::CheckSameRows(*left, *right, index_columns, operation, context), operation));
  }
  return right;
}

}  // namespace weft::distributed
