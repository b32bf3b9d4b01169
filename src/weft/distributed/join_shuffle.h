// Rows of both sides of a join to the ranks where their keys meet, keys with very many rows spread over all ranks.
#pragma once

#include <arrow/status.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/join.h"

namespace weft::distributed {

/// Collective. Replaces both tables by what this rank joins: rows go by the hash of their key, except for keys that a
/// sample of each rank's rows shows to have a large part of a side. Of such a key the rows of that side are dealt out
/// over all ranks, and the other side's are copied to all; this keeps the join right where the side dealt out may keep
/// rows without a match and the other not (kInner: either; kLeft, kLeftSemi, kLeftAnti: left; kRight: right; kOuter:
/// neither). Source: Xu, Kostamaa, Zhou, Chen, "Handling data skew in parallel joins in shared-nothing systems", SIGMOD
/// 2008.
arrow::Status ShuffleForJoin(Communicator& communicator, const kernels::JoinOptions& options, const Context& context,
                             std::shared_ptr<arrow::Table>* left, std::shared_ptr<arrow::Table>* right);

}  // namespace weft::distributed
