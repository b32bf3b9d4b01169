// Ranks of values, in three steps, so that over ranks only distinct values travel: a process finds its own distinct
// values and how many rows have each (CountValues); all of them, ordered, say how many rows come before each (over
// ranks this is distributed/rank.h, here it is part of RankRows); each row gets its rank from its value (RanksOfRows).
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/sort.h"

namespace weft::kernels {

/// What rows of one value get: the mean, the least or the greatest of the numbers they would have in sorted order,
/// those numbers in row order, or the number of their value among the distinct ones.
enum class RankMethod : uint8_t { kAverage, kMin, kMax, kFirst, kDense };

/// Where rows without a value are ranked; kKeep: not at all, their rank is null.
enum class RankMissing : uint8_t { kKeep, kTop, kBottom };

struct RankOptions {
  int column = 0;
  RankMethod method = RankMethod::kAverage;
  bool ascending = true;
  RankMissing missing = RankMissing::kKeep;
  /// Ranks as shares of the greatest: of the number of rows ranked or, for kDense, of distinct values.
  bool percent = false;
  bool nan_is_null = false;
};

/// Status::Invalid, or Status::TypeError for a column whose type has no order.
arrow::Status CheckRank(const arrow::Schema& schema, const RankOptions& options);

/// The order of a table of values that CountValues gives.
SortOptions RankOrder(const RankOptions& options);

struct ValueCounts {
  /// By row the number of its value in `values`; -1 where it is not ranked.
  PoolArray<int64_t> value_of_row;
  /// Distinct values (first column), and how many rows have each (int64 "count").
  std::shared_ptr<arrow::Table> values;
};
arrow::Result<ValueCounts> CountValues(const arrow::Table& table, const RankOptions& options, const Context& context);

/// Where values stand among all rows: by value, in the order of ValueCounts::values.
struct ValuePlaces {
  /// Rows of lesser values; rows of this value on lower ranks; rows of this value anywhere; lesser distinct values.
  PoolArray<int64_t> below;
  PoolArray<int64_t> earlier;
  PoolArray<int64_t> equal;
  PoolArray<int64_t> distinct_below;
  int64_t all_rows = 0;
  int64_t all_distinct = 0;

  static arrow::Result<ValuePlaces> Make(int64_t values, const Context& context);
};

/// One double a row, null where it is not ranked.
arrow::Result<std::shared_ptr<arrow::Array>> RanksOfRows(const ValueCounts& counts, const ValuePlaces& places,
                                                         const RankOptions& options, const Context& context);

/// The ranks of one process' rows.
arrow::Result<std::shared_ptr<arrow::Array>> RankRows(const arrow::Table& table, const RankOptions& options,
                                                      const Context& context);

/// The int64 column `column` of a table as plain numbers.
arrow::Result<PoolArray<int64_t>> Numbers(const arrow::Table& table, int column, const Context& context);

}  // namespace weft::kernels
