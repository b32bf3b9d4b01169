// The notes of a WireTransport: a header of 48 bytes, then a payload.
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/base/types.h"

namespace weft {

enum class NoteType : uint8_t {
  kHello = 1,      // the first one: this rank has come
  kEager = 2,      // a whole short message
  kAnnounce = 3,   // a long message waits: an AnnouncePayload
  kRequest = 4,    // pieces of an announced message below `tag` may be sent, `done` are there: see RequestPayload
  kPieceSent = 5,  // on wires with silent pieces: piece `tag` of message `number`
  kCredit = 6,     // nothing but what every header has
  kHeartbeat = 7,  // a text, and a clock in `tag` that the answer returns
  kAbort = 8,      // the sender has failed
  kBye = 9,        // the last one of a sender that leaves in good order
};

inline constexpr uint8_t kNoteAsk = 1;      // kHeartbeat: please answer
inline constexpr uint8_t kNoteAnswer = 2;   // kHeartbeat: an answer
inline constexpr uint8_t kNoteRefused = 1;  // kRequest: the message is too long for its receive and not wanted

struct NoteHeader {
  NoteType type = NoteType::kCredit;
  uint8_t flags = 0;
  uint16_t reserved = 0;
  Rank from = -1;
  uint32_t job = 0;       // of what job and epoch: others are dropped
  uint32_t sequence = 0;  // of notes from this rank to this peer
  uint32_t taken = 0;     // notes of the peer that this rank has taken
  uint32_t length = 0;    // of the payload
  uint64_t credit = 0;    // bytes of eager messages that the peer may have sent in all
  uint64_t tag = 0;
  uint64_t number = 0;  // of an announced message
};
static_assert(sizeof(NoteHeader) == 48);

struct AnnouncePayload {
  int64_t size;
  int64_t piece;   // bytes of every piece but the last
  uint64_t first;  // key of the first piece; the others follow
};

struct RequestPayload {
  int64_t done;  // pieces that are there
};

}  // namespace weft
