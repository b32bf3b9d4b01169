// Sizes of the transport's loop; the times are those of all transports.
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/communicator/timing.h"

namespace weft::tcp {

inline constexpr size_t kStageSize = 128 << 10;
inline constexpr uint32_t kWakeSlot = UINT32_MAX;
inline constexpr uint32_t kRemadeSlot = UINT32_MAX - 1;

/// A caller that waits looks again without sleeping for so long, where each rank of this host has a core: a message of
/// a few bytes comes back sooner than a sleeping thread wakes.
inline constexpr Duration kSpin = std::chrono::microseconds(50);

/// A peer that is silent for so long while this rank waits has a broken link. It is lost where that is not made again
/// within kRemakeWithin: together less than the ten seconds in which a stopped peer must be an error, and the second
/// alone less than the five in which a killed one must be.
inline constexpr Duration kSilentFor = std::chrono::seconds(3);
inline constexpr Duration kRemakeWithin = std::chrono::seconds(4);
/// How long a rank that failed waits for its peers to take its abort and end their streams.
inline constexpr Duration kDrainWithin = std::chrono::milliseconds(500);
/// How long a peer may take to show that it still has a link which it seems to have lost.
inline constexpr Duration kSignOfLifeWithin = std::chrono::seconds(1);
/// An answer that rules a link out stands when no other candidate has made one meanwhile.
inline constexpr Duration kVerdictGrace = std::chrono::milliseconds(300);
/// Between frames, on paths with a NAT or a relay on the way: there are NATs that forget after three idle seconds. On
/// others kKeepaliveEvery.
inline constexpr Duration kKeepNatEvery = std::chrono::seconds(1);

}  // namespace weft::tcp
