// Grouping and aggregation, in two halves so that ranks can combine before they shuffle.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

enum class AggregateFunction { kSum, kCount, kSize, kMean, kMin, kMax };

arrow::Result<AggregateFunction> ParseAggregateFunction(std::string_view name);
std::string_view AggregateFunctionName(AggregateFunction function);

struct Aggregation {
  AggregateFunction function = AggregateFunction::kSum;
  /// The column aggregated; -1 for kSize, which counts rows.
  int column = -1;
  /// Name of the result's column.
  std::string name;
};

struct GroupByOptions {
  std::vector<int> keys;
  std::vector<Aggregation> aggregations;
  /// Result ordered by the keys, nulls last; otherwise by first appearance.
  bool sort = true;
  /// Rows with a null in any key are left out.
  bool drop_null_keys = true;
  /// NaN in keys and values is null.
  bool nan_is_null = false;
};

/// Result types: sum of signed integers and bool int64, of unsigned uint64, of floats double, of decimals the decimal
/// with the largest precision, of durations the duration; count and size int64; mean double (a decimal's: its decimal;
/// duration, timestamp, date: of their kind where pandas has it); min and max as the column, strings and dictionaries
/// of strings too. Nulls are skipped; a group without values has sum 0 (pandas), count 0 and null for the rest. An
/// integer sum that overflows is Status::Invalid naming the column; an integer mean is exact before its one rounding.
/// Sums of floats depend on the order of rows and ranks alone, not on threads or timing.
///
/// Also checks the options: keys and columns in range, key types, that the function takes the type (Status::TypeError).
arrow::Result<std::shared_ptr<arrow::Schema>> GroupBySchema(const arrow::Schema& input, const GroupByOptions& options);

/// Groups and aggregates: key columns, then one column an aggregation.
arrow::Result<std::shared_ptr<arrow::Table>> GroupBy(const std::shared_ptr<arrow::Table>& table,
                                                     const GroupByOptions& options, const Context& context);

/// First half: one row a group with the keys and what the aggregations need to go on (a mean: sum and count). The key
/// columns are the first keys.size() columns of the partial table, so that it can be shuffled by them.
arrow::Result<std::shared_ptr<arrow::Table>> GroupByPartial(const std::shared_ptr<arrow::Table>& table,
                                                            const GroupByOptions& options, const Context& context);

/// Second half: combines partial tables' rows (put one after the other in `partials`) to the result. `input` is the
/// schema that the partials were made from, `options` those they were made with.
arrow::Result<std::shared_ptr<arrow::Table>> GroupByFinal(const std::shared_ptr<arrow::Table>& partials,
                                                          const arrow::Schema& input, const GroupByOptions& options,
                                                          const Context& context);

}  // namespace weft::kernels
