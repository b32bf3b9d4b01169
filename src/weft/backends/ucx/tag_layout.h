// How a rank and a Tag share the 64 bits of a UCX tag.
#pragma once

#include <bit>
#include <optional>

#include "weft/base/types.h"

namespace weft::ucx {

/// UCX matches by a tag alone, whoever sent it, so the sender's rank is in it. P2PCommunicator's tags have 24 bits of
/// communicator id (from bit 40), one bit for collectives (32) and 32 bits below; bits 33 to 39 are never set. That
/// leaves 7 bits: up to 128 ranks lose nothing, and each doubling of the world halves the number of communicators that
/// can be made one after the other (1024 ranks: two millions).
class TagLayout {
 public:
  explicit TagLayout(int world_size)
      : rank_bits_(static_cast<int>(std::bit_width(static_cast<unsigned>(world_size - 1)))) {}

  /// The UCX tag of a message from `from`; nothing where `tag` does not fit.
  std::optional<uint64_t> Encode(Rank from, Tag tag) const {
    const uint64_t context = tag >> kContextAt;
    const int context_bits = 64 - kLowBits - rank_bits_;
    if ((tag >> kLowBits & kUnusedMask) != 0 || context >> context_bits != 0) return std::nullopt;
    const uint64_t head = static_cast<uint64_t>(from) << context_bits | context;
    return head << kLowBits | (tag & ((uint64_t{1} << kLowBits) - 1));
  }

 private:
  static constexpr int kLowBits = 33;
  static constexpr int kContextAt = 40;
  static constexpr uint64_t kUnusedMask = (uint64_t{1} << (kContextAt - kLowBits)) - 1;
  int rank_bits_;
};

}  // namespace weft::ucx
