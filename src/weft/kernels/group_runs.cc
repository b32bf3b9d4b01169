#include "weft/kernels/group_runs.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace weft::kernels {
namespace {

/// Rows of one stretch of groups.
constexpr int64_t kStretchRows = 1 << 16;

/// The group of all that a section's group (from 1) is.
int64_t GlobalGroup(const GroupSection& section, bool shared, uint32_t id) {
  return shared ? section.to_global[id - 1] : section.first_group + id - 1;
}

}  // namespace

arrow::Result<GroupRuns> MakeGroupRuns(const Grouping& grouping, const Context& context) {
  GroupRuns runs;
  ARROW_ASSIGN_OR_RAISE(runs.starts, PoolArray<int64_t>::MakeZero(grouping.groups + 1, context.pool));
  // By section: how many rows each of its groups has there, then where the next of them goes.
  std::vector<PoolArray<int64_t>> next(grouping.sections.size());
  const auto sections = static_cast<int64_t>(grouping.sections.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, sections, [&](int64_t s) -> arrow::Status {
    const GroupSection& section = grouping.sections[static_cast<size_t>(s)];
    auto& counts = next[static_cast<size_t>(s)];
    ARROW_ASSIGN_OR_RAISE(counts, PoolArray<int64_t>::MakeZero(section.groups + 1, context.pool));
    for (int64_t i = section.begin; i < section.end; ++i) ++counts[grouping.ids[i]];
    return arrow::Status::OK();
  }));
  for (size_t s = 0; s < next.size(); ++s) {
    const GroupSection& section = grouping.sections[s];
    for (int64_t id = 1; id <= section.groups; ++id) {
      runs.starts[GlobalGroup(section, grouping.shared, static_cast<uint32_t>(id)) + 1] += next[s][id];
    }
  }
  for (int64_t g = 0; g < grouping.groups; ++g) runs.starts[g + 1] += runs.starts[g];
  ARROW_ASSIGN_OR_RAISE(runs.rows, PoolArray<int64_t>::Make(runs.starts[grouping.groups], context.pool));
  ARROW_ASSIGN_OR_RAISE(auto place, PoolArray<int64_t>::Make(grouping.groups, context.pool));
  std::copy(runs.starts.begin(), runs.starts.begin() + grouping.groups, place.begin());
  for (size_t s = 0; s < next.size(); ++s) {
    const GroupSection& section = grouping.sections[s];
    for (int64_t id = 1; id <= section.groups; ++id) {
      int64_t& at = place[GlobalGroup(section, grouping.shared, static_cast<uint32_t>(id))];
      at += std::exchange(next[s][id], at);
    }
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, sections, [&](int64_t s) {
    const GroupSection& section = grouping.sections[static_cast<size_t>(s)];
    auto& at = next[static_cast<size_t>(s)];
    for (int64_t i = section.begin; i < section.end; ++i) {
      if (grouping.ids[i] != 0) runs.rows[at[grouping.ids[i]]++] = grouping.Row(i);
    }
    return arrow::Status::OK();
  }));
  return runs;
}

arrow::Result<PoolArray<int64_t>> GroupOfRows(const Grouping& grouping, int64_t rows, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto groups, PoolArray<int64_t>::Make(rows, context.pool));
  const auto sections = static_cast<int64_t>(grouping.sections.size());
  int64_t covered = 0;
  for (const GroupSection& section : grouping.sections) covered += section.end - section.begin;
  // Rows that no section names belong to no group.
  if (covered < rows) std::fill(groups.begin(), groups.end(), int64_t{-1});
  ARROW_RETURN_NOT_OK(ParallelFor(context, sections, [&](int64_t s) {
    const GroupSection& section = grouping.sections[static_cast<size_t>(s)];
    for (int64_t i = section.begin; i < section.end; ++i) {
      const uint32_t id = grouping.ids[i];
      groups[grouping.Row(i)] = id == 0 ? -1 : GlobalGroup(section, grouping.shared, id);
    }
    return arrow::Status::OK();
  }));
  return groups;
}

arrow::Status VisitRuns(const GroupRuns& runs, const Context& context,
                        const std::function<arrow::Status(int64_t, int64_t)>& visit) {
  std::vector<int64_t> bounds{0};
  while (bounds.back() < runs.groups()) {
    const int64_t* begin = runs.starts.begin() + bounds.back() + 1;
    const int64_t* end =
        std::lower_bound(begin, static_cast<const int64_t*>(runs.starts.end()), *(begin - 1) + kStretchRows);
    bounds.push_back(std::min(end - runs.starts.begin(), runs.groups()));
  }
  return ParallelFor(context, static_cast<int64_t>(bounds.size()) - 1, [&](int64_t task) {
    return visit(bounds[static_cast<size_t>(task)], bounds[static_cast<size_t>(task) + 1]);
  });
}

}  // namespace weft::kernels
