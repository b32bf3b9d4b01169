// The values of each row to one value: reductions along rows.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "weft/base/context.h"
#include "weft/kernels/interpolation.h"

namespace weft::kernels {

enum class RowFunction {
  kCount,
  kSum,
  kProduct,
  kMean,
  kMin,
  kMax,
  kVariance,
  kStandardDeviation,
  kStandardError,
  kSkew,
  kKurtosis,
  kAny,
  kAll,
  kDistinct,
  kArgMin,
  kArgMax,
  kQuantile
};

/// By pandas' name (nunique, idxmin, idxmax for the last but one three); Status::Invalid for another.
arrow::Result<RowFunction> ParseRowFunction(std::string_view name);
std::string_view RowFunctionName(RowFunction function);

/// Null and NaN are missing.
struct RowReduceOptions {
  RowFunction function = RowFunction::kSum;
  /// Missing values are passed over; otherwise one of them makes the row's result null (any and all: it counts as true;
  /// distinct: it is one more value).
  bool skip_missing = true;
  /// Fewer values make the result of sum and product null.
  int64_t min_count = 0;
  /// Of variance, standard deviation and standard error.
  int64_t ddof = 1;
  double quantile = 0.5;
  Interpolation interpolation = Interpolation::kLinear;
};

/// One value a row of the table, of all its columns. Except for count, any and all the columns must have one type, no
/// dictionary. The results' types are those of Reduce (kernels/reduce.h), and of its columns' kinds of overflow it
/// makes an error too (Status::Invalid with the row's number in the table); distinct and the places of the least and
/// greatest value, which are column numbers, are int64, quantiles of times their type, of other numbers double. Without
/// values mean and moments, least and greatest value and their places, and quantiles are null. Status::TypeError where
/// the function does not take the type.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> ReduceRows(const arrow::Table& table,
                                                               const RowReduceOptions& options, const Context& context);

}  // namespace weft::kernels
