// Rows of one table where another's lie.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string_view>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Collective. `right`'s rows, order kept, moved so that each lies beside the row of `left` with its position; none
/// moves where the ranks' shares are alike already. On every rank Status::Invalid, led by `operation`, where the totals
/// differ, or the first `index_columns` columns of the two (kernels::CheckSameRows).
arrow::Result<std::shared_ptr<arrow::Table>> Align(Communicator& communicator,
                                                   const std::shared_ptr<arrow::Table>& left,
                                                   std::shared_ptr<arrow::Table> right, int index_columns,
                                                   std::string_view operation, const Context& context);

}  // namespace weft::distributed
