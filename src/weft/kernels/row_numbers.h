// Reductions along rows that read numbers: sums, products, means, moments, quantiles.
#pragma once

#include <arrow/array.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/row_reduce.h"

namespace weft::kernels {

/// The part of ReduceRows that reads numbers; the columns, whose type is `of`, have been checked.
arrow::Result<std::shared_ptr<arrow::Array>> ReduceNumbers(const arrow::Table& table, const RowReduceOptions& options,
                                                           const std::shared_ptr<arrow::DataType>& of,
                                                           const Context& context);

}  // namespace weft::kernels
