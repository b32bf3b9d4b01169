// Missing values filled in with the value before or after, across ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/fill.h"

namespace weft::distributed {

/// Collective. kernels::Fill over the rows of all ranks; rows stay where they are. One all-gather of a row a rank.
arrow::Result<std::shared_ptr<arrow::Table>> Fill(Communicator& communicator,
                                                  const std::shared_ptr<arrow::Table>& table,
                                                  const kernels::FillOptions& options, const Context& context);

}  // namespace weft::distributed
