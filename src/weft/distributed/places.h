// Rows fetched from, and sent to, their places in the whole. The place of a row is its number in the table of all
// ranks, rank order being row order.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Collective. Row i of the result is row rows[i] of the whole, from whatever rank has it; any row any number of times.
/// Status::IndexError on every rank where one asks for a row that is not there.
arrow::Result<std::shared_ptr<arrow::Table>> TakeRows(Communicator& communicator,
                                                      const std::shared_ptr<arrow::Table>& table,
                                                      std::span<const int64_t> rows, const Context& context);

/// Collective. Each row to the place that its int64 column `places` says, of which rank r has those in [ends[r - 1],
/// ends[r]); the places of all ranks' rows are 0 ... ends.back() - 1, each once. The result has all columns but
/// `places`.
arrow::Result<std::shared_ptr<arrow::Table>> PutRows(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                     int places, std::vector<int64_t> ends, const Context& context);

}  // namespace weft::distributed
