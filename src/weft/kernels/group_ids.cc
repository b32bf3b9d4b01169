#include "weft/kernels/group_ids.h"

namespace weft::kernels {

arrow::Result<PoolArray<int64_t>> GroupIds(const Grouping& grouping, int64_t rows, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto ids, PoolArray<int64_t>::Make(rows, context.pool));
  const auto sections = static_cast<int64_t>(grouping.sections.size());
  int64_t covered = 0;
  for (const GroupSection& section : grouping.sections) covered += section.end - section.begin;
  // Rows that no section names belong to no group.
  if (covered < rows) {
    for (int64_t& id : ids) id = -1;
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, sections, [&](int64_t s) {
    const GroupSection& section = grouping.sections[static_cast<size_t>(s)];
    for (int64_t entry = section.begin; entry < section.end; ++entry) {
      const auto id = static_cast<int64_t>(grouping.ids[entry]) - 1;
      int64_t group = -1;
      if (id >= 0) group = grouping.shared ? section.to_global[static_cast<size_t>(id)] : section.first_group + id;
      ids[grouping.Row(entry)] = group;
    }
    return arrow::Status::OK();
  }));
  return ids;
}

}  // namespace weft::kernels
