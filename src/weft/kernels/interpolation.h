// What a quantile is that lies between two values.
#pragma once

#include <arrow/result.h>

#include <string_view>

namespace weft::kernels {

/// Between two values: the weighted mean, the lower, the higher, the one that is nearer (the even place of two equally
/// near), the mean of both.
enum class Interpolation { kLinear, kLower, kHigher, kNearest, kMidpoint };

/// By pandas' name; Status::Invalid for another.
arrow::Result<Interpolation> ParseInterpolation(std::string_view name);

}  // namespace weft::kernels
