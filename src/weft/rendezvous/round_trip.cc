#include "weft/rendezvous/round_trip.h"

// The kernel's own header: the C library's has an older tcp_info, and the two cannot be included together.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace weft::rendezvous {

Duration MeasuredRoundTrip(int fd) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return Duration::zero();
  const bool has_least = size >= offsetof(tcp_info, tcpi_min_rtt) + sizeof(info.tcpi_min_rtt);
  const uint32_t least = has_least && info.tcpi_min_rtt != UINT32_MAX ? info.tcpi_min_rtt : info.tcpi_rtt;
  return std::chrono::microseconds(least);
}

}  // namespace weft::rendezvous
