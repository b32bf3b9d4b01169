// Sorting a table by moving its rows into ranges of the keys first, each of which then fits the caches.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/sort.h"

namespace weft::kernels {

/// The table sorted as `options` say, whose keys `layout` holds; nullptr where it does not pay or cannot be done so:
/// few rows, columns with nulls, of nested values or long texts, keys of which few
/// have most of the rows, no memory for a copy. Equal rows keep their order; the same for any number of threads.
/// Source: sample sort, Frazer, McKellar, "Samplesort", JACM 1970.
arrow::Result<std::shared_ptr<arrow::Table>> SortByPartitions(const std::shared_ptr<arrow::Table>& table,
                                                              const SortOptions& options, const KeyLayout& layout,
                                                              const Context& context);

}  // namespace weft::kernels
