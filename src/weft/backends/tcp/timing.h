// The times of the transport.
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/base/deadline.h"

namespace weft::tcp {

inline constexpr size_t kStageSize = 128 << 10;
inline constexpr uint32_t kWakeSlot = UINT32_MAX;
/// A call of Progress that finds operations complete need not look for more, but one in so many does.
inline constexpr int kMaxUnpolled = 8;

/// The I/O thread takes over when the caller has been away for this long. It looks as often while the caller comes and
/// goes, and less often while the caller stays.
inline constexpr Duration kStandBy = std::chrono::milliseconds(2);
inline constexpr Duration kDeepStandBy = std::chrono::milliseconds(100);

/// A caller that waits looks again without sleeping for so long, where each rank of this host has a core: a message of
/// a few bytes comes back sooner than a sleeping thread wakes.
inline constexpr Duration kSpin = std::chrono::microseconds(50);

inline constexpr Duration kTimersWhileWaiting = std::chrono::milliseconds(250);
inline constexpr Duration kTimersWhileIdle = std::chrono::seconds(1);
inline constexpr Duration kHeartbeatEvery = std::chrono::seconds(1);
inline constexpr Duration kKeepaliveEvery = std::chrono::seconds(15);
inline constexpr Duration kLostAfter = std::chrono::seconds(5);
/// Timers that are this late mean that this process itself was stopped: nobody's silence counts then.
inline constexpr Duration kWasStopped = std::chrono::milliseconds(2500);
/// How long an abort may take to get out of a transport that is closed at once.
inline constexpr Duration kAbortLinger = std::chrono::milliseconds(100);

}  // namespace weft::tcp
