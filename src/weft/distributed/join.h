// The join over all ranks: shuffle both sides by key, join each rank's share.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/distributed/placement.h"
#include "weft/kernels/join.h"

namespace weft::distributed {

/// Where the rows of a join's tables lie.
struct JoinPlacement {
  Placement left;
  Placement right;
  /// Set by Join.
  Placement result;
};

/// Collective. The tables are this rank's parts of the two sides; the result is this rank's part of the join. kHash:
/// rows lie where their key hashes to. kSort: globally ordered by the keys, rank by rank. Errors as kernels::Join has
/// them, on every rank. With `placement`, a side whose rows are known to lie by the hash of the keys is not moved
/// again.
arrow::Result<std::shared_ptr<arrow::Table>> Join(Communicator& communicator, std::shared_ptr<arrow::Table> left,
                                                  std::shared_ptr<arrow::Table> right,
                                                  const kernels::JoinOptions& options, const Context& context,
                                                  JoinPlacement* placement = nullptr);

}  // namespace weft::distributed
