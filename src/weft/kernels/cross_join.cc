#include "weft/kernels/cross_join.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "weft/kernels/join_output.h"
#include "weft/kernels/join_partition.h"
#include "weft/kernels/join_plan.h"

namespace weft::kernels {
namespace {

/// Pairs a task, at least.
constexpr int64_t kTaskPairs = int64_t{1} << 20;

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> CrossJoin(const std::shared_ptr<arrow::Table>& left,
                                                       const std::shared_ptr<arrow::Table>& right,
                                                       const JoinOptions& options, uint32_t chunk_rows,
                                                       const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto plan, PlanJoin(*left->schema(), *right->schema(), options));
  const TraceSpan span(context.tracer, "join.match");
  ARROW_ASSIGN_OR_RAISE(auto sides, MakeSides(plan, options, left, right, context));
  ARROW_RETURN_NOT_OK(NeedOutput(plan, &sides.first, &sides.second, context.pool));
  ARROW_ASSIGN_OR_RAISE(const RangeView left_view, ViewRange(&sides.first, 0, left->num_rows(), context.pool));
  ARROW_ASSIGN_OR_RAISE(const RangeView right_view, ViewRange(&sides.second, 0, right->num_rows(), context.pool));
  const ViewPair views{left_view.view, right_view.view};
  const int64_t left_rows = left->num_rows();
  const auto right_rows = static_cast<uint32_t>(right->num_rows());
  const int64_t task_rows = std::max<int64_t>(1, kTaskPairs / std::max<int64_t>(1, right_rows));
  const int64_t tasks = right_rows == 0 ? 0 : (left_rows + task_rows - 1) / task_rows;
  std::vector<ChunkList> chunks(static_cast<size_t>(tasks));
  ARROW_RETURN_NOT_OK(ParallelFor(context, tasks, [&](int64_t task) {
    ChunkList* const out = &chunks[static_cast<size_t>(task)];
    PairBuffer pairs(context.pool, chunk_rows);
    ARROW_RETURN_NOT_OK(pairs.Open());
    const auto emit = [&] { return EmitPairs(plan, sides.first, sides.second, views, &pairs, context.pool, out); };
    const int64_t end = std::min(left_rows, (task + 1) * task_rows);
    for (int64_t l = task * task_rows; l < end; ++l) {
      for (uint32_t r = 0; r < right_rows;) {
        if (pairs.room() == 0) {
          ARROW_RETURN_NOT_OK(context.stop.Poll());
          ARROW_RETURN_NOT_OK(emit());
        }
        const uint32_t n = std::min(pairs.room(), right_rows - r);
        std::fill_n(pairs.open(Side::kLeft), n, static_cast<uint32_t>(l));
        uint32_t* const rights = pairs.open(Side::kRight);
        for (uint32_t i = 0; i < n; ++i) rights[i] = r + i;
        pairs.Add(n);
        r += n;
      }
    }
    return emit();
  }));
  return FinishTable(plan.schema, std::move(chunks), 0, context);
}

}  // namespace weft::kernels
