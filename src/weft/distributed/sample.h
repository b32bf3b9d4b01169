// Rows chosen at random, the same ones for the same seed however they lie on ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

struct SampleOptions {
  int64_t rows = 0;
  /// Whether a row may be chosen again.
  bool replace = false;
  uint64_t seed = 0;
};

/// Collective. `rows` of the rows of all ranks in random order, evenly spread over the ranks: row i of the result
/// depends on the seed, i and the number of rows alone. Status::Invalid where more are asked for than there are.
arrow::Result<std::shared_ptr<arrow::Table>> Sample(Communicator& communicator,
                                                    const std::shared_ptr<arrow::Table>& table,
                                                    const SampleOptions& options, const Context& context);

/// The same of one process' rows.
arrow::Result<std::shared_ptr<arrow::Table>> Sample(const std::shared_ptr<arrow::Table>& table,
                                                    const SampleOptions& options, const Context& context);

}  // namespace weft::distributed
