#include "weft/kernels/join.h"

#include "weft/kernels/hash_join.h"

namespace weft::kernels {

arrow::Result<std::shared_ptr<arrow::Table>> Join(const std::shared_ptr<arrow::Table>& left,
                                                  const std::shared_ptr<arrow::Table>& right,
                                                  const JoinOptions& options, const Context& context) {
  return HashJoin(left, right, options, HashJoinTuning(), context);
}

}  // namespace weft::kernels
