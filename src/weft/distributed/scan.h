// Running sums, products, least and greatest values over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/scan.h"

namespace weft::distributed {

/// Collective. Rank order is row order: each rank goes on where the ranks before it end. Rows stay where they are.
arrow::Result<std::shared_ptr<arrow::Table>> Scan(Communicator& communicator,
                                                  const std::shared_ptr<arrow::Table>& table,
                                                  const kernels::ScanOptions& options, const Context& context);

}  // namespace weft::distributed
