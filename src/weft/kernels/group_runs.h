// The rows of each group, one group after the other.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <functional>

#include "weft/base/context.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// Group g has the rows rows[starts[g]] ... rows[starts[g + 1] - 1], ascending. Rows in no group are not there.
struct GroupRuns {
  PoolArray<int64_t> starts;
  PoolArray<int64_t> rows;
  int64_t groups() const { return starts.size() - 1; }
};

/// A counting sort of the rows by group, a section a task. 8 bytes a row and a group.
arrow::Result<GroupRuns> MakeGroupRuns(const Grouping& grouping, const Context& context);

/// The group of each of `rows` rows; -1 for those in none.
arrow::Result<PoolArray<int64_t>> GroupOfRows(const Grouping& grouping, int64_t rows, const Context& context);

/// Calls visit(first group, group after the last) for stretches of groups with about the same number of rows, in
/// parallel.
arrow::Status VisitRuns(const GroupRuns& runs, const Context& context,
                        const std::function<arrow::Status(int64_t, int64_t)>& visit);

}  // namespace weft::kernels
