#include "weft/kernels/sort.h"

#include <arrow/table.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "weft/base/capped_pool.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/partitioned_sort.h"
#include "weft/kernels/row_order.h"
#include "weft/kernels/row_runs.h"
#include "weft/kernels/spilled_sort.h"
#include "weft/kernels/spilling.h"
#include "weft/table/columns.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

std::vector<KeyDirection> Directions(const SortOptions& options) {
  std::vector<KeyDirection> directions;
  for (const SortKey& key : options.keys) directions.push_back({key.ascending, options.nulls_first});
  return directions;
}

arrow::Result<std::vector<KeyColumn>> KeyColumns(const arrow::Table& table, const SortOptions& options,
                                                 const Context& context) {
  ARROW_RETURN_NOT_OK(CheckSort(*table.schema(), options));
  std::vector<KeyColumn> columns;
  for (const SortKey& key : options.keys) {
    ARROW_ASSIGN_OR_RAISE(auto column, KeyColumn::Make({table.column(key.column)}, options.nan_is_null, context));
    columns.push_back(std::move(column));
  }
  return columns;
}

bool AreAllInPlace(std::span<const int64_t> rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

}  // namespace

arrow::Status CheckSort(const arrow::Schema& schema, const SortOptions& options) {
  if (options.keys.empty()) return arrow::Status::Invalid("sort: no key is given; name at least one column");
  std::vector<int> columns;
  for (const SortKey& key : options.keys) {
    if (key.column < 0 || key.column >= schema.num_fields()) {
      return arrow::Status::Invalid("sort: key column ", key.column, " is out of range; the table has ",
                                    schema.num_fields(), " columns");
    }
    columns.push_back(key.column);
  }
  return table::CheckKeyTypes(schema, columns, "sort");
}

arrow::Result<PoolArray<int64_t>> SortIndices(const arrow::Table& table, const SortOptions& options,
                                              const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto columns, KeyColumns(table, options, context));
  ARROW_ASSIGN_OR_RAISE(const auto layout, KeyLayout::Make(columns, Directions(options), context));
  return OrderRows(layout, table.num_rows(), context);
}

arrow::Result<std::shared_ptr<arrow::Table>> Sort(const std::shared_ptr<arrow::Table>& table,
                                                  const SortOptions& options, const Context& context) {
  if (context.spill != nullptr && MustSpill(context, table::TableBytes(*table))) {
    return NameOperator("sort", SpilledSort(table, options, context));
  }
  const auto sort = [&]() -> arrow::Result<std::shared_ptr<arrow::Table>> {
    PoolArray<int64_t> rows;
    {
      TraceSpan order_span(context.tracer, "sort.order");
      order_span.AddRows(table->num_rows());
      ARROW_ASSIGN_OR_RAISE(const auto columns, KeyColumns(*table, options, context));
      ARROW_ASSIGN_OR_RAISE(const auto layout, KeyLayout::Make(columns, Directions(options), context));
      ARROW_ASSIGN_OR_RAISE(const auto runs, FindRuns(layout, table->num_rows(), kMostMergedRuns, context));
      if (runs.empty()) {
        ARROW_ASSIGN_OR_RAISE(auto sorted, SortByPartitions(table, options, layout, context));
        if (sorted != nullptr) return sorted;
      }
      ARROW_ASSIGN_OR_RAISE(rows, OrderRows(layout, table->num_rows(), runs, context));
    }
    if (AreAllInPlace(rows.span())) return table;
    TraceSpan span(context.tracer, "sort.gather");
    span.AddRows(table->num_rows());
    return GatherRows(table, rows.span(), context);
  };
  return NameOperator("sort", sort());
}

arrow::Result<bool> IsSorted(const arrow::Table& table, const SortOptions& options, const Context& context) {
  ARROW_RETURN_NOT_OK(CheckSort(*table.schema(), options));
  // In slices, which share a row: what is in no order says so in the first, and keys take little memory.
  constexpr int64_t kSliceRows = 1 << 16;
  for (int64_t begin = 0; begin + 1 < table.num_rows(); begin += kSliceRows) {
    const auto slice = table.Slice(begin, kSliceRows + 1);
    ARROW_ASSIGN_OR_RAISE(const auto columns, KeyColumns(*slice, options, context));
    ARROW_ASSIGN_OR_RAISE(const auto layout, KeyLayout::Make(columns, Directions(options), context));
    ARROW_ASSIGN_OR_RAISE(const auto runs, FindRuns(layout, slice->num_rows(), 1, context));
    if (runs.empty()) return false;
  }
  return true;
}

arrow::Result<std::shared_ptr<arrow::Table>> MergeSorted(const std::vector<std::shared_ptr<arrow::Table>>& tables,
                                                         const SortOptions& options, const Context& context) {
  if (tables.empty()) return arrow::Status::Invalid("sort: no table to merge");
  ARROW_RETURN_NOT_OK(CheckSort(*tables[0]->schema(), options));
  std::vector<std::shared_ptr<arrow::Table>> filled;
  for (const auto& table : tables) {
    if (table->num_rows() > 0) filled.push_back(table);
  }
  if (filled.empty()) return tables[0];
  if (filled.size() == 1) return filled[0];
  if (context.spill != nullptr) {
    int64_t bytes = 0;
    for (const auto& table : filled) bytes += table::TableBytes(*table);
    if (MustSpill(context, bytes)) return NameOperator("sort", MergeInBlocks(filled, options, context));
  }
  // One stable sort of all rows, which merges them where they are few runs; of many the radix sort asks no more.
  ARROW_ASSIGN_OR_RAISE(const auto all, arrow::ConcatenateTables(filled, {}, context.pool));
  return Sort(all, options, context);
}

arrow::Result<std::vector<SplitRange>> FindSplits(const arrow::Table& sorted, const SortOptions& options,
                                                  const arrow::Table& splitters, const Context& context) {
  ARROW_RETURN_NOT_OK(CheckSort(*sorted.schema(), options));
  if (splitters.num_columns() != static_cast<int>(options.keys.size())) {
    return arrow::Status::Invalid("sort: splitters have ", splitters.num_columns(), " columns where there are ",
                                  options.keys.size(), " keys");
  }
  std::vector<KeyColumn> rows;
  std::vector<KeyColumn> splits;
  for (size_t k = 0; k < options.keys.size(); ++k) {
    const auto& column = sorted.column(options.keys[k].column);
    const auto& split = splitters.column(static_cast<int>(k));
    if (!table::SameKeyType(*column->type(), *split->type())) {
      return arrow::Status::TypeError("sort: splitters of column '",
                                      sorted.schema()->field(options.keys[k].column)->name(), "' have type ",
                                      split->type()->ToString(), " where the column has ", column->type()->ToString());
    }
    ARROW_ASSIGN_OR_RAISE(auto row_keys, KeyColumn::Make({column}, options.nan_is_null, context,
                                                         /*views=*/true, /*alone=*/false));
    ARROW_ASSIGN_OR_RAISE(auto split_keys, KeyColumn::Make({split}, options.nan_is_null, context,
                                                           /*views=*/true, /*alone=*/false));
    rows.push_back(std::move(row_keys));
    splits.push_back(std::move(split_keys));
  }
  const std::vector<KeyDirection> directions = Directions(options);
  const auto compare = [&](int64_t row, int64_t split) {
    int order = 0;
    for (size_t k = 0; k < rows.size() && order == 0; ++k) {
      order = CompareKeys(rows[k], row, splits[k], split, directions[k]);
    }
    return order;
  };
  // The first row that is not ordered before (or, with `through`, not before and not equal to) the splitter.
  const auto search = [&](int64_t split, bool through) {
    int64_t low = 0;
    int64_t high = sorted.num_rows();
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      const int order = compare(middle, split);
      if (order < 0 || (through && order == 0)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  std::vector<SplitRange> ranges;
  for (int64_t split = 0; split < splitters.num_rows(); ++split) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    ranges.push_back({search(split, false), search(split, true)});
  }
  return ranges;
}

}  // namespace weft::kernels
