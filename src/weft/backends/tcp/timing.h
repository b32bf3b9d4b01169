// Sizes of the transport's loop; the times are those of all transports.
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/communicator/timing.h"

namespace weft::tcp {

inline constexpr size_t kStageSize = 128 << 10;
inline constexpr uint32_t kWakeSlot = UINT32_MAX;
}  // namespace weft::tcp
