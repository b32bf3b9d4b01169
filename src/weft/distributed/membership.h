// Which rows' keys another table has.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Collective. A table of one boolean column, by left row in its place: whether the right table, of all ranks, has a
/// row with its key. Missing values (null, NaN) are equal. Errors as kernels::Join has them, on every rank.
arrow::Result<std::shared_ptr<arrow::Table>> IsMember(Communicator& communicator,
                                                      const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const std::vector<int>& left_keys,
                                                      const std::vector<int>& right_keys, const Context& context);

}  // namespace weft::distributed
