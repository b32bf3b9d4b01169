// Rows of two tables as sets (SQL's UNION, INTERSECT, EXCEPT) and as bags (with ALL), on one rank.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <utility>

#include "weft/base/context.h"

namespace weft::kernels {

enum class SetOperation { kUnion, kIntersect, kSubtract };

struct SetOptions {
  SetOperation operation = SetOperation::kUnion;
  /// Bags: a row that is there m times on the left and n times on the right is m + n, min(m, n) or max(m - n, 0) times
  /// in the result. Otherwise each row of the result is there once.
  bool all = false;
};

/// Both tables with the columns of the left in its order, and common types: what the operations compare.
/// Status::Invalid where names differ, Status::TypeError where types have none in common or cannot be compared.
arrow::Result<std::pair<std::shared_ptr<arrow::Table>, std::shared_ptr<arrow::Table>>> ConformSets(
    const std::shared_ptr<arrow::Table>& left, const std::shared_ptr<arrow::Table>& right, const Context& context);

/// The operation over all columns, of tables that ConformSets gave; missing values (null, NaN) are equal. Rows are in
/// the order of their first appearance, the left's first.
arrow::Result<std::shared_ptr<arrow::Table>> CombineSets(const std::shared_ptr<arrow::Table>& left,
                                                         const std::shared_ptr<arrow::Table>& right,
                                                         const SetOptions& options, const Context& context);

}  // namespace weft::kernels
