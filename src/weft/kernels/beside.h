// Columns of several tables side by side.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string_view>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

/// Status::Invalid, led by `operation`, unless the tables are of equal length and the first `index_columns` columns of
/// both hold the same values in the same order, nulls and NaN being themselves. However they are chunked.
arrow::Status CheckSameRows(const arrow::Table& left, const arrow::Table& right, int index_columns,
                            std::string_view operation, const Context& context);

/// One table of all the columns, named `names`. The tables are of equal length, and there is a name for each column.
arrow::Result<std::shared_ptr<arrow::Table>> Beside(const std::vector<std::shared_ptr<arrow::Table>>& tables,
                                                    const std::vector<std::string>& names);

}  // namespace weft::kernels
