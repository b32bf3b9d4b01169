// Values for every row from the rows of its group, over all ranks. Every row's answer is at the row's own rank and
// place.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/distributed/placement.h"
#include "weft/kernels/group_transform.h"

namespace weft::distributed {

/// Collective. The needed columns' rows go to the rank of their key and the answers come back; rows are ordered by
/// (rank, row). Nothing travels where `lies`, which tells where the rows of the table lie, has rows of one key
/// together.
arrow::Result<std::shared_ptr<arrow::Table>> GroupTransform(Communicator& communicator,
                                                            const std::shared_ptr<arrow::Table>& table,
                                                            const kernels::GroupTransformOptions& options,
                                                            const Context& context, const Placement* lies = nullptr);

}  // namespace weft::distributed
