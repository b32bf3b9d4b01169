// Windows over all ranks: every rank fetches the rows beyond its borders that its own rows' windows can see.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/window.h"

namespace weft::distributed {

/// A rank's rows among those that their windows can see.
struct WindowRows {
  std::shared_ptr<arrow::Table> rows;
  /// Which of them is the rank's first.
  int64_t first = 0;
};

/// Collective. The rows that windows can see lie on any ranks, near or far, be a window wider than a partition or
/// partitions empty; they travel, all columns of `table`, and no others. Of kTime the rows of all ranks must rise, or
/// fall, along the whole (Status::Invalid naming the column); of kExpanding every rank gets all rows before its own.
arrow::Result<WindowRows> FetchWindowRows(Communicator& communicator, const std::shared_ptr<arrow::Table>& table,
                                          const kernels::WindowFrame& frame, const Context& context);

/// Collective. kernels::Window over the rows of all ranks, which stay where they are. Expanding sums, moments and
/// extremes need one all-gather of a few numbers an aggregate; of others, the needed columns' rows at the borders
/// travel.
arrow::Result<std::shared_ptr<arrow::Table>> Window(Communicator& communicator,
                                                    const std::shared_ptr<arrow::Table>& table,
                                                    const kernels::WindowOptions& options, const Context& context);

/// Collective. kernels::GroupWindow: the needed columns' rows go to the rank of their key and the answers come back;
/// rows are ordered by (rank, row).
arrow::Result<std::shared_ptr<arrow::Table>> GroupWindow(Communicator& communicator,
                                                         const std::shared_ptr<arrow::Table>& table,
                                                         const std::vector<int>& keys, bool drop_null_keys,
                                                         const kernels::WindowOptions& options, const Context& context);

}  // namespace weft::distributed
