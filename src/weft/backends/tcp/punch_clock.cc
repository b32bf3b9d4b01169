#include "weft/backends/tcp/punch_clock.h"

#include <algorithm>

namespace weft::tcp {
namespace {

/// Two round trips, so that what a try met has come back before the next; at least this much for a busy machine.
constexpr double kLeastGap = 0.04;
constexpr double kMostGap = 0.5;
constexpr double kGrowth = 1.5;

}  // namespace

PunchClock::PunchClock(Clock::time_point go, Duration round_trip, uint64_t seed)
    : next_(go), gap_(std::clamp(2 * Seconds(round_trip), kLeastGap, kMostGap)), random_(seed) {}

void PunchClock::Advance(Clock::time_point now) {
  while (next_ <= now) {
    const double jitter = 0.75 + 0.5 * static_cast<double>(random_() >> 11) / static_cast<double>(uint64_t{1} << 53);
    next_ += std::chrono::duration_cast<Duration>(std::chrono::duration<double>(gap_ * jitter));
    gap_ = std::min(kMostGap, gap_ * kGrowth);
  }
}

}  // namespace weft::tcp
