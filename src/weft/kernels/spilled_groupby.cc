#include "weft/kernels/spilled_groupby.h"

#include <arrow/array/array_primitive.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "weft/kernels/sort.h"
#include "weft/kernels/spilling.h"
#include "weft/table/spill_file.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

constexpr const char* kRowNumber = "__weft_row__";

/// The columns that are read, each once, and the options with their places among these.
std::vector<int> TakeColumns(GroupByOptions* options) {
  std::vector<int> columns;
  const auto place = [&](int column) {
    const auto found = std::find(columns.begin(), columns.end(), column);
    if (found == columns.end()) columns.push_back(column);
    return static_cast<int>(std::find(columns.begin(), columns.end(), column) - columns.begin());
  };
  for (int& key : options->keys) key = place(key);
  for (Aggregation& aggregation : options->aggregations) {
    if (aggregation.function != AggregateFunction::kSize) aggregation.column = place(aggregation.column);
    if (aggregation.label >= 0) aggregation.label = place(aggregation.label);
  }
  return columns;
}

/// Batches with a last column of their rows' numbers.
NextBatch Numbered(NextBatch next, int64_t first, const std::shared_ptr<arrow::Schema>& schema, const Context& piece) {
  auto at = std::make_shared<int64_t>(first);
  return [=]() -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
    ARROW_ASSIGN_OR_RAISE(const auto batch, next());
    if (batch == nullptr) return nullptr;
    const int64_t rows = batch->num_rows();
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(rows * 8, piece.pool));
    auto* const numbers = reinterpret_cast<int64_t*>(buffer->mutable_data());
    std::iota(numbers, numbers + rows, std::exchange(*at, *at + rows));
    arrow::ArrayVector columns = batch->columns();
    columns.push_back(std::make_shared<arrow::Int64Array>(rows, std::move(buffer)));
    return arrow::RecordBatch::Make(schema, rows, std::move(columns));
  };
}

/// Groups the rows of one part, and gives for each of its rows the group.
using GroupPart = std::function<arrow::Result<TablePtr>(const TablePtr& rows, PoolArray<int64_t>* places)>;

/// The groups with a last column: the number of the first row of each. The last column of `rows` are their numbers.
arrow::Result<TablePtr> WithFirstRows(const TablePtr& rows, const TablePtr& groups, const PoolArray<int64_t>& places,
                                      const Context& piece) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(groups->num_rows() * 8, piece.pool));
  auto* const firsts = reinterpret_cast<int64_t*>(buffer->mutable_data());
  std::fill_n(firsts, groups->num_rows(), int64_t{-1});
  int64_t row = 0;
  for (const auto& chunk : rows->column(rows->num_columns() - 1)->chunks()) {
    const auto& numbers = arrow::internal::checked_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < numbers.length(); ++i, ++row) {
      const int64_t group = places[row];
      if (group >= 0 && firsts[group] < 0) firsts[group] = numbers.Value(i);
    }
  }
  auto column =
      std::make_shared<arrow::ChunkedArray>(std::make_shared<arrow::Int64Array>(groups->num_rows(), std::move(buffer)));
  return groups->AddColumn(groups->num_columns(), arrow::field(kRowNumber, arrow::int64()), std::move(column));
}

/// Groups part by part and puts the groups in order: by their keys, or by their first rows.
arrow::Result<TablePtr> GroupParts(table::SpillFile* file, const std::shared_ptr<arrow::Schema>& schema,
                                   const GroupByOptions& options, const GroupPart& group, const Context& context) {
  const Context piece = ForPiece(context);
  std::vector<TablePtr> kept;
  std::shared_ptr<arrow::Schema> kept_schema = schema;
  for (int part = 0; part < file->parts(); ++part) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    if (file->rows(part) == 0) continue;
    ARROW_ASSIGN_OR_RAISE(const auto rows, file->Take(part, 0, file->segments(part)));
    PoolArray<int64_t> places;
    ARROW_ASSIGN_OR_RAISE(auto groups, group(rows, options.sort ? nullptr : &places));
    if (!options.sort) {
      ARROW_ASSIGN_OR_RAISE(groups, WithFirstRows(rows, groups, places, piece));
    }
    kept_schema = groups->schema();
    ARROW_ASSIGN_OR_RAISE(groups, Keep(groups, context));
    if (groups->num_rows() > 0) kept.push_back(std::move(groups));
  }
  TablePtr all = table::StackTables(kept_schema, kept);
  SortOptions order;
  order.nan_is_null = options.nan_is_null;
  if (options.sort) {
    for (size_t key = 0; key < options.keys.size(); ++key) order.keys.push_back({static_cast<int>(key), true});
    return Sort(all, order, context);
  }
  order.keys = {{schema->num_fields(), true}};
  ARROW_ASSIGN_OR_RAISE(all, Sort(all, order, context));
  return all->RemoveColumn(schema->num_fields());
}

arrow::Result<std::shared_ptr<arrow::Schema>> NumberedSchema(const arrow::Schema& schema) {
  return schema.AddField(schema.num_fields(), arrow::field(kRowNumber, arrow::int64()));
}

/// All rows in parts by key.
arrow::Result<TablePtr> GroupRowsInParts(const TablePtr& table, const GroupByOptions& options,
                                         const std::shared_ptr<arrow::Schema>& schema, const Context& context) {
  GroupByOptions local = options;
  ARROW_ASSIGN_OR_RAISE(const auto needed, table->SelectColumns(TakeColumns(&local)));
  ARROW_ASSIGN_OR_RAISE(const auto numbered, NumberedSchema(*needed->schema()));
  local.sort = false;
  for (Aggregation& aggregation : local.aggregations) {
    const bool index =
        aggregation.function == AggregateFunction::kIdxMin || aggregation.function == AggregateFunction::kIdxMax;
    if (index && aggregation.label < 0) aggregation.label = needed->num_columns();
  }
  const Context piece = ForPiece(context);
  const int parts = PartsFor(table::TableBytes(*needed), context);
  ARROW_ASSIGN_OR_RAISE(
      const auto file, SpillByKey(numbered, Numbered(BatchesOf(needed), options.first_row, numbered, piece), local.keys,
                                  options.nan_is_null, parts, 0, context));
  const GroupPart group = [&](const TablePtr& rows, PoolArray<int64_t>* places) {
    return GroupBy(rows, local, piece, places);
  };
  return GroupParts(file.get(), schema, options, group, context);
}

}  // namespace

int64_t GroupByBytes(const arrow::Table& table, const GroupByOptions& options) {
  GroupByOptions local = options;
  const auto needed = table.SelectColumns(TakeColumns(&local));
  return needed.ok() ? table::TableBytes(**needed) : 0;
}

arrow::Result<TablePtr> SpilledPartial(const TablePtr& table, const GroupByOptions& options, const Context& context) {
  const Context piece = ForPiece(context);
  const int64_t rows = table->num_rows();
  // Besides columns a row has its code, its group and, with many groups, a state.
  const int64_t row_bytes = GroupByBytes(*table, options) / std::max<int64_t>(rows, 1) + 32;
  const int64_t slice_rows = std::max<int64_t>(1, 2 * WorkPiece(context) / row_bytes);
  std::vector<TablePtr> partials;
  GroupByOptions local = options;
  std::shared_ptr<arrow::Schema> schema;
  for (int64_t begin = 0; begin < rows; begin += slice_rows) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    local.first_row = options.first_row + begin;
    ARROW_ASSIGN_OR_RAISE(auto partial, Keep(GroupByPartial(table->Slice(begin, slice_rows), local, piece), context));
    schema = partial->schema();
    partials.push_back(std::move(partial));
  }
  return table::StackTables(schema, partials);
}

arrow::Result<TablePtr> SpilledFinal(const TablePtr& partials, const arrow::Schema& input,
                                     const GroupByOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, GroupBySchema(input, options));
  ARROW_ASSIGN_OR_RAISE(const auto numbered, NumberedSchema(*partials->schema()));
  const Context piece = ForPiece(context);
  std::vector<int> keys(options.keys.size());
  std::iota(keys.begin(), keys.end(), 0);
  const int parts = PartsFor(table::TableBytes(*partials), context);
  ARROW_ASSIGN_OR_RAISE(const auto file, SpillByKey(numbered, Numbered(BatchesOf(partials), 0, numbered, piece), keys,
                                                    options.nan_is_null, parts, 0, context));
  GroupByOptions local = options;
  local.sort = false;
  const int number = partials->num_columns();
  const GroupPart group = [&](const TablePtr& rows, PoolArray<int64_t>* places) -> arrow::Result<TablePtr> {
    ARROW_ASSIGN_OR_RAISE(const auto bare, rows->RemoveColumn(number));
    return GroupByFinal(bare, input, local, piece, places);
  };
  return GroupParts(file.get(), schema, options, group, context);
}

arrow::Result<TablePtr> SpilledGroupBy(const TablePtr& table, const GroupByOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, GroupBySchema(*table->schema(), options));
  if (!AllMergeable(options)) return GroupRowsInParts(table, options, schema, context);
  ARROW_ASSIGN_OR_RAISE(const auto partials, SpilledPartial(table, options, context));
  return GroupByFinal(partials, *table->schema(), options, context);
}

}  // namespace weft::kernels
