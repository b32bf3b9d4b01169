// Pairs of values of all ranks that are the wrong way round.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// Collective. kernels::CountInversions over the rows of all ranks, in rank order. Every rank's values, sorted, go to
/// all ranks, one rank's after the other's: no rank holds more than its own and one other's.
arrow::Result<int64_t> CountInversions(Communicator& communicator, const std::shared_ptr<arrow::ChunkedArray>& column,
                                       const Context& context);

}  // namespace weft::distributed
