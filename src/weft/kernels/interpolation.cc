#include "weft/kernels/interpolation.h"

namespace weft::kernels {

arrow::Result<Interpolation> ParseInterpolation(std::string_view name) {
  if (name == "linear") return Interpolation::kLinear;
  if (name == "lower") return Interpolation::kLower;
  if (name == "higher") return Interpolation::kHigher;
  if (name == "nearest") return Interpolation::kNearest;
  if (name == "midpoint") return Interpolation::kMidpoint;
  return arrow::Status::Invalid("quantile: interpolation='", name,
                                "' is unknown; it is one of linear, lower, higher, nearest, midpoint");
}

}  // namespace weft::kernels
