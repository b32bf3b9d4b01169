// Whole columns of all ranks to one value each.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/reduce.h"

namespace weft::distributed {

/// Collective. One row with all results, the same on every rank bit for bit: each rank's states go to all ranks in one
/// exchange and are put together there in rank order. argmin and argmax number the rows of the whole.
arrow::Result<std::shared_ptr<arrow::Table>> Reduce(Communicator& communicator,
                                                    const std::shared_ptr<arrow::Table>& table,
                                                    const kernels::ReduceOptions& options, const Context& context);

}  // namespace weft::distributed
