// Grouping and aggregation, in two halves so that ranks can combine before they shuffle.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/aggregate.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

enum class AggregateFunction {
  kSum,
  kProd,
  kCount,
  kSize,
  kMean,
  kMin,
  kMax,
  kVar,
  kStd,
  kSem,
  kSkew,
  kKurt,
  kAny,
  kAll,
  kFirst,
  kLast,
  kIdxMin,
  kIdxMax,
  kMedian,
  kQuantile,
  kNunique
};

arrow::Result<AggregateFunction> ParseAggregateFunction(std::string_view name);
std::string_view AggregateFunctionName(AggregateFunction function);

struct Aggregation {
  AggregateFunction function = AggregateFunction::kSum;
  /// The column aggregated; -1 for kSize, which counts rows.
  int column = -1;
  /// Name of the result's column.
  std::string name;
  /// Nulls are passed over. Otherwise a group that has one comes to null; for kAny and kAll it counts as true, kFirst
  /// and kLast may give it, for kNunique it is a value, and for kIdxMin and kIdxMax it is an error.
  bool skip_nulls = true;
  /// Of kSum, kProd, kMin, kMax, kFirst, kLast: null for groups with fewer values.
  int64_t min_count = 0;
  /// Of kVar, kStd, kSem: what is taken from the count.
  int ddof = 1;
  /// Of kQuantile.
  double quantile = 0.5;
  Interpolation interpolation = Interpolation::kLinear;
  /// Of kIdxMin, kIdxMax: the column whose value is given; -1 for the row's number.
  int label = -1;
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
  /// The number of the table's first row, where kIdxMin and kIdxMax give rows' numbers.
  int64_t first_row = 0;
};

/// Whether partial results can be combined: all functions but kMedian, kQuantile and kNunique.
bool IsMergeable(AggregateFunction function);

/// Whether those of all aggregations can be.
bool AllMergeable(const GroupByOptions& options);

/// Result types: sum and prod of signed integers and bool int64, of unsigned uint64, of floats double, of decimals the
/// decimal with the largest precision, of durations the duration; count and size int64; mean double (a decimal's: its
/// decimal; duration, timestamp, date: of their kind where pandas has it); min, max, first and last as the column; var,
/// std, sem, skew, kurt double; median and quantile double, of timestamps and durations of their kind; any and all
/// bool; nunique int64; idxmin and idxmax as the label column or int64. Nulls are skipped unless asked otherwise; a
/// group without values has sum 0 (pandas), prod 1, count and nunique 0, any false, all true, and null for the rest;
/// idxmin and idxmax of it are Status::Invalid. An integer sum or product that overflows is Status::Invalid naming the
/// column; an integer mean is exact before its one rounding. Floats depend on the order of rows and ranks alone, not on
/// threads or timing.
///
/// Also checks the options: keys and columns in range, key types, that the function takes the type (Status::TypeError).
arrow::Result<std::shared_ptr<arrow::Schema>> GroupBySchema(const arrow::Schema& input, const GroupByOptions& options);

/// Groups and aggregates: key columns, then one column an aggregation. Where `places` is given, here and below, it
/// becomes, for each row of the table, the row of the result that its group is; -1 for rows in no group.
arrow::Result<std::shared_ptr<arrow::Table>> GroupBy(const std::shared_ptr<arrow::Table>& table,
                                                     const GroupByOptions& options, const Context& context,
                                                     PoolArray<int64_t>* places = nullptr);

/// First half, where all functions are mergeable: one row a group with the keys and what the aggregations need to go on
/// (a mean: sum and count). The key columns are the first keys.size() columns of the partial table, so that it can be
/// shuffled by them.
arrow::Result<std::shared_ptr<arrow::Table>> GroupByPartial(const std::shared_ptr<arrow::Table>& table,
                                                            const GroupByOptions& options, const Context& context,
                                                            PoolArray<int64_t>* places = nullptr);

/// About how many bytes a row of the partial table would have.
int64_t PartialRowBytes(const arrow::Table& table, const GroupByOptions& options);

/// Second half: combines partial tables' rows (put one after the other in `partials`) to the result. `input` is the
/// schema that the partials were made from, `options` those they were made with.
arrow::Result<std::shared_ptr<arrow::Table>> GroupByFinal(const std::shared_ptr<arrow::Table>& partials,
                                                          const arrow::Schema& input, const GroupByOptions& options,
                                                          const Context& context, PoolArray<int64_t>* places = nullptr);

}  // namespace weft::kernels
