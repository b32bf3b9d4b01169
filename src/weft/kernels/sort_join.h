// The sort-merge join.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/join.h"

namespace weft::kernels {

/// Join with JoinAlgorithm::kSort: the keys of both sides are ordered together, and each run of equal keys is then a
/// run of left rows followed by one of right rows. The arguments must have passed JoinSchema. A chunk of the result has
/// at most `chunk_rows` rows.
arrow::Result<std::shared_ptr<arrow::Table>> SortJoin(const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const JoinOptions& options, uint32_t chunk_rows,
                                                      const Context& context);

}  // namespace weft::kernels
