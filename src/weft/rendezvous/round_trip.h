// What the kernel has measured of a TCP connection.
#pragma once

#include "weft/base/deadline.h"

namespace weft::rendezvous {

/// The shortest round trip of late (the smoothed one where the kernel keeps no shortest); zero where none is known.
Duration MeasuredRoundTrip(int fd);

}  // namespace weft::rendezvous
