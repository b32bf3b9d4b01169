// Tables one below the other.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

/// The common schema of pandas' concat (axis 0): columns in order of first appearance, those that a table lacks filled
/// with null (or, if not `outer`, only the columns that all have). Types that differ go to a common one where Arrow's
/// permissive promotion has one, else Status::TypeError naming column and types.
arrow::Result<std::shared_ptr<arrow::Schema>> ConcatSchema(const std::vector<std::shared_ptr<arrow::Schema>>& schemas,
                                                           bool outer);

/// The rows of all tables in order, cast and filled to ConcatSchema. No copy of columns whose type is already right.
arrow::Result<std::shared_ptr<arrow::Table>> Concat(const std::vector<std::shared_ptr<arrow::Table>>& tables,
                                                    bool outer, const Context& context);

/// The table with its columns cast and filled to `schema` (null where it has no such column).
arrow::Result<std::shared_ptr<arrow::Table>> Conform(const std::shared_ptr<arrow::Table>& table,
                                                     const std::shared_ptr<arrow::Schema>& schema,
                                                     const Context& context);

}  // namespace weft::kernels
