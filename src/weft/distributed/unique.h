// Distinct rows over all ranks: combine, shuffle, reduce.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/unique.h"

namespace weft::distributed {

/// Collective. Of each set of duplicates the first by (rank, row) is kept; it lies on the rank its key hashes to.
arrow::Result<std::shared_ptr<arrow::Table>> Unique(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                    const kernels::UniqueOptions& options, const Context& context);

}  // namespace weft::distributed
