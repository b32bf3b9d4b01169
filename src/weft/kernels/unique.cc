#include "weft/kernels/unique.h"

#include <numeric>
#include <span>

#include "weft/kernels/gather.h"
#include "weft/kernels/group_table.h"
#include "weft/table/columns.h"

namespace weft::kernels {

arrow::Result<std::shared_ptr<arrow::Table>> Unique(const std::shared_ptr<arrow::Table>& table,
                                                    const UniqueOptions& options, const Context& context) {
  std::vector<int> columns = options.columns;
  if (columns.empty()) {
    columns.resize(static_cast<size_t>(table->num_columns()));
    std::iota(columns.begin(), columns.end(), 0);
  }
  for (const int column : columns) {
    if (column < 0 || column >= table->num_columns()) {
      return arrow::Status::Invalid("unique: column ", column, " is out of range; the table has ", table->num_columns(),
                                    " columns");
    }
  }
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(*table->schema(), columns, "unique"));
  TraceSpan span(context.tracer, "unique");
  span.AddRows(table->num_rows());
  ARROW_ASSIGN_OR_RAISE(const auto grouping, GroupRows(*table, columns, {.nan_is_null = options.nan_is_null}, context));
  if (grouping.groups == table->num_rows()) return table;
  ARROW_ASSIGN_OR_RAISE(auto rows, GroupsByFirstRow(grouping, table->num_rows(), context));
  for (int64_t& row : rows) row = grouping.first_rows[row];
  return GatherRows(table, rows.span(), context);
}

arrow::Result<int64_t> CountDistinct(const arrow::Table& table, int column, bool drop_missing, const Context& context) {
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(*table.schema(), std::span(&column, 1), "nunique"));
  const GroupingOptions options{.nan_is_null = true, .drop_nulls = drop_missing};
  ARROW_ASSIGN_OR_RAISE(const auto grouping, GroupRows(table, std::span(&column, 1), options, context));
  return grouping.groups;
}

}  // namespace weft::kernels
