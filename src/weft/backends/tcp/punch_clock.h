// When the two ends of a pair try to open their connection: both at the same moments.
#pragma once

#include <cstdint>
#include <random>

#include "weft/base/deadline.h"

namespace weft::tcp {

/// The first moment is the server's "go". Later ones are drawn from the seed that both were given, so that they are
/// jittered, and still the same for both: a NAT that answers a packet nobody asked for with a reset closes the other
/// side's hole, and only packets that cross on their way get through.
class PunchClock {
 public:
  PunchClock(Clock::time_point go, Duration round_trip, uint64_t seed);

  /// The next moment.
  Clock::time_point next() const { return next_; }
  /// Goes on to the first moment after `now`.
  void Advance(Clock::time_point now);

 private:
  Clock::time_point next_;
  double gap_;  // seconds
  std::mt19937_64 random_;
};

}  // namespace weft::tcp
