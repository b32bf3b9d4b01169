// Rows of a table picked by number.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <span>

#include "weft/base/context.h"

namespace weft::kernels {

/// The values at `rows` (0 <= row < column.length()), in their order, on up to context.threads threads. The type stays:
/// dictionaries of different chunks are unified. Strings and lists that pass what 32-bit offsets hold come in several
/// chunks.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> GatherColumn(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                                 std::span<const int64_t> rows, const Context& context);

/// The same for all columns, one after the other.
arrow::Result<std::shared_ptr<arrow::Table>> GatherRows(const std::shared_ptr<arrow::Table>& table,
                                                        std::span<const int64_t> rows, const Context& context);

}  // namespace weft::kernels
