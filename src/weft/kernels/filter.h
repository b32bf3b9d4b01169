// Choosing rows and columns by expressions.
#pragma once

#include <arrow/compute/expression.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

/// The rows for which `predicate` is true (null is not). Status::KeyError for a column that is not there,
/// Status::TypeError for a predicate that is not boolean or that does not fit the columns' types.
arrow::Result<std::shared_ptr<arrow::Table>> Filter(const std::shared_ptr<arrow::Table>& table,
                                                    const arrow::compute::Expression& predicate,
                                                    const Context& context);

struct Projection {
  std::string name;
  arrow::compute::Expression expression;
};

/// A table with one column a projection.
arrow::Result<std::shared_ptr<arrow::Table>> Project(const std::shared_ptr<arrow::Table>& table,
                                                     const std::vector<Projection>& projections,
                                                     const Context& context);

}  // namespace weft::kernels
