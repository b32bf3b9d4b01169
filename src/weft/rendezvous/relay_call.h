// A client's way to a relayed stream: the greeting, the request, the answer. No sockets: bytes in, bytes out.
#pragma once

#include <arrow/result.h>

#include <string>
#include <string_view>
#include <utility>

#include "weft/rendezvous/client_greeting.h"
#include "weft/rendezvous/room.h"

namespace weft::rendezvous {

///   kGreeting --Welcome: Relay--> kAwaitPeer --Reply ok--> kJoined: from the next byte on the stream is the peer's
///   From both: a failed greeting, a Refusal, another Reply, junk -> kFailed
class RelayCall {
 public:
  enum class State : uint8_t { kGreeting, kAwaitPeer, kJoined, kFailed };

  /// Asks for a stream between `rank` and `peer` of the room.
  static arrow::Result<RelayCall> Make(std::string admission_key, RoomKey room, uint32_t rank, uint32_t peer);

  /// How many bytes it wants next; 0 when it is over.
  size_t wanted() const;
  /// Takes bytes, at most wanted().
  void Consume(std::string_view bytes);
  /// Bytes to be sent, taken out.
  std::string TakeOutput();

  State state() const { return state_; }
  const std::string& cause() const { return cause_; }

 private:
  RelayCall(ClientGreeting greeting, RoomKey room, uint32_t rank, uint32_t peer);
  void AfterGreeting();
  void Fail(std::string cause);

  ClientGreeting greeting_;
  RoomKey room_;
  uint32_t rank_;
  uint32_t peer_;
  State state_ = State::kGreeting;
  std::string cause_;
  FrameInput input_;
  std::string output_;
};

}  // namespace weft::rendezvous
