// The first rows of an order over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/top.h"

namespace weft::distributed {

/// Collective. kernels::Top of the whole, on rank 0; elsewhere no rows. Each rank selects its own first rows, and those
/// are gathered: rank 0 holds up to options.rows of every rank.
arrow::Result<std::shared_ptr<arrow::Table>> Top(Communicator& communicator, const std::shared_ptr<arrow::Table>& table,
                                                 const kernels::TopOptions& options, const Context& context);

}  // namespace weft::distributed
