// Grouping over all ranks: combine, shuffle, reduce; or, for functions that need all rows of a group, shuffle, compute.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/distributed/placement.h"
#include "weft/kernels/groupby.h"

namespace weft::distributed {

/// Collective. Each group is a row of one rank. With options.sort the result is globally ordered by the keys, rank by
/// rank. Where all functions are mergeable, what travels is one row a group and rank, however many rows a key has;
/// otherwise the rows, of the columns that are needed. `lies`: where the rows of the table lie, then those of the
/// result; where rows of one key lie on one rank, nothing travels.
arrow::Result<std::shared_ptr<arrow::Table>> GroupBy(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                     const kernels::GroupByOptions& options, const Context& context,
                                                     Placement* lies = nullptr);

/// Collective. Each row gets what its group comes to: the aggregations' columns, null for rows in no group. Where all
/// functions are mergeable, one row a group and rank travels; otherwise the rows. Nothing travels where `lies`, which
/// tells where the rows of the table lie, has rows of one key together.
arrow::Result<std::shared_ptr<arrow::Table>> GroupBroadcast(Communicator& communicator,
                                                            const std::shared_ptr<arrow::Table>& table,
                                                            const kernels::GroupByOptions& options,
                                                            const Context& context, const Placement* lies = nullptr);

/// The same on one rank.
arrow::Result<std::shared_ptr<arrow::Table>> GroupBroadcast(const std::shared_ptr<arrow::Table>& table,
                                                            const kernels::GroupByOptions& options,
                                                            const Context& context);

}  // namespace weft::distributed
