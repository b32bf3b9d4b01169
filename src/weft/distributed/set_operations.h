// Rows of two tables as sets and as bags, over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/set_operations.h"

namespace weft::distributed {

/// Collective. ConformSets and CombineSets of kernels over the rows of all ranks. Rows lie where they hash to; but a
/// union of bags has all of the left's rows, in order, then the right's, evenly spread. The same error on every rank.
arrow::Result<std::shared_ptr<arrow::Table>> CombineSets(Communicator& communicator,
                                                         const std::shared_ptr<arrow::Table>& left,
                                                         const std::shared_ptr<arrow::Table>& right,
                                                         const kernels::SetOptions& options, const Context& context);

}  // namespace weft::distributed
