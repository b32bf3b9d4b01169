// What messages that nobody has received yet may cost, alike for all transports of Weft's own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft {

/// Longest message that is copied, so that its send is complete at once. Longer eager ones wait for an acknowledgement,
/// which costs less than the copy.
inline constexpr int64_t kMaxCopied = 64 << 10;
/// Longest text of a heartbeat or an abort.
inline constexpr uint32_t kMaxText = 4 << 10;
/// What an unreceived message costs its receiver besides its bytes; counted against the credit.
inline constexpr int64_t kEagerOverhead = 128;
/// Most announced messages of one peer that wait for their receives.
inline constexpr size_t kMaxAnnounced = 1 << 20;

/// Bytes of eager messages, each with kEagerOverhead, that a rank takes from one peer before they are received: bounded
/// for a peer, and for all peers of a large world together. Both ends know it from the world's size.
constexpr int64_t EagerWindow(int world_size) {
  const int64_t share = (int64_t{64} << 20) / (world_size < 1 ? 1 : world_size);
  return share<(256 << 10) ? (256 << 10) : share>(4 << 20) ? (4 << 20) : share;
}

}  // namespace weft
