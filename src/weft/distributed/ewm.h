// Exponentially weighted means over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/ewm.h"

namespace weft::distributed {

/// Collective. kernels::Ewm over the rows of all ranks, which stay where they are. One all-gather of a few numbers a
/// column.
arrow::Result<std::shared_ptr<arrow::Table>> Ewm(Communicator& communicator, const std::shared_ptr<arrow::Table>& table,
                                                 const kernels::EwmOptions& options, const Context& context);

/// Collective. kernels::GroupEwm: the needed columns' rows go to the rank of their key and the answers come back; rows
/// are ordered by (rank, row).
arrow::Result<std::shared_ptr<arrow::Table>> GroupEwm(Communicator& communicator,
                                                      const std::shared_ptr<arrow::Table>& table,
                                                      const std::vector<int>& keys, bool drop_null_keys,
                                                      const kernels::EwmOptions& options, const Context& context);

}  // namespace weft::distributed
