// Rows by their global position, rank order being row order.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/distributed/placement.h"

namespace weft::distributed {

/// Collective. This rank's part of the rows [offset, offset + length) of the whole; rows stay where they are.
arrow::Result<std::shared_ptr<arrow::Table>> Slice(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                   int64_t offset, int64_t length);

/// Collective. Rows moved between ranks, order kept, so that rank r has `counts[r]` of them or, where `counts` is
/// empty, shares differ by at most one row. Status::Invalid where there are not as many counts as ranks, one is
/// negative, their sum is not the number of rows, or ranks give different ones.
arrow::Result<std::shared_ptr<arrow::Table>> Repartition(Communicator& communicator,
                                                         std::shared_ptr<arrow::Table> table, const Context& context,
                                                         const std::vector<int64_t>& counts = {});

/// Collective. Rows that agree in `columns` on one rank (the one that their hash names), ordered by (rank, row).
/// `lies`: where the rows of the table lie, then those of the result; rows that lie so already are not moved.
arrow::Result<std::shared_ptr<arrow::Table>> RepartitionByKey(Communicator& communicator,
                                                              std::shared_ptr<arrow::Table> table,
                                                              std::vector<int> columns, bool nan_is_null,
                                                              const Context& context, Placement* lies = nullptr);

/// Collective. The number of rows of all ranks.
arrow::Result<int64_t> TotalRows(Communicator& communicator, const arrow::Table& table);

/// Collective. The number of rows of the ranks before this one.
arrow::Result<int64_t> FirstRow(Communicator& communicator, const arrow::Table& table);

/// Where rank r's share of `total` rows ends when they are spread evenly and in order: shares differ by at most one
/// row. Local.
std::vector<int64_t> EvenEnds(int64_t total, int world);

}  // namespace weft::distributed
