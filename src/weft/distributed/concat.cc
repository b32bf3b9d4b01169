#include "weft/distributed/concat.h"

#include <utility>

#include "weft/distributed/slice.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/concat.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

arrow::Result<std::vector<TablePtr>> ConformAll(const std::vector<TablePtr>& tables, bool outer,
                                                const Context& context) {
  std::vector<std::shared_ptr<arrow::Schema>> schemas;
  for (const auto& table : tables) schemas.push_back(table->schema());
  ARROW_ASSIGN_OR_RAISE(const auto schema, kernels::ConcatSchema(schemas, outer));
  std::vector<TablePtr> conformed;
  for (const auto& table : tables) {
    ARROW_ASSIGN_OR_RAISE(auto one, kernels::Conform(table, schema, context));
    conformed.push_back(std::move(one));
  }
  return conformed;
}

/// All tables' columns, so that one agreement covers them all.
std::shared_ptr<arrow::Schema> AllFields(const std::vector<TablePtr>& tables) {
  arrow::FieldVector fields;
  for (const auto& table : tables) {
    fields.insert(fields.end(), table->schema()->fields().begin(), table->schema()->fields().end());
  }
  return arrow::schema(std::move(fields));
}

}  // namespace

arrow::Result<TablePtr> Concat(Communicator& communicator, const std::vector<TablePtr>& tables, bool outer,
                               const Context& context) {
  auto conformed = ConformAll(tables, outer, context);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator,
      conformed.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(AllFields(tables)) : conformed.status(),
      "concat"));
  const int world = communicator.world_size();
  const auto rank = static_cast<size_t>(communicator.rank());
  std::vector<std::vector<int64_t>> counts;  // by table, then rank
  int64_t total = 0;
  for (const auto& table : *conformed) {
    ARROW_ASSIGN_OR_RAISE(auto rows, exchange::AllgatherCounts(communicator, table->num_rows()));
    for (const int64_t n : rows) total += n;
    counts.push_back(std::move(rows));
  }

  std::vector<TablePtr> moved;
  int64_t table_first = 0;
  for (size_t t = 0; t < conformed->size(); ++t) {
    int64_t first = table_first;
    for (size_t r = 0; r < rank; ++r) first += counts[t][r];
    ARROW_ASSIGN_OR_RAISE(auto shuffled,
                          exchange::Shuffle(communicator, std::move((*conformed)[t]),
                                            exchange::ByPosition(EvenEnds(total, world), first), context));
    moved.push_back(std::move(shuffled.table));
    for (const int64_t n : counts[t]) table_first += n;
  }
  return arrow::ConcatenateTables(moved, arrow::ConcatenateTablesOptions::Defaults(), context.pool);
}

}  // namespace weft::distributed
