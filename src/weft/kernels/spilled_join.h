// Joins whose inputs do not fit in memory.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/join.h"

namespace weft::kernels {

/// Join by way of the context's spill directory, for all types; not for joins whose order is that of row numbers
/// (OrdersByNumbers), which are a join in any order and a sort.
///
/// By hash: both sides are written in parts by the hash of their keys, parts that are still too large once more by
/// another hash, and joined part by part (Grace join: Kitsuregawa et al., "Application of hash to data base machine and
/// its architecture", New Generation Computing 1983). Where one key has too many rows for that, the other side's rows
/// are joined with blocks of them; where both sides have, the part is joined as a whole in mapped files.
/// By sort, and with maintain_order: both sides are sorted, and ranges of keys are joined one after the other.
/// kCross: block by block.
arrow::Result<std::shared_ptr<arrow::Table>> SpilledJoin(const std::shared_ptr<arrow::Table>& left,
                                                         const std::shared_ptr<arrow::Table>& right,
                                                         const JoinOptions& options, const Context& context);

}  // namespace weft::kernels
