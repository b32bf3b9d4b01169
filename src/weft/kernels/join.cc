#include "weft/kernels/join.h"

#include <algorithm>

#include "weft/base/capped_pool.h"
#include "weft/kernels/cross_join.h"
#include "weft/kernels/hash_join.h"
#include "weft/kernels/ordered_join.h"
#include "weft/kernels/sort_join.h"
#include "weft/kernels/spilled_join.h"
#include "weft/kernels/spilling.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

/// A cross join's result counts too.
int64_t BytesToHold(const arrow::Table& left, const arrow::Table& right, const JoinOptions& options) {
  const int64_t left_bytes = table::TableBytes(left);
  const int64_t right_bytes = table::TableBytes(right);
  if (options.type != JoinType::kCross) return left_bytes + right_bytes;
  const auto most = static_cast<double>(int64_t{1} << 62);
  const double pairs = static_cast<double>(left_bytes) * static_cast<double>(right.num_rows()) +
                       static_cast<double>(right_bytes) * static_cast<double>(left.num_rows());
  return static_cast<int64_t>(std::min(pairs, most));
}

arrow::Result<std::shared_ptr<arrow::Table>> JoinTables(const std::shared_ptr<arrow::Table>& left,
                                                        const std::shared_ptr<arrow::Table>& right,
                                                        const JoinOptions& options, const Context& context) {
  const HashJoinTuning tuning;
  const bool spills = context.spill != nullptr && !OrdersByNumbers(options);
  if (spills && MustSpill(context, BytesToHold(*left, *right, options))) {
    return SpilledJoin(left, right, options, context);
  }
  if (options.type == JoinType::kCross) return CrossJoin(left, right, options, tuning.chunk_rows, context);
  if (OrdersByNumbers(options)) {
    ARROW_ASSIGN_OR_RAISE(auto ordered, MakeOrderedJoin(left, 0, right, 0, options, context));
    ARROW_ASSIGN_OR_RAISE(auto joined, Join(ordered.left, ordered.right, ordered.options, context));
    ARROW_ASSIGN_OR_RAISE(joined, Sort(joined, ordered.sort, context));
    return ordered.Finish(joined);
  }
  const bool by_keys = options.algorithm == JoinAlgorithm::kSort || options.maintain_order;
  if (by_keys) return SortJoin(left, right, options, tuning.chunk_rows, context);
  return HashJoin(left, right, options, tuning, context);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> Join(const std::shared_ptr<arrow::Table>& left,
                                                  const std::shared_ptr<arrow::Table>& right,
                                                  const JoinOptions& options, const Context& context) {
  return NameOperator("join", JoinTables(left, right, options, context));
}

}  // namespace weft::kernels
