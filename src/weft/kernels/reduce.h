// Whole columns to one value each, in two halves so that ranks can be put together in between.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

enum class ReduceFunction {
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
  kArgMin,
  kArgMax
};

arrow::Result<ReduceFunction> ParseReduceFunction(std::string_view name);
std::string_view ReduceFunctionName(ReduceFunction function);

struct Reduction {
  ReduceFunction function = ReduceFunction::kSum;
  int column = 0;
};

/// Null and NaN are missing.
struct ReduceOptions {
  std::vector<Reduction> reductions;
  /// Missing values are passed over; otherwise one of them makes the result null (any and all: it counts as true).
  bool skip_missing = true;
  /// Fewer values make the result of sum, product, min and max null.
  int64_t min_count = 0;
  /// Of variance, standard deviation and standard error.
  int64_t ddof = 1;
};

/// The result's schema: a column a reduction, named by its place ("0", "1", ...). Types: count, argmin and argmax
/// int64; sum and product of signed integers and bool int64, of unsigned uint64, of floats double, sum of decimals the
/// decimal with the largest precision, their product double (its scale would depend on the values), sum of durations
/// the duration; mean double, of decimals, durations, timestamps and dates their type; min and max the column's;
/// variance and the others of moments double, standard deviation of durations and timestamps a duration; any and all
/// bool.
///
/// Also checks the options: columns in range, and that each function takes its column's type (Status::TypeError naming
/// column, type and function).
arrow::Result<std::shared_ptr<arrow::Schema>> ReduceSchema(const arrow::Schema& input, const ReduceOptions& options);

/// One row with all results. A sum or product of integers, durations or decimals that does not fit its type is
/// Status::Invalid naming the column (a product with a zero in it fits). Integer sums and means are exact, the mean but
/// for its one rounding. Sums of floats are compensated (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
/// Summation endlicher Summen", ZAMM 1974) over blocks of fixed lanes; moments are merged as in moments.h. Results
/// depend on the rows, their chunks and their split between ranks alone, not on threads or timing. Without values mean
/// and moments, min and max, argmin and argmax are null, sum 0 and product 1.
arrow::Result<std::shared_ptr<arrow::Table>> Reduce(const std::shared_ptr<arrow::Table>& table,
                                                    const ReduceOptions& options, const Context& context);

/// First half: one row of states. `first_row` is the number that argmin and argmax give to the table's first row.
arrow::Result<std::shared_ptr<arrow::Table>> ReducePartial(const std::shared_ptr<arrow::Table>& table,
                                                           const ReduceOptions& options, int64_t first_row,
                                                           const Context& context);

/// Second half: the rows of ReducePartial, in the order of their parts, to the result. `input` is the schema they were
/// made from, `options` those they were made with.
arrow::Result<std::shared_ptr<arrow::Table>> ReduceFinal(const std::shared_ptr<arrow::Table>& partials,
                                                         const arrow::Schema& input, const ReduceOptions& options,
                                                         const Context& context);

}  // namespace weft::kernels
