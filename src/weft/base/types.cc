#include "weft/base/types.h"

namespace weft {

std::string_view ReduceOpName(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return "sum";
    case ReduceOp::kProd:
      return "prod";
    case ReduceOp::kMin:
      return "min";
    case ReduceOp::kMax:
      return "max";
    case ReduceOp::kLogicalAnd:
      return "land";
    case ReduceOp::kLogicalOr:
      return "lor";
    case ReduceOp::kBitAnd:
      return "band";
    case ReduceOp::kBitOr:
      return "bor";
  }
  return "unknown";
}

}  // namespace weft
