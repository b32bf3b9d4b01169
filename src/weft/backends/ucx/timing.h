// The times of the transport.
#pragma once

#include "weft/base/deadline.h"

namespace weft::ucx {

/// Waking a sleeping thread takes longer than a short message, so it pays to look for as long before one sleeps.
inline constexpr Duration kSpin = std::chrono::microseconds(50);
inline constexpr Duration kLeastSpin = std::chrono::microseconds(1);
/// The I/O thread takes over when the caller has been away for this long. It looks as often while the caller comes and
/// goes, and less often while the caller stays.
inline constexpr Duration kStandBy = std::chrono::milliseconds(2);
inline constexpr Duration kDeepStandBy = std::chrono::milliseconds(100);

inline constexpr Duration kTimersWhileWaiting = std::chrono::milliseconds(250);
inline constexpr Duration kTimersWhileIdle = std::chrono::seconds(1);
inline constexpr Duration kHeartbeatEvery = std::chrono::seconds(1);
inline constexpr Duration kLostAfter = std::chrono::seconds(5);
/// Timers that are this late mean that this process itself was stopped: nobody's silence counts then.
inline constexpr Duration kWasStopped = std::chrono::milliseconds(2500);
/// How long what was said last may take to get out of a transport that is closed at once.
inline constexpr Duration kLinger = std::chrono::milliseconds(100);

}  // namespace weft::ucx
