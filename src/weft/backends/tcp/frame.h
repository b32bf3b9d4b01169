// The frames of a link: a header of 48 bytes, then `length` bytes of payload. docs/protocol-links.md is the reference.
#pragma once

#include <arrow/result.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "weft/base/types.h"
#include "weft/communicator/message_limits.h"

namespace weft::tcp {

enum class FrameType : uint8_t {
  kEager = 1,          // a whole short message
  kRequestToSend = 2,  // announces a message; its number is the frame's sequence
  kClearToSend = 3,    // asks for the announced message
  kData = 4,           // a piece of the announced message
  kAcknowledge = 5,    // nothing but the acknowledgement and the credit that every header has
  kHeartbeat = 6,      // a text, and a clock that the answer returns
  kAbort = 7,          // the sender has failed
  kBye = 8,            // the last frame of a sender that leaves in good order
  kResume = 9,         // the first frame of each stream: what its sender has of the other's numbered frames
  kMemory = 10,        // about memory that the two ranks share: shared_memory.h
};

// Flags; each has its meaning for one type alone.
inline constexpr uint8_t kFlagReply = 1;    // kEager: the sender waits for the acknowledgement
inline constexpr uint8_t kFlagLast = 1;     // kData: the message ends with this frame
inline constexpr uint8_t kFlagRefused = 1;  // kClearToSend: the message is too long for its receive and not wanted
inline constexpr uint8_t kFlagAsk = 1;      // kHeartbeat: please answer
inline constexpr uint8_t kFlagAnswer = 2;   // kHeartbeat: an answer, `tag` is the asker's clock
inline constexpr uint8_t kFlagShared = 2;   // kEager, kData: the payload is in the shared memory, not in the stream
inline constexpr uint8_t kFlagWhere = 1;    // kMemory: where it can be sent to; without flags: asks for that
inline constexpr uint8_t kFlagGiven = 2;    // kMemory: it was sent, `size` bytes
inline constexpr uint8_t kFlagTaken = 4;    // kMemory: it is mapped, `size` bytes; 0: it is not wanted

inline constexpr size_t kHeaderSize = 48;
/// Longest payload of a kData frame: short enough for heartbeats to go in between.
inline constexpr uint32_t kMaxDataPayload = 1 << 20;
/// Longest message that is sent without being asked for.
inline constexpr uint32_t kMaxEagerPayload = 256 << 10;

struct FrameHeader {
  FrameType type = FrameType::kAcknowledge;
  uint8_t flags = 0;
  uint32_t length = 0;
  uint64_t tag = 0;
  uint64_t sequence = 0;
  uint64_t acknowledgement = 0;
  uint64_t credit = 0;
  uint64_t size = 0;
};

using HeaderBytes = std::array<std::byte, kHeaderSize>;

/// True for the types that have a sequence number of their own and are kept until they are acknowledged.
constexpr bool IsNumbered(FrameType type) {
  return type == FrameType::kEager || type == FrameType::kRequestToSend || type == FrameType::kClearToSend ||
         type == FrameType::kData || type == FrameType::kBye;
}

/// Bytes that follow a header in the stream.
constexpr int64_t InStream(const FrameHeader& header) {
  const bool message = header.type == FrameType::kEager || header.type == FrameType::kData;
  return message && (header.flags & kFlagShared) != 0 ? 0 : int64_t{header.length};
}

HeaderBytes EncodeHeader(const FrameHeader& header);

/// Status::Invalid for anything that no correct peer sends: an unknown type or flag, a length above its cap, reserved
/// bits that are set. Reads kHeaderSize bytes.
arrow::Result<FrameHeader> DecodeHeader(const std::byte* bytes);

}  // namespace weft::tcp
