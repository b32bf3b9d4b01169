// Covariance and correlation of pairs of columns over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <span>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/comoments.h"

namespace weft::distributed {

/// Collective. As kernels::PairMoments, of all ranks' rows; the same on every rank, put together in rank order.
arrow::Result<std::vector<kernels::CoMoments>> PairMoments(Communicator& communicator, const arrow::Table& table,
                                                           std::span<const int> columns, const Context& context);

}  // namespace weft::distributed
