#include "weft/rendezvous/relay_call.h"

#include "weft/base/byte_codec.h"

namespace weft::rendezvous {
namespace {

constexpr uint64_t kRequestId = 1;

}  // namespace

arrow::Result<RelayCall> RelayCall::Make(std::string admission_key, RoomKey room, uint32_t rank, uint32_t peer) {
  ARROW_ASSIGN_OR_RAISE(ClientGreeting greeting, ClientGreeting::Make(std::move(admission_key)));
  return RelayCall(std::move(greeting), room, rank, peer);
}

RelayCall::RelayCall(ClientGreeting greeting, RoomKey room, uint32_t rank, uint32_t peer)
    : greeting_(std::move(greeting)), room_(room), rank_(rank), peer_(peer) {}

size_t RelayCall::wanted() const {
  if (state_ == State::kGreeting) return greeting_.wanted();
  return state_ == State::kAwaitPeer ? input_.wanted() : 0;
}

std::string RelayCall::TakeOutput() { return greeting_.TakeOutput() + std::exchange(output_, {}); }

void RelayCall::Fail(std::string cause) {
  state_ = State::kFailed;
  cause_ = std::move(cause);
}

void RelayCall::Consume(std::string_view bytes) {
  if (state_ == State::kGreeting) {
    greeting_.Consume(bytes);
    return AfterGreeting();
  }
  if (state_ != State::kAwaitPeer) return;
  if (!input_.Consume(bytes, kMaxGreetingBytes)) return Fail("the rendezvous server sent a frame that is too long");
  if (!input_.whole()) return;
  const auto [type, body] = input_.Take();
  if (type == MessageType::kRefusal) {
    const auto refusal = DecodeRefusal(body);
    return Fail("the rendezvous server refused to relay" + (refusal.ok() ? ": " + refusal->message : ""));
  }
  if (type != MessageType::kReply) return;  // what a later server says besides
  ByteReader reader(body);
  const auto id = reader.Get<uint64_t>();
  const auto code = reader.Get<ReplyCode>();
  if (!id.ok() || !code.ok() || *id != kRequestId) return Fail("the rendezvous server sent an answer to nothing");
  if (*code != ReplyCode::kOk)
    return Fail("the rendezvous server does not relay: " + body.substr(body.size() - reader.left()));
  state_ = State::kJoined;
}

void RelayCall::AfterGreeting() {
  if (greeting_.state() == ClientGreeting::State::kFailed) return Fail(greeting_.failure().cause);
  if (greeting_.state() != ClientGreeting::State::kDone) return;
  const auto claim = room_.Claim(RoomUse::kRelay, rank_, peer_, greeting_.client_nonce(), greeting_.server_nonce());
  if (!claim.ok()) return Fail(claim.status().message());
  output_ += Frame(MessageType::kRelay, ByteWriter().Put(kRequestId).PutRaw(Encode(*claim)).Take());
  state_ = State::kAwaitPeer;
}

}  // namespace weft::rendezvous
