// What a client reads of a server that may be anybody: greeting, relay call, notices, every message.
#include "fuzz/input.h"
#include "weft/rendezvous/client_greeting.h"
#include "weft/rendezvous/notices.h"
#include "weft/rendezvous/relay_call.h"
#include "weft/rendezvous/room.h"

namespace weft::rendezvous {
namespace {

using fuzz::Input;
using fuzz::Require;

/// Never more than is wanted, as over a socket.
template <typename Machine>
void Feed(Machine* machine, Input* input) {
  while (!input->empty() && machine->wanted() > 0) {
    machine->Consume(input->Take(std::min<size_t>(machine->wanted(), 1 + input->Byte())));
    Require(machine->TakeOutput().size() < 4096);
  }
}

/// What can be read is written again with the same bytes.
template <typename Message>
void CheckRoundTrip(const arrow::Result<Message>& read, std::string_view body) {
  if (read.ok()) Require(Encode(*read).substr(kLengthBytes + 1) == body);
}

void ReadEverything(std::string_view body) {
  CheckRoundTrip(DecodeWelcome(body), body);
  CheckRoundTrip(DecodeRefusal(body), body);
  CheckRoundTrip(DecodeGo(body), body);
  CheckRoundTrip(DecodeGone(body), body);
  if (const auto hello = DecodeHello(body); hello.ok() && hello->version == kVersion) CheckRoundTrip(hello, body);
  if (const auto peers = DecodeAsk(body); peers.ok()) Require(peers->size() * sizeof(uint32_t) < body.size());
  if (const auto claim = DecodeRoomClaim(body); claim.ok()) {
    Require(Encode(*claim) == body && !IsGood(*claim, RoomUse::kEnter, {}, {}));
  }
  (void)DecodeChallenge(body);
  (void)DecodeProof(body);
  (void)DecodeHere(body);
}

}  // namespace
}  // namespace weft::rendezvous

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::rendezvous;  // NOLINT(google-build-using-namespace): a program of one function
  weft::fuzz::Input input(data, size);
  const uint8_t what = input.Byte();
  if (what % 4 == 0) {
    auto greeting = *ClientGreeting::Make(what % 8 == 0 ? "" : "key");
    Feed(&greeting, &input);
    weft::fuzz::Require(greeting.state() != ClientGreeting::State::kDone || what % 8 == 0);
  } else if (what % 4 == 1) {
    static const RoomKey room = *RoomKey::Derive(std::string(32, 's'), "job", 0);
    auto call = *RelayCall::Make("", room, 1, 0);
    Feed(&call, &input);
  } else if (what % 4 == 2) {
    static Notices notices;
    while (!input.empty()) notices.AddFrame(static_cast<MessageType>(input.Byte()), input.Chunk());
    notices.Take();
  } else {
    ReadEverything(input.Take(size));
  }
  return 0;
}
