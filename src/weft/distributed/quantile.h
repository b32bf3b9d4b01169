// Quantiles over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/quantile.h"

namespace weft::distributed {

/// Collective. One row a quantile, the same on every rank: exact without gathering the values (see kernels/select.h),
/// or by digests that all ranks put together in rank order.
arrow::Result<std::shared_ptr<arrow::Table>> Quantile(Communicator& communicator,
                                                      const std::shared_ptr<arrow::Table>& table,
                                                      const kernels::QuantileOptions& options, const Context& context);

}  // namespace weft::distributed
