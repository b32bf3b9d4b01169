#include "weft/kernels/row_groups.h"

#include <utility>

#include "weft/kernels/group_runs.h"
#include "weft/kernels/group_table.h"

namespace weft::kernels {

arrow::Result<RowGroups> FindRowGroups(const arrow::Table& table, std::span<const int> columns,
                                       const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto grouping, GroupRows(table, columns, {.nan_is_null = true}, context));
  RowGroups out{grouping.groups, {}};
  ARROW_ASSIGN_OR_RAISE(out.ids, GroupOfRows(grouping, table.num_rows(), context));
  return out;
}

arrow::Result<PoolArray<int64_t>> CountEarlierRows(const arrow::Table& table, std::span<const int> columns,
                                                   const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto found, FindRowGroups(table, columns, context));
  ARROW_ASSIGN_OR_RAISE(auto counts, PoolArray<int64_t>::MakeZero(found.groups, context.pool));
  for (int64_t& id : found.ids) id = counts[id]++;
  return std::move(found.ids);
}

}  // namespace weft::kernels
