#include "weft/kernels/interpolation.h"

#include <algorithm>
#include <cmath>

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

bool TakesOne(Interpolation interpolation) {
  return interpolation == Interpolation::kLower || interpolation == Interpolation::kHigher ||
         interpolation == Interpolation::kNearest;
}

QuantilePlace PlaceOf(double quantile, int64_t count, Interpolation interpolation) {
  const double at = static_cast<double>(count - 1) * quantile;
  const double floor = std::floor(at);
  QuantilePlace place{static_cast<int64_t>(floor), static_cast<int64_t>(std::ceil(at)), at - floor};
  place.higher = std::min(place.higher, count - 1);
  switch (interpolation) {
    case Interpolation::kLower:
      place.higher = place.lower;
      break;
    case Interpolation::kHigher:
      place.lower = place.higher;
      break;
    case Interpolation::kNearest:
      // Half to even, the mode that every process begins with.
      place.lower = place.higher = static_cast<int64_t>(std::nearbyint(at));
      break;
    case Interpolation::kMidpoint:
      place.share = 0.5;
      break;
    case Interpolation::kLinear:
      break;
  }
  return place;
}

double Between(double lower, double higher, double share) {
  if (lower == higher || share == 0) return lower;
  const double difference = higher - lower;
  if (!std::isfinite(difference)) return lower * (1 - share) + higher * share;
  return share >= 0.5 ? higher - difference * (1 - share) : lower + difference * share;
}

int64_t BetweenTimes(int64_t lower, int64_t higher, double share) {
  if (lower == higher || share == 0) return lower;
  const auto from = static_cast<long double>(lower);
  const long double at = from + (static_cast<long double>(higher) - from) * static_cast<long double>(share);
  return static_cast<int64_t>(std::trunc(at));
}

}  // namespace weft::kernels
