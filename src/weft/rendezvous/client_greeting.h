// The client's half of the greeting, see docs/protocol.md. No sockets: bytes in, bytes out.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <string>
#include <string_view>
#include <utility>

#include "weft/rendezvous/protocol.h"

namespace weft::rendezvous {

/// Why there is no connection.
struct OpenFailure {
  std::string cause;
  /// Another try may go better.
  bool passing = true;
  bool authentication = false;
  /// Of check_interrupt.
  arrow::Status interrupted;
};

/// Takes frames out of a stream of bytes, and never a byte more than the frame that it waits for.
class FrameInput {
 public:
  /// How many bytes are missing; at least 1 until the frame is whole.
  size_t wanted() const;
  /// Takes bytes, at most wanted(). False where the length that they announce is 0 or above `cap`.
  bool Consume(std::string_view bytes, uint32_t cap);
  bool whole() const { return input_.size() > kLengthBytes && wanted() == 0; }
  bool begins_with(std::string_view bytes) const { return input_.starts_with(bytes); }
  /// Type and body of the whole frame; the next may begin.
  std::pair<MessageType, std::string> Take();

 private:
  std::string input_;
};

///   kAwaitChallenge --Challenge: Proof--> kAwaitWelcome --Welcome--> kDone
///   From both: a Refusal, a proof or a demand that does not fit, junk -> kFailed
class ClientGreeting {
 public:
  enum class State : uint8_t { kAwaitChallenge, kAwaitWelcome, kDone, kFailed };

  /// `key` is the admission key, empty where there is none.
  static arrow::Result<ClientGreeting> Make(std::string key);

  /// How many bytes it wants next; 0 when it is over.
  size_t wanted() const;
  /// Takes bytes, at most wanted().
  void Consume(std::string_view bytes);
  /// Bytes to be sent, taken out.
  std::string TakeOutput() { return std::exchange(output_, {}); }

  State state() const { return state_; }
  const OpenFailure& failure() const { return failure_; }
  const Welcome& welcome() const { return welcome_; }
  const Nonce& client_nonce() const { return client_nonce_; }
  const Nonce& server_nonce() const { return server_nonce_; }

 private:
  ClientGreeting(std::string key, const Nonce& nonce);
  void TakeChallenge(std::string_view body);
  void TakeWelcome(std::string_view body);
  void TakeRefusal(std::string_view body);
  void Fail(const std::string& cause, bool passing);
  void Refused(const std::string& cause);
  void NotWeft();

  std::string key_;
  Nonce client_nonce_;
  Nonce server_nonce_{};
  State state_ = State::kAwaitChallenge;
  OpenFailure failure_;
  Welcome welcome_;
  FrameInput input_;
  std::string output_;
};

}  // namespace weft::rendezvous
