// Where rows of equal keys lie on several ranks because ranges of keys were cut there, and bringing them together.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/distributed/placement.h"
#include "weft/kernels/sort.h"

namespace weft::distributed {

/// Key columns (one a key) of the first and last row of `sorted`; of none where it has none.
arrow::Result<std::shared_ptr<arrow::Table>> EndKeys(const std::shared_ptr<arrow::Table>& sorted,
                                                     const kernels::SortOptions& options, const Context& context);

/// Collective. Of a table that is in `order` over all ranks: moves rows whose keys are those of an earlier rank's last
/// row to the first rank that has such rows, so that rows equal in all keys lie on one rank, in order as before. False,
/// and nothing is moved, where a rank would get far more than its share, or `may_move` is false and rows would have to.
arrow::Result<bool> JoinRanges(Communicator& communicator, const kernels::SortOptions& order, bool may_move,
                               const Context& context, std::shared_ptr<arrow::Table>* table);

/// Collective. Whether rows of equal `keys` lie on one rank, by hash or because they are in order; where few rows stand
/// in the way of the latter, these are moved if they may be. `hash_order`: the keys as the hash takes them; empty where
/// it is not by hash.
arrow::Result<bool> BringTogether(Communicator& communicator, const Placement& lies, const std::vector<int>& keys,
                                  bool nan_is_null, bool may_move, const Context& context, std::vector<int>* hash_order,
                                  std::shared_ptr<arrow::Table>* table);

}  // namespace weft::distributed
