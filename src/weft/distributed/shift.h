// Rows moved by a number of places in the order of the whole, across the borders between ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Row i of the result is row i - periods of `table`, or the one row of `fill` where there is none. `fill` has the
/// table's types.
arrow::Result<std::shared_ptr<arrow::Table>> ShiftLocal(const std::shared_ptr<arrow::Table>& table, int64_t periods,
                                                        const std::shared_ptr<arrow::Table>& fill,
                                                        const Context& context);

/// Collective. The same with rows numbered over all ranks: every rank keeps as many rows as it has, and only rows that
/// cross a border travel, be they from the neighbour or from a rank far away. `periods` and `fill` are the same on all
/// ranks.
arrow::Result<std::shared_ptr<arrow::Table>> Shift(Communicator& communicator,
                                                   const std::shared_ptr<arrow::Table>& table, int64_t periods,
                                                   const std::shared_ptr<arrow::Table>& fill, const Context& context);

}  // namespace weft::distributed
