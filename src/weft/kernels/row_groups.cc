#include "weft/kernels/row_groups.h"

#include <utility>

#include "weft/kernels/group_table.h"

namespace weft::kernels {

arrow::Result<RowGroups> FindRowGroups(const arrow::Table& table, std::span<const int> columns,
                                       const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto grouping, GroupRows(table, columns, {.nan_is_null = true}, context));
  RowGroups out{grouping.groups, {}};
  ARROW_ASSIGN_OR_RAISE(out.ids, PoolArray<int64_t>::Make(table.num_rows(), context.pool));
  for (const GroupSection& section : grouping.sections) {
    for (int64_t i = section.begin; i < section.end; ++i) {
      const uint32_t id = grouping.ids[i];
      const int64_t group =
          section.to_global.empty() ? section.first_group + id - 1 : section.to_global[static_cast<size_t>(id) - 1];
      out.ids[grouping.Row(i)] = group;
    }
  }
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
