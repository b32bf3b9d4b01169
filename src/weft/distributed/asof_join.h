// The join of each left row with the nearest right row by an ordered key, over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/asof_join.h"

namespace weft::distributed {

/// Collective. kernels::AsofJoin of the rows of all ranks, which must be sorted over all ranks, rank order being row
/// order. The left's rows stay on their rank, in their order. Without `by`, each rank gets the range of right rows that
/// its left rows span, and from each rank one row before and one after it; with `by`, rows are joined where their group
/// hashes to, and then go back. The same error on every rank.
arrow::Result<std::shared_ptr<arrow::Table>> AsofJoin(Communicator& communicator, std::shared_ptr<arrow::Table> left,
                                                      std::shared_ptr<arrow::Table> right,
                                                      const kernels::AsofOptions& options, const Context& context);

}  // namespace weft::distributed
