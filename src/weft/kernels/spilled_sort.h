// Sorting what does not fit in memory.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/sort.h"

namespace weft::kernels {

/// Sort by way of the context's spill directory: slices are sorted and written, and then merged block by block
/// (external merge sort: Knuth, The Art of Computer Programming 3, 5.4).
arrow::Result<std::shared_ptr<arrow::Table>> SpilledSort(const std::shared_ptr<arrow::Table>& table,
                                                         const SortOptions& options, const Context& context);

/// MergeSorted, block by block.
arrow::Result<std::shared_ptr<arrow::Table>> MergeInBlocks(const std::vector<std::shared_ptr<arrow::Table>>& tables,
                                                           const SortOptions& options, const Context& context);

}  // namespace weft::kernels
