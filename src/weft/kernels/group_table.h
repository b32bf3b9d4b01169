// Rows divided into groups of equal keys.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/group_keys.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/row_partitions.h"

namespace weft::kernels {

class GroupCounts;

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
  /// By group: its first row. In ascending order, or that of the groups of each section where there are `partitions`;
  /// unless groups are numbered in the order of their keys.
  PoolArray<int64_t> first_rows;
  bool by_key = false;
  std::vector<GroupSection> sections;
  /// Whether a group can have rows in several sections; then `rows` is empty.
  bool shared = true;
  PoolArray<uint32_t> ids;
  /// Where empty, sections are consecutive blocks of rows, and entry i is row i. Otherwise entry i is row rows[i],
  /// ascending within a section.
  PoolArray<int64_t> rows;
  /// Where there are `rows`: what brings a column into the order of entries.
  std::shared_ptr<const RowPartitions> partitions;
  /// By group: its number of rows, once somebody has counted them. Not to be asked for by several threads.
  mutable std::shared_ptr<const GroupCounts> sizes;

  int64_t Row(int64_t entry) const { return rows.empty() ? entry : rows[entry]; }
};

/// Groups the rows of `table` by `columns` (of key types; none: all rows are one group). Groups of few keys are found
/// by blocks of rows and put together; many that come in ascending order are runs; for others the rows are first
/// partitioned by hash, so that each partition's table fits the cache: Manegold, Boncz, Kersten, "Optimizing
/// main-memory join on modern hardware", TKDE 2002.
arrow::Result<Grouping> GroupRows(const arrow::Table& table, std::span<const int> columns,
                                  const GroupingOptions& options, const Context& context);

/// About how many groups `rows` rows have, of which `sampled` showed `seen` different keys: of G equally frequent keys,
/// n rows show G * (1 - exp(-n / G)).
int64_t GroupsBySample(int64_t seen, int64_t sampled, int64_t rows);

/// Groups in the order of their first rows, or of their keys where they are numbered so, and their first rows, which
/// are taken from the grouping.
struct GroupsByRow {
  PoolArray<int64_t> groups;
  PoolArray<int64_t> first_rows;
};
arrow::Result<GroupsByRow> OrderByFirstRow(Grouping* grouping, const Context& context);

}  // namespace weft::kernels
