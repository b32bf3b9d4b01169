// Group-by of what does not fit in memory.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/groupby.h"

namespace weft::kernels {

/// About how many bytes the columns take that a group-by reads.
int64_t GroupByBytes(const arrow::Table& table, const GroupByOptions& options);

/// GroupByPartial slice by slice: a row a group and slice, in the order of the rows.
arrow::Result<std::shared_ptr<arrow::Table>> SpilledPartial(const std::shared_ptr<arrow::Table>& table,
                                                            const GroupByOptions& options, const Context& context);

/// GroupByFinal by way of the context's spill directory: partial rows in parts by the hash of their keys.
arrow::Result<std::shared_ptr<arrow::Table>> SpilledFinal(const std::shared_ptr<arrow::Table>& partials,
                                                          const arrow::Schema& input, const GroupByOptions& options,
                                                          const Context& context);

/// GroupBy: by partial results of slices where all functions can be merged, else all rows in parts by the hash of their
/// keys.
arrow::Result<std::shared_ptr<arrow::Table>> SpilledGroupBy(const std::shared_ptr<arrow::Table>& table,
                                                            const GroupByOptions& options, const Context& context);

}  // namespace weft::kernels
