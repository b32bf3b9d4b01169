// Keys that cut sorted tables into shares of about equal size, for operators that spread rows over the ranks by range.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/kernels/sort.h"

namespace weft::distributed {

/// This rank's part of a table, sorted by `options`.
struct SortedPart {
  std::shared_ptr<arrow::Table> table;
  kernels::SortOptions options;
};

/// The key columns alone, named by their place, without dictionaries, so that rows of several parts fit together.
arrow::Result<std::shared_ptr<arrow::Table>> KeyColumns(const SortedPart& part, const Context& context);

/// The order of such a table of keys.
kernels::SortOptions KeyOrder(const kernels::SortOptions& options);

/// Collective. At most world_size - 1 splitters, the same on all ranks: a sorted table of key columns (one a sort key,
/// in their order), chosen from regular samples of all `parts` so that the ranges between them hold about the same
/// number of rows of all parts together; few or none where there are few rows. All parts have the same directions and
/// comparable key types.
arrow::Result<std::shared_ptr<arrow::Table>> ChooseSplitters(Communicator& communicator,
                                                             const std::vector<SortedPart>& parts,
                                                             const Context& context);

}  // namespace weft::distributed
