// Sizes of the transport's loop; the times are those of all transports.
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/communicator/timing.h"

namespace weft::tcp {

inline constexpr size_t kStageSize = 128 << 10;
inline constexpr uint32_t kWakeSlot = UINT32_MAX;

/// A caller that waits looks again without sleeping for so long, where each rank of this host has a core: a message of
/// a few bytes comes back sooner than a sleeping thread wakes.
inline constexpr Duration kSpin = std::chrono::microseconds(50);

}  // namespace weft::tcp
