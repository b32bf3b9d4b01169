// Quantiles of whole columns: exact, by order statistics, or approximate, by t-digests.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/interpolation.h"
#include "weft/kernels/select.h"

namespace weft::kernels {

struct QuantileOptions {
  std::vector<int> columns;
  /// Each from 0 to 1.
  std::vector<double> quantiles{0.5};
  Interpolation interpolation = Interpolation::kLinear;
  /// Missing values (null, NaN) are passed over; otherwise one makes the column's results null.
  bool skip_missing = true;
  /// By t-digests of 500 centroids: the place is off by about 0.1 % of the rows in the middle, far less at the ends.
  bool approximate = false;
};

/// One column a column of options.columns, by its name: double for bool, integers and floats, their own type for
/// timestamps and durations; integers stay integers where the result is one of the values (lower, higher, nearest).
/// Status::TypeError for other types, Status::Invalid for a quantile outside 0 to 1.
arrow::Result<std::shared_ptr<arrow::Schema>> QuantileSchema(const arrow::Schema& input,
                                                             const QuantileOptions& options);

/// One row a quantile, in the order given; null without values. Of the rows of all ranks that `exchange` joins, whose
/// schemas and options are the same.
arrow::Result<std::shared_ptr<arrow::Table>> Quantile(const std::shared_ptr<arrow::Table>& table,
                                                      const QuantileOptions& options, const SelectExchange& exchange,
                                                      const Context& context);

}  // namespace weft::kernels
