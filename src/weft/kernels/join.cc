#include "weft/kernels/join.h"

#include "weft/kernels/hash_join.h"
#include "weft/kernels/sort_join.h"

namespace weft::kernels {

arrow::Result<std::shared_ptr<arrow::Table>> Join(const std::shared_ptr<arrow::Table>& left,
                                                  const std::shared_ptr<arrow::Table>& right,
                                                  const JoinOptions& options, const Context& context) {
  const HashJoinTuning tuning;
  if (options.algorithm == JoinAlgorithm::kSort) return SortJoin(left, right, options, tuning.chunk_rows, context);
  return HashJoin(left, right, options, tuning, context);
}

}  // namespace weft::kernels
