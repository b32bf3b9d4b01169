// Rows divided into groups of equal keys.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <span>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

struct GroupingOptions {
  /// NaN is null.
  bool nan_is_null = false;
  /// Rows with a null in any key belong to no group.
  bool drop_nulls = false;
  /// For tests: hashes are cut to these bits, so that different keys collide.
  uint64_t hash_mask = ~uint64_t{0};
};

/// A part of the rows whose groups were numbered apart from those of other parts. Group ids within a section are 1, 2,
/// ...; 0 stands for rows that are left out.
struct GroupSection {
  /// The section's entries in Grouping::ids (and Grouping::rows).
  int64_t begin = 0;
  int64_t end = 0;
  /// Number of its groups.
  int64_t groups = 0;
  /// Its group 1 is group `first_group` of all, and so on: where sections share no groups.
  int64_t first_group = 0;
  /// Otherwise its group i is group to_global[i - 1] of all.
  std::vector<int64_t> to_global;
};

/// How rows fall into groups. What the sections are depends on the data alone, not on the number of threads.
struct Grouping {
  int64_t groups = 0;
  /// By group: its first row. Ascending where sections share groups.
  PoolArray<int64_t> first_rows;
  std::vector<GroupSection> sections;
  /// Whether a group can have rows in several sections; then sections are consecutive blocks of rows, entry i is row i,
  /// and `rows` is empty. Otherwise entry i is row rows[i], ascending within a section.
  bool shared = true;
  PoolArray<uint32_t> ids;
  PoolArray<int64_t> rows;
};

/// Groups the rows of `table` by `columns` (of key types; none: all rows are one group). Groups of few keys are found
/// by blocks of rows and put together; for many the rows are first partitioned by hash, so that each partition's table
/// fits the cache: Manegold, Boncz, Kersten, "Optimizing main-memory join on modern hardware", TKDE 2002.
arrow::Result<Grouping> GroupRows(const arrow::Table& table, std::span<const int> columns,
                                  const GroupingOptions& options, const Context& context);

/// The groups in order of their first rows.
arrow::Result<PoolArray<int64_t>> GroupsByFirstRow(const Grouping& grouping, int64_t rows, const Context& context);

}  // namespace weft::kernels
