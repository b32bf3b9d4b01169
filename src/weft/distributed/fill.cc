#include "weft/distributed/fill.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>

#include <string>
#include <utility>
#include <vector>

#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

using kernels::Border;

/// One row: each column's value (null for none) and its gap.
arrow::Result<std::shared_ptr<arrow::Table>> BorderRow(const arrow::Table& table, const kernels::FillOptions& options,
                                                       const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto borders, kernels::FillBorders(table, options, context));
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  for (size_t i = 0; i < borders.size(); ++i) {
    const auto& type = table.column(options.columns[i])->type();
    auto value = borders[i].value;
    if (value == nullptr) {
      ARROW_ASSIGN_OR_RAISE(auto none, arrow::MakeArrayOfNull(type, 1, context.pool));
      value = std::make_shared<arrow::ChunkedArray>(std::move(none));
    }
    arrow::Int64Builder gap(context.pool);
    ARROW_RETURN_NOT_OK(gap.Append(borders[i].gap));
    ARROW_ASSIGN_OR_RAISE(auto gaps, gap.Finish());
    fields.push_back(arrow::field("value " + std::to_string(i), type));
    fields.push_back(arrow::field("gap " + std::to_string(i), arrow::int64()));
    columns.push_back(std::move(value));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(gaps)));
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), 1);
}

bool IsNull(const arrow::ChunkedArray& column) {
  for (const auto& chunk : column.chunks()) {
    if (chunk->length() > 0) return chunk->type_id() == arrow::Type::NA || chunk->IsNull(0);
  }
  return true;
}

/// What `rank` sees of the ranks before it (after it), of whom `all` has a row each.
Border BorderOf(const arrow::Table& all, int column, bool forward, Rank rank) {
  Border border;
  const auto& values = all.column(2 * column);
  const auto& gaps = all.column(2 * column + 1);
  const Rank step = forward ? -1 : 1;
  for (Rank r = rank + step; r >= 0 && r < all.num_rows(); r += step) {
    const auto gap = gaps->Slice(r, 1);
    for (const auto& chunk : gap->chunks()) {
      if (chunk->length() > 0) border.gap += static_cast<const arrow::Int64Array&>(*chunk).Value(0);
    }
    auto value = values->Slice(r, 1);
    if (IsNull(*value)) continue;
    border.value = std::move(value);
    break;
  }
  return border;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> Fill(Communicator& communicator,
                                                  const std::shared_ptr<arrow::Table>& table,
                                                  const kernels::FillOptions& options, const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table->schema(), "fill"));
  auto row = BorderRow(*table, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, row.status(), "fill"));
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange::Allgather(communicator, *std::move(row), context));
  std::vector<Border> borders;
  for (size_t i = 0; i < options.columns.size(); ++i) {
    borders.push_back(BorderOf(*all, static_cast<int>(i), options.forward, communicator.rank()));
  }
  auto filled = kernels::Fill(table, options, borders, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, filled.status(), "fill"));
  return filled;
}

}  // namespace weft::distributed
