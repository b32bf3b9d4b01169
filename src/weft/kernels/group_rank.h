// Ranks of values within groups.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/group_transform.h"

namespace weft::kernels {

struct GroupRankOptions {
  RankMethod method = RankMethod::kAverage;
  RankMissing nulls = RankMissing::kKeep;
  bool ascending = true;
  bool percent = false;
  bool nan_is_null = false;
};

/// The rank, from 1, of each row's value among those of its group (see Transform): doubles, null for rows in no group.
/// Rows are sorted by group and value once, in parallel.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> RankInGroups(const Grouping& grouping,
                                                                 const std::shared_ptr<arrow::ChunkedArray>& column,
                                                                 const GroupRankOptions& options,
                                                                 const Context& context);

}  // namespace weft::kernels
