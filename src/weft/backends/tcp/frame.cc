#include "weft/backends/tcp/frame.h"

#include <cstring>
#include <string>

#include "weft/base/byte_codec.h"

namespace weft::tcp {
namespace {

struct Rule {
  uint8_t flags = 0;  // those that may be set
  uint32_t max_length = 0;
};

// The rule of each type, by its number; type 0 does not exist.
constexpr std::array<Rule, 11> kRules = {{
    {},
    {kFlagReply | kFlagShared, kMaxEagerPayload},      // kEager
    {0, 0},                                            // kRequestToSend
    {kFlagRefused, 0},                                 // kClearToSend
    {kFlagLast | kFlagShared, kMaxDataPayload},        // kData
    {0, 0},                                            // kAcknowledge
    {kFlagAsk | kFlagAnswer, kMaxText},                // kHeartbeat
    {0, kMaxText},                                     // kAbort
    {0, 0},                                            // kBye
    {0, 0},                                            // kResume
    {kFlagWhere | kFlagGiven | kFlagTaken, kMaxText},  // kMemory
}};

template <typename T>
std::byte* Put(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof(T));
  return to + sizeof(T);
}

template <typename T>
const std::byte* Get(const std::byte* from, T* value) {
  std::memcpy(value, from, sizeof(T));
  return from + sizeof(T);
}

}  // namespace

HeaderBytes EncodeHeader(const FrameHeader& header) {
  HeaderBytes bytes;
  std::byte* at = Put(bytes.data(), static_cast<uint8_t>(header.type));
  at = Put(at, header.flags);
  at = Put(at, uint16_t{0});
  at = Put(at, header.length);
  at = Put(at, header.tag);
  at = Put(at, header.sequence);
  at = Put(at, header.acknowledgement);
  at = Put(at, header.credit);
  Put(at, header.size);
  return bytes;
}

arrow::Result<FrameHeader> DecodeHeader(const std::byte* bytes) {
  uint8_t type = 0;
  uint16_t reserved = 0;
  FrameHeader header;
  const std::byte* at = Get(bytes, &type);
  at = Get(at, &header.flags);
  at = Get(at, &reserved);
  at = Get(at, &header.length);
  at = Get(at, &header.tag);
  at = Get(at, &header.sequence);
  at = Get(at, &header.acknowledgement);
  at = Get(at, &header.credit);
  Get(at, &header.size);
  if (type == 0 || type >= kRules.size()) return arrow::Status::Invalid("unknown frame type ", int{type});
  header.type = static_cast<FrameType>(type);
  const Rule& rule = kRules[type];
  if ((header.flags & ~rule.flags) != 0 || reserved != 0) {
    return arrow::Status::Invalid("unknown flags in a frame of type ", int{type});
  }
  if (header.length > rule.max_length) {
    return arrow::Status::Invalid("frame of type ", int{type}, " announces ", header.length, " bytes, at most ",
                                  rule.max_length, " are allowed");
  }
  if (!IsNumbered(header.type) && header.sequence != 0) {
    return arrow::Status::Invalid("frame of type ", int{type}, " has a sequence number");
  }
  return header;
}

}  // namespace weft::tcp
