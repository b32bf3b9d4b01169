// Group-by functions that need whole groups, of groups that are too large for one rank.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/groupby.h"

namespace weft::distributed {

/// Whether GroupHeavy takes all of the aggregations: those that combine, nunique, and medians and quantiles of numbers
/// (floats only where NaN is null).
bool CanGroupHeavy(const arrow::Schema& input, const kernels::GroupByOptions& options);

/// Collective: groups and aggregates rows of few groups without moving a group to one rank. Different values are
/// counted by (key, value) pairs, which are spread by both; quantiles are selected where the rows are. The work is in
/// proportion to the number of groups. The result's rows lie on the ranks of their keys, in any order.
arrow::Result<std::shared_ptr<arrow::Table>> GroupHeavy(Communicator& communicator,
                                                        const std::shared_ptr<arrow::Table>& table,
                                                        const kernels::GroupByOptions& options, const Context& context);

}  // namespace weft::distributed
