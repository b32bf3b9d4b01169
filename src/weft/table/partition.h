// Rows grouped by the part they belong to, each part contiguous and in its old order.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/base/context.h"

namespace weft::table {

/// How many of `targets` name each of `parts` parts. Status::Invalid where one names a part that there is not.
arrow::Result<std::vector<int64_t>> CountTargets(std::span<const uint32_t> targets, int parts);

/// `parts` batches, the p-th with the rows i of `batch` for which targets[i] == p, in row order. Every Arrow type; rows
/// of a run (table/runs.h) are a run in each part. Parts are new memory (one scatter of each column, all parts at
/// once), never slices of a larger buffer, so that one can be freed without the others. Runs on the calling thread.
arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> PartitionBatch(const arrow::RecordBatch& batch,
                                                                               std::span<const uint32_t> targets,
                                                                               int parts, const Context& context);

}  // namespace weft::table
