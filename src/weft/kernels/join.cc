#include "weft/kernels/join.h"

#include "weft/kernels/cross_join.h"
#include "weft/kernels/hash_join.h"
#include "weft/kernels/ordered_join.h"
#include "weft/kernels/sort_join.h"

namespace weft::kernels {

arrow::Result<std::shared_ptr<arrow::Table>> Join(const std::shared_ptr<arrow::Table>& left,
                                                  const std::shared_ptr<arrow::Table>& right,
                                                  const JoinOptions& options, const Context& context) {
  const HashJoinTuning tuning;
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

}  // namespace weft::kernels
