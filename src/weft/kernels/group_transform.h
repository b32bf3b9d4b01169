// What gives a value to every row from the rows of its group: running sums, shifts, ranks, the rows themselves in
// groups.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/rank.h"

namespace weft::kernels {

enum class TransformFunction {
  kCumSum,
  kCumProd,
  kCumMin,
  kCumMax,
  kCumCount,   // how many rows of the group came before; int64
  kRemaining,  // how many rows of the group come after; int64
  kShift,
  kForwardFill,
  kBackwardFill,
  kRank
};

arrow::Result<TransformFunction> ParseTransformFunction(std::string_view name);

arrow::Result<RankMethod> ParseRankMethod(std::string_view name);
arrow::Result<RankMissing> ParseRankMissing(std::string_view name);

struct Transform {
  TransformFunction function = TransformFunction::kCumSum;
  /// -1 for kCumCount and kRemaining.
  int column = -1;
  /// Name of the result's column.
  std::string name;
  /// Of running functions: a null is null and passed over. Otherwise all that follows it is null.
  bool skip_nulls = true;
  /// Of kShift: by how many rows, downwards where positive. What comes in is `fill`, one value of the column's type,
  /// or null; rows in no group get it too, as in pandas.
  int64_t periods = 1;
  std::shared_ptr<arrow::Array> fill;
  /// Of fills: the most rows in a row that are filled; -1: all.
  int64_t limit = -1;
  /// Of kRank. Nulls have no rank (kKeep), the least (kTop) or the greatest (kBottom).
  RankMethod method = RankMethod::kAverage;
  RankMissing nulls = RankMissing::kKeep;
  bool ascending = true;
  /// As a share of the number of rows that have a rank; of different ranks for kDense.
  bool percent = false;
};

struct GroupTransformOptions {
  std::vector<int> keys;
  std::vector<Transform> transforms;
  /// Rows with a null in any key are in no group: they come to null.
  bool drop_null_keys = true;
  /// NaN in keys and values is null.
  bool nan_is_null = false;
};

/// The result's columns, one a transform: running sums and products int64, uint64 or double (a duration's sum: the
/// duration), running extremes, shifts and fills as the column, ranks double. Checks keys, columns and types
/// (Status::Invalid, Status::TypeError naming column and type).
arrow::Result<std::shared_ptr<arrow::Schema>> GroupTransformSchema(const arrow::Schema& input,
                                                                   const GroupTransformOptions& options);

/// One row a row of the table, in its order. A running sum or product of integers that overflows is Status::Invalid
/// naming the column. The same for any number of threads.
arrow::Result<std::shared_ptr<arrow::Table>> GroupTransform(const std::shared_ptr<arrow::Table>& table,
                                                            const GroupTransformOptions& options,
                                                            const Context& context);

/// The rows of a table, group by group.
struct GroupedRows {
  /// Rows with one key lie together, in their order.
  std::shared_ptr<arrow::Table> rows;
  /// Which row of the table each of them is.
  std::shared_ptr<arrow::Array> numbers;
  /// Group g is rows [starts[g], starts[g + 1]), of `rows`; int64.
  std::shared_ptr<arrow::Array> starts;
  /// The key columns, one row a group.
  std::shared_ptr<arrow::Table> keys;
};

/// Groups by keys, or with sort=false by first appearance.
arrow::Result<GroupedRows> RowsByGroup(const std::shared_ptr<arrow::Table>& table, const std::vector<int>& keys,
                                       bool sort, bool drop_null_keys, bool nan_is_null, const Context& context);

}  // namespace weft::kernels
