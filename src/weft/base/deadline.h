// A point in steady time after which a wait gives up.
#pragma once

#include <algorithm>
#include <chrono>

namespace weft {

using Clock = std::chrono::steady_clock;
using Duration = Clock::duration;

class Deadline {
 public:
  /// Never passes. Only for waits that something else is known to end.
  static Deadline Infinite() { return Deadline(Clock::time_point::max()); }

  /// `after` from now; an `after` too large for the clock is infinite.
  static Deadline After(Duration after) {
    const auto now = Clock::now();
    return Deadline(after >= Clock::time_point::max() - now ? Clock::time_point::max() : now + after);
  }

  bool infinite() const { return when_ == Clock::time_point::max(); }
  bool Passed() const { return !infinite() && Clock::now() >= when_; }
  Clock::time_point when() const { return when_; }

  /// Time left, never negative.
  Duration Left() const { return infinite() ? Duration::max() : std::max(Duration::zero(), when_ - Clock::now()); }

  /// Time left, at most `cap`.
  Duration LeftUpTo(Duration cap) const { return std::min(Left(), cap); }

  friend Deadline Earlier(Deadline a, Deadline b) { return Deadline(std::min(a.when_, b.when_)); }

 private:
  explicit Deadline(Clock::time_point when) : when_(when) {}
  Clock::time_point when_;
};

inline double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace weft
