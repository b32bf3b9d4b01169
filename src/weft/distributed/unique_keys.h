// Whether keys are there but once, over all ranks.
#pragma once

#include <arrow/status.h>
#include <arrow/table.h>

#include <span>
#include <string_view>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Collective. As kernels::CheckUniqueKeys, over the rows of all ranks: only the keys travel. The same error on every
/// rank.
arrow::Status CheckUniqueKeys(Communicator& communicator, const arrow::Table& table, std::span<const int> columns,
                              std::string_view what, const Context& context);

}  // namespace weft::distributed
