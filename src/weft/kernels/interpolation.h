// What a quantile is that lies between two values.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string_view>

namespace weft::kernels {

/// Between two values: the weighted mean, the lower, the higher, the one that is nearer (the even place of two equally
/// near), the mean of both.
enum class Interpolation { kLinear, kLower, kHigher, kNearest, kMidpoint };

/// By pandas' name; Status::Invalid for another.
arrow::Result<Interpolation> ParseInterpolation(std::string_view name);

/// Whether a quantile is one of the values.
bool TakesOne(Interpolation interpolation);

/// Where a quantile lies among values in order: between two neighbours, a share of the way.
struct QuantilePlace {
  int64_t lower = 0;
  int64_t higher = 0;
  double share = 0;
};

/// Of `count` values, above 0; 0 <= quantile <= 1.
QuantilePlace PlaceOf(double quantile, int64_t count, Interpolation interpolation);

/// As NumPy does it, from the nearer end.
double Between(double lower, double higher, double share);

/// Of points in time and durations: cut towards zero to whole units.
int64_t BetweenTimes(int64_t lower, int64_t higher, double share);

}  // namespace weft::kernels
