// Ranks of values over all ranks.
#pragma once

#include <arrow/array/array_base.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/rank.h"

namespace weft::distributed {

/// Collective. kernels::RankRows of the whole; each rank has the ranks of its own rows, at their places. Each rank's
/// distinct values are sorted over all ranks with the numbers of their rows, summed up, and what comes before each goes
/// back to the rank that has it.
arrow::Result<std::shared_ptr<arrow::Array>> RankRows(Communicator& communicator,
                                                      const std::shared_ptr<arrow::Table>& table,
                                                      const kernels::RankOptions& options, const Context& context);

}  // namespace weft::distributed
