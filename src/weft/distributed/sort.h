// The sort over all ranks: a sample sort.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/distributed/placement.h"
#include "weft/kernels/sort.h"

namespace weft::distributed {

/// Collective. Every row of rank r comes before every row of rank r + 1; stable with respect to (rank, row) of the
/// input; ranks' shares differ little in size, however the keys are spread: a run of equal keys is cut between ranks
/// too. Rows that lie in order already stay where they are unless a rank has far more than its share; then only what is
/// too much moves. `lies`: where the rows of the table lie, then those of the result; what is known to be in order is
/// not even looked at. Source: Shi, Schaeffer, "Parallel sorting by regular sampling", JPDC 1992.
arrow::Result<std::shared_ptr<arrow::Table>> Sort(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                  const kernels::SortOptions& options, const Context& context,
                                                  Placement* lies = nullptr);

}  // namespace weft::distributed
