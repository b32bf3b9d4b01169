// Tables one below the other over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Collective. All rows of the first table, over all ranks, then those of the second and so on, in the order of pandas'
/// concat; evenly spread over the ranks.
arrow::Result<std::shared_ptr<arrow::Table>> Concat(Communicator& communicator,
                                                    const std::vector<std::shared_ptr<arrow::Table>>& tables,
                                                    bool outer, const Context& context);

}  // namespace weft::distributed
