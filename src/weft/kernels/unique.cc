#include "weft/kernels/unique.h"

#include <arrow/array/array_primitive.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <numeric>
#include <span>

#include "weft/kernels/gather.h"
#include "weft/kernels/group_runs.h"
#include "weft/kernels/group_table.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

/// The last row of each group or, with `single`, -1 for groups of several rows; in ascending order.
arrow::Result<PoolArray<int64_t>> LastRows(const Grouping& grouping, int64_t rows, bool single,
                                           const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto ids, GroupOfRows(grouping, rows, context));
  ARROW_ASSIGN_OR_RAISE(auto last, PoolArray<int64_t>::Make(grouping.groups, context.pool));
  for (int64_t row = 0; row < rows; ++row) last[ids[row]] = row;
  ARROW_ASSIGN_OR_RAISE(auto kept, PoolArray<int64_t>::Make(grouping.groups, context.pool));
  int64_t count = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t group = ids[row];
    if (last[group] == row && (!single || grouping.first_rows[group] == row)) kept[count++] = row;
  }
  kept.Shrink(count);
  return kept;
}

}  // namespace

arrow::Result<PoolArray<int64_t>> KeptRows(const arrow::Table& table, const UniqueOptions& options,
                                           const Context& context) {
  std::vector<int> columns = options.columns;
  if (columns.empty()) {
    columns.resize(static_cast<size_t>(table.num_columns()));
    std::iota(columns.begin(), columns.end(), 0);
  }
  for (const int column : columns) {
    if (column < 0 || column >= table.num_columns()) {
      return arrow::Status::Invalid("unique: column ", column, " is out of range; the table has ", table.num_columns(),
                                    " columns");
    }
  }
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(*table.schema(), columns, "unique"));
  TraceSpan span(context.tracer, "unique");
  span.AddRows(table.num_rows());
  ARROW_ASSIGN_OR_RAISE(auto grouping, GroupRows(table, columns, {.nan_is_null = options.nan_is_null}, context));
  if (options.keep != Keep::kFirst) {
    return LastRows(grouping, table.num_rows(), options.keep == Keep::kNone, context);
  }
  ARROW_ASSIGN_OR_RAISE(auto by_row, OrderByFirstRow(&grouping, context));
  return std::move(by_row.first_rows);
}

arrow::Result<std::shared_ptr<arrow::Table>> Unique(const std::shared_ptr<arrow::Table>& table,
                                                    const UniqueOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, KeptRows(*table, options, context));
  if (rows.size() == table->num_rows()) return table;
  return GatherRows(table, rows.span(), context);
}

arrow::Result<std::shared_ptr<arrow::Array>> MarkRows(std::span<const int64_t> rows, bool value, int64_t length,
                                                      const Context& context) {
  const int64_t bytes = arrow::bit_util::BytesForBits(length);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits, arrow::AllocateBuffer(bytes, context.pool));
  std::fill_n(bits->mutable_data(), bytes, value ? uint8_t{0} : uint8_t{0xff});
  for (const int64_t row : rows) arrow::bit_util::SetBitTo(bits->mutable_data(), row, value);
  return std::make_shared<arrow::BooleanArray>(length, std::move(bits));
}

arrow::Result<int64_t> CountDistinct(const arrow::Table& table, int column, bool drop_missing, const Context& context) {
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(*table.schema(), std::span(&column, 1), "nunique"));
  const GroupingOptions options{.nan_is_null = true, .drop_nulls = drop_missing};
  ARROW_ASSIGN_OR_RAISE(const auto grouping, GroupRows(table, std::span(&column, 1), options, context));
  return grouping.groups;
}

}  // namespace weft::kernels
