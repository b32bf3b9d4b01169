// What ranks say to each other besides the messages: active messages of one kind.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "weft/base/types.h"

namespace weft::ucx {

enum class ControlKind : uint8_t {
  kHello = 1,  // the first message over each of a link's two endpoints; `text` is kSecond on the second
  kHeartbeat,  // please answer; `text` is what SetHeartbeat's function made
  kAnswer,     // to a heartbeat, with its clock
  kAbort,      // EncodeAbort
  kGoodbye,    // nothing but kFarewell comes after it, and nothing more is taken
  kFarewell,   // to a goodbye: all that was sent before it is here
};

inline constexpr const char* kSecond = "second";

struct Control {
  ControlKind kind = ControlKind::kHello;
  Rank from = -1;
  /// Of job and epoch: what comes from another is dropped.
  uint64_t world = 0;
  /// The asker's steady clock in nanoseconds.
  int64_t clock = 0;
  std::string text;

  std::string Encode() const;
  static arrow::Result<Control> Decode(std::string_view bytes);
};

/// What a rank publishes before it links.
struct Introduction {
  std::string ucx_version;
  std::string host;  // alike for processes that may share memory and see each other's pids
  int32_t pid = 0;
  uint64_t process_start = 0;
  bool shared_memory = false;
  std::string listener;  // "host:port" where peers shall dial this rank, else empty
  std::string address;   // UCX's worker address

  std::string Encode() const;
  static arrow::Result<Introduction> Decode(std::string_view bytes);
};

}  // namespace weft::ucx
