// The room that the ranks of one (job, epoch) share at the rendezvous server, and the right to be in it.
//
// A room's name is the public half of an Ed25519 key pair (RFC 8032) that is derived from the job's secret. Whoever
// enters signs the two nonces of its own connection. So the server lets in those who know the secret without knowing
// it, a stranger cannot take or guess a room, and what was overheard on one connection is worth nothing on another.
#pragma once

#include <arrow/result.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "weft/rendezvous/key_derivation.h"
#include "weft/rendezvous/protocol.h"

namespace weft::rendezvous {

using RoomName = std::array<char, 32>;
using RoomSignature = std::array<char, 64>;

/// The first digits of a room's name: enough to tell rooms apart in a log.
std::string ShortName(const RoomName& room);

/// What is signed, and so what the signature is good for.
enum class RoomUse : uint8_t { kEnter = 1, kRelay = 2 };

/// The words of a kEnter (`number` is the world's size) or a kRelay (`number` is the peer).
struct RoomClaim {
  RoomName room{};
  uint32_t rank = 0;
  uint32_t number = 0;
  RoomSignature signature{};
};

/// Known to the ranks alone.
class RoomKey {
 public:
  /// Salt "weft rendezvous v2"; the secret has 32 bytes.
  static arrow::Result<RoomKey> Derive(std::string_view secret, std::string_view job, int64_t epoch);

  const RoomName& name() const { return name_; }
  /// A claim that is good on the connection of these nonces.
  arrow::Result<RoomClaim> Claim(RoomUse use, uint32_t rank, uint32_t number, const Nonce& client,
                                 const Nonce& server) const;

 private:
  DerivedKey seed_{};
  RoomName name_{};
};

/// False for a claim that was not made by one who knows the room's key, for this use and this connection.
bool IsGood(const RoomClaim& claim, RoomUse use, const Nonce& client, const Nonce& server);

/// The fields after the id of a kEnter or a kRelay.
std::string Encode(const RoomClaim& claim);
arrow::Result<RoomClaim> DecodeRoomClaim(std::string_view fields);

}  // namespace weft::rendezvous
