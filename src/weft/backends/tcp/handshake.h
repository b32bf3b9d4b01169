// How the two ends of a connection show each other who they are. No sockets here: bytes in, bytes out.
//
//   dialer (higher rank)                                acceptor (lower rank)
//   --------------------                                ---------------------
//   kAwaitHello   ---- HELLO(job, epoch, ranks, nonce) ---->   kAwaitHello
//                                                               | not of this job: close, say nothing
//                                                               | other version, epoch, world, rank: REFUSE, close
//                 <--- HELLO(job, epoch, ranks, nonce) -----   |
//                 <--- PROOF(acceptor) ---------------------   kAwaitProof
//   kAwaitProof    | wrong: REFUSE, close
//                 ---- PROOF(dialer) ---------------------->    | wrong: REFUSE, close
//   kAwaitNomination                                           kAuthenticated
//                                                               | another connection of the pair was taken: close
//                 <--- NOMINATE(proof) ---------------------   kDone
//   kDone          | wrong: close
//
//   From every state: junk, an unexpected message or a message that is too long -> kFailed.
//
// Every proof is an HMAC over both HELLOs as they were sent, so over both nonces, the job, the epoch, the ranks and the
// version; the key is known to the ranks of this (job, epoch) alone. Each role has its own label: a proof that is sent
// back to its maker, or replayed to another connection, is wrong.
#pragma once

#include <arrow/result.h>

#include <string>
#include <string_view>

#include "weft/backends/tcp/proof.h"
#include "weft/base/types.h"

namespace weft::tcp {

inline constexpr uint8_t kLinkVersion = 1;

/// What a rank says of itself.
struct LinkIdentity {
  Hash key;
  Hash job_digest;
  int64_t epoch = 0;
  Rank rank = -1;
  int world_size = 0;
  uint8_t version = kLinkVersion;  // another one only in tests

  static arrow::Result<LinkIdentity> Make(std::string_view secret, std::string_view job, int64_t epoch, Rank rank,
                                          int world_size);
};

/// Why a handshake failed.
enum class HandshakeFailure : uint8_t {
  kNone = 0,
  kJunk = 1,        // no message of this protocol, or not of this job: a stranger
  kVersion = 2,     // another version of the protocol
  kEpoch = 3,       // another epoch of the job
  kWorld = 4,       // another world size
  kWrongRank = 5,   // meant for another rank: an address that leads elsewhere
  kWrongProof = 6,  // does not know the secret
  kRefused = 7,     // the peer refused, with no reason known here
};

class Handshake {
 public:
  enum class State : uint8_t { kAwaitHello, kAwaitProof, kAwaitNomination, kAuthenticated, kDone, kFailed };

  /// The dialer knows whom it wants to reach.
  static arrow::Result<Handshake> Dial(const LinkIdentity& self, Rank peer);
  static arrow::Result<Handshake> Accept(const LinkIdentity& self);

  /// How many bytes the machine wants next: read no more, what follows the last message belongs to the link. 0 when it
  /// wants none.
  size_t wanted() const;
  /// Takes bytes, at most wanted().
  void Consume(std::string_view bytes);
  /// Acceptor, in kAuthenticated alone: takes this connection as the link.
  void Nominate();

  /// Bytes to be sent, taken out.
  std::string TakeOutput() { return std::exchange(output_, {}); }
  State state() const { return state_; }
  HandshakeFailure failure() const { return failure_; }
  /// What the failure says to a person.
  const std::string& failure_text() const { return failure_text_; }
  /// The peer's rank once its HELLO has been taken, else -1. Proved from kAwaitNomination and kAuthenticated on.
  Rank peer() const { return peer_; }
  /// A HELLO that could be of this job has come.
  bool has_hello() const { return !peer_hello_.empty(); }

 private:
  enum class Message : uint8_t { kHello = 1, kProof = 2, kNominate = 3, kRefuse = 4 };

  Handshake(const LinkIdentity& self, bool dialer, Rank peer, const Hash& nonce);
  std::string Encode(Message message, std::string_view body) const;
  std::string MakeHello() const;
  std::string transcript() const;
  void TakeHead();
  void TakeMessage(Message message, std::string_view body);
  void TakeHello(std::string_view body);
  void TakeProof(std::string_view body);
  void TakeNomination(std::string_view body);
  void TakeRefusal(std::string_view body);
  void Fail(HandshakeFailure failure, const std::string& text, bool tell);

  LinkIdentity self_;
  bool dialer_;
  Rank peer_;
  Hash nonce_;
  State state_ = State::kAwaitHello;
  HandshakeFailure failure_ = HandshakeFailure::kNone;
  std::string failure_text_;
  std::string own_hello_;
  std::string peer_hello_;
  std::string output_;
  std::string input_;     // of the message that comes in
  size_t body_size_ = 0;  // known once its head is complete
  bool head_done_ = false;
};

}  // namespace weft::tcp
