// Every pair of two tables' rows.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/join.h"

namespace weft::kernels {

/// Join with JoinType::kCross: each left row with all right rows, in order. The arguments must have passed JoinSchema.
/// A chunk of the result has at most `chunk_rows` rows. Up to 2^32 - 2 rows a side, and any number of pairs.
arrow::Result<std::shared_ptr<arrow::Table>> CrossJoin(const std::shared_ptr<arrow::Table>& left,
                                                       const std::shared_ptr<arrow::Table>& right,
                                                       const JoinOptions& options, uint32_t chunk_rows,
                                                       const Context& context);

}  // namespace weft::kernels
