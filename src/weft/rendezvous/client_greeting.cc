#include "weft/rendezvous/client_greeting.h"

#include <cstring>

namespace weft::rendezvous {

size_t FrameInput::wanted() const {
  if (input_.size() < kLengthBytes) return kLengthBytes - input_.size();
  uint32_t length = 0;
  std::memcpy(&length, input_.data(), kLengthBytes);
  return kLengthBytes + length - input_.size();
}

bool FrameInput::Consume(std::string_view bytes, uint32_t cap) {
  input_.append(bytes);
  if (input_.size() != kLengthBytes) return true;
  uint32_t length = 0;
  std::memcpy(&length, input_.data(), kLengthBytes);
  return length > 0 && length <= cap;
}

std::pair<MessageType, std::string> FrameInput::Take() {
  const std::string frame = std::exchange(input_, {});
  return {static_cast<MessageType>(frame[kLengthBytes]), frame.substr(kLengthBytes + 1)};
}

arrow::Result<ClientGreeting> ClientGreeting::Make(std::string key) {
  ARROW_ASSIGN_OR_RAISE(const Nonce nonce, MakeNonce());
  return ClientGreeting(std::move(key), nonce);
}

ClientGreeting::ClientGreeting(std::string key, const Nonce& nonce) : key_(std::move(key)), client_nonce_(nonce) {
  output_ = Encode(Hello{.version = kVersion, .nonce = nonce});
}

size_t ClientGreeting::wanted() const {
  return state_ == State::kDone || state_ == State::kFailed ? 0 : input_.wanted();
}

void ClientGreeting::Consume(std::string_view bytes) {
  if (wanted() == 0) return;
  if (!input_.Consume(bytes, kMaxGreetingBytes)) {
    // An alert of TLS (RFC 8446, 5.1) where a length should be.
    if (input_.begins_with("\x15\x03")) {
      return Fail("it speaks TLS: write its address as rendezvous+tls://HOST:PORT", false);
    }
    return NotWeft();
  }
  if (!input_.whole()) return;
  const auto [type, body] = input_.Take();
  if (type == MessageType::kRefusal) return TakeRefusal(body);
  if (type == MessageType::kChallenge && state_ == State::kAwaitChallenge) return TakeChallenge(body);
  if (type == MessageType::kWelcome && state_ == State::kAwaitWelcome) return TakeWelcome(body);
  NotWeft();
}

void ClientGreeting::TakeChallenge(std::string_view body) {
  const auto challenge = DecodeChallenge(body);
  if (!challenge.ok()) return NotWeft();
  if (challenge->wants_key && key_.empty()) {
    return Refused("it asks for an admission key and none was given: set WEFT_RENDEZVOUS_KEY or _KEY_FILE");
  }
  if (!challenge->wants_key && !key_.empty()) {
    return Refused("it admits anyone, but an admission key was given: this is not the server that knows it");
  }
  server_nonce_ = challenge->nonce;
  const auto proof = MakeProof(Side::kClient, key_, client_nonce_, server_nonce_);
  if (!proof.ok()) return Fail(proof.status().message(), false);
  output_ += EncodeProof(*proof);
  state_ = State::kAwaitWelcome;
}

void ClientGreeting::TakeWelcome(std::string_view body) {
  auto welcome = DecodeWelcome(body);
  if (!welcome.ok()) return NotWeft();
  const auto expected = MakeProof(Side::kServer, key_, client_nonce_, server_nonce_);
  if (!expected.ok()) return Fail(expected.status().message(), false);
  if (!key_.empty() && !SameProof(welcome->proof, *expected)) {
    return Refused("it does not know the admission key: it is not the server it is taken for");
  }
  welcome_ = *std::move(welcome);
  state_ = State::kDone;
}

void ClientGreeting::TakeRefusal(std::string_view body) {
  const auto refusal = DecodeRefusal(body);
  if (!refusal.ok()) return NotWeft();
  if (refusal->code == RefusalCode::kNotAdmitted) {
    return Refused("it refused this client, which does not know its admission key: check WEFT_RENDEZVOUS_KEY");
  }
  const bool passing = refusal->code == RefusalCode::kFull || refusal->code == RefusalCode::kTooSlow ||
                       refusal->code == RefusalCode::kStopping;
  Fail("it refused this client: " + refusal->message, passing);
}

void ClientGreeting::Fail(const std::string& cause, bool passing) {
  state_ = State::kFailed;
  failure_.cause = cause;
  failure_.passing = passing;
}

void ClientGreeting::Refused(const std::string& cause) {
  failure_.authentication = true;
  Fail(cause, false);
}

void ClientGreeting::NotWeft() { Fail("what answers there is no Weft rendezvous server", false); }

}  // namespace weft::rendezvous
