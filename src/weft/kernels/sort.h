// Stable sorting by several keys, on one rank.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

struct SortKey {
  int column = 0;
  bool ascending = true;
};

struct SortOptions {
  std::vector<SortKey> keys;
  /// Where rows with a null key go, whatever the direction; applies to each key in turn.
  bool nulls_first = false;
  /// NaN is null. Otherwise NaN is greater than every number.
  bool nan_is_null = false;
};

/// Checks keys and types (Status::Invalid, Status::TypeError naming column and type).
arrow::Status CheckSort(const arrow::Schema& schema, const SortOptions& options);

/// Row numbers in sorted order; rows with equal keys keep their order. Strings compare by bytes, -0.0 equals 0.0.
arrow::Result<PoolArray<int64_t>> SortIndices(const arrow::Table& table, const SortOptions& options,
                                              const Context& context);

/// The table sorted; `table` itself where it is in order. Uses up to context.threads threads with the same result for
/// any number.
arrow::Result<std::shared_ptr<arrow::Table>> Sort(const std::shared_ptr<arrow::Table>& table,
                                                  const SortOptions& options, const Context& context);

/// Whether Sort would leave every row where it is.
arrow::Result<bool> IsSorted(const arrow::Table& table, const SortOptions& options, const Context& context);

/// Sorted tables merged into one; rows with equal keys come by table, then by row.
arrow::Result<std::shared_ptr<arrow::Table>> MergeSorted(const std::vector<std::shared_ptr<arrow::Table>>& tables,
                                                         const SortOptions& options, const Context& context);

/// For each row s of `splitters` (key columns alone, one a key in the order of options.keys), where its run of equal
/// keys stands in `sorted`: the number of rows that come before the splitter's key, and the number that come before or
/// equal it.
struct SplitRange {
  int64_t before = 0;
  int64_t through = 0;
};
arrow::Result<std::vector<SplitRange>> FindSplits(const arrow::Table& sorted, const SortOptions& options,
                                                  const arrow::Table& splitters, const Context& context);

}  // namespace weft::kernels
