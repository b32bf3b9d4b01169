// How the two ends of a connection show each other who they are. No sockets here: bytes in, bytes out.
//
// Whoever has opened the connection says HELLO at once; both do, where both have opened it. Who was called answers with
// a HELLO of its own. All else goes by rank:
//
//   higher rank                                         lower rank
//   -----------                                         ----------
//   kAwaitHello   ---- HELLO(job, epoch, ranks, nonce) ---->   kAwaitHello
//                 <--- HELLO(job, epoch, ranks, nonce) -----
//                  |                                            | not of this job: close, say nothing
//                  |                                            | other version, epoch, world, rank, encryption:
//                  |                                            | REFUSE, close
//    in the clear:
//                 <--- PROOF(lower) ------------------------   kAwaitProof
//   kAwaitProof    | wrong: REFUSE, close
//                 ---- PROOF(higher) --------------------->     | wrong: REFUSE, close
//    by TLS:
//   kAwaitTls     ---- ClientHello ---------------------->     kAwaitTls
//                 <--- ServerHello ... Finished -----------     | another key: alert, close
//                 ---- Finished -------------------------->     all that follows is inside of TLS
//
//   kAwaitNomination                                           kAuthenticated
//                                                               | another connection of the pair was taken: close, or
//                                                               | wait for what becomes of it
//                 <--- NOMINATE(proof) ---------------------   kDone, or kProbing where the path is punched
//   kDone or kProbing  | wrong: close
//
//   kProbing:     ---- PROBE, PROBE: 64 KiB --------------->
//                 <--- PROBE, PROBE: 64 KiB ----------------
//                 ---- PROBED, once both have come -------->
//                 <--- PROBED, once both have come ---------
//   kDone: the peer's PROBEs and its PROBED have come
//
//   From every state: junk, an unexpected message or a message that is too long -> kFailed.
//
// Every proof is an HMAC over both HELLOs as they were sent, so over both nonces, the job, the epoch, the ranks, the
// path, the encryption and the version; the key is known to the ranks of this (job, epoch) alone. Each role has its own
// label: a proof that is sent back to its maker, or replayed to another connection, is wrong.
//
// Whether there is TLS follows from the two HELLOs, by the same rule on both ends. TLS's key is derived from them too:
// where somebody has changed one of them, or puts two connections together, the two ends have different keys, and TLS's
// own check of the key takes the place of the PROOFs. NOMINATE's proof then covers a value that TLS exports as well.
//
// Links through NATs have been seen to die after 16 to 64 KiB: the probe finds that out before the link counts.
#pragma once

#include <arrow/result.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/backends/tcp/encryption.h"
#include "weft/backends/tcp/proof.h"
#include "weft/backends/tcp/tls_channel.h"
#include "weft/base/types.h"

namespace weft::tcp {

inline constexpr uint8_t kLinkVersion = 4;
/// Bytes of a probe, each way.
inline constexpr size_t kProbeBytes = 64 << 10;

/// What a rank says of itself.
struct LinkIdentity {
  Hash key;
  Hash tls_key;
  Hash job_digest;
  int64_t epoch = 0;
  Rank rank = -1;
  int world_size = 0;
  Encryption encryption = Encryption::kAuto;
  uint8_t version = kLinkVersion;  // another one only in tests
  /// By peer, how many links this rank has had with it; nullptr: none with anyone. Changed by whoever runs the
  /// handshakes.
  std::shared_ptr<std::vector<uint32_t>> links = nullptr;

  static arrow::Result<LinkIdentity> Make(std::string_view secret, std::string_view job, int64_t epoch, Rank rank,
                                          int world_size, Encryption encryption = Encryption::kAuto);
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
  kEncryption = 8,  // another choice of encryption
  kTls = 9,         // TLS failed, and not for its key
};

class Handshake {
 public:
  enum class State : uint8_t {
    kAwaitHello,
    kAwaitProof,
    kAwaitTls,
    kAwaitNomination,
    kAuthenticated,
    kProbing,
    kDone,
    kFailed
  };

  /// For who has opened the connection: it knows whom it wants to reach, and on what path. `exposed`: the peer's
  /// address is not private.
  static arrow::Result<Handshake> Dial(const LinkIdentity& self, Rank peer, LinkPath path, bool exposed);
  /// For who was called.
  static arrow::Result<Handshake> Accept(const LinkIdentity& self, bool exposed);

  /// How many bytes the machine wants next: read no more, what follows the last message belongs to the link, or to TLS.
  /// 0 when it wants none.
  size_t wanted() const;
  /// Takes bytes, at most wanted().
  void Consume(std::string_view bytes);
  /// In kAwaitTls: what TLS is to be opened with, once all output so far is sent.
  arrow::Result<TlsKey> MakeTlsKey() const;
  /// In kAwaitTls: TLS stands and has exported this. From now on the machine's bytes go through it.
  void TlsDone(const Hash& exported);
  /// In kAwaitTls: there will be no TLS.
  void TlsFailed(bool wrong_key, const std::string& cause);
  /// Lower rank, in kAuthenticated alone: takes this connection as the link.
  void Nominate();

  /// Bytes to be sent, taken out.
  std::string TakeOutput() { return std::exchange(output_, {}); }
  State state() const { return state_; }
  HandshakeFailure failure() const { return failure_; }
  /// What the failure says to a person.
  const std::string& failure_text() const { return failure_text_; }
  /// The peer's rank once its HELLO has been taken, else -1. Proved from kAwaitNomination and kAuthenticated on.
  Rank peer() const { return peer_; }
  LinkPath path() const { return std::max(path_, peer_path_); }
  /// TLS has taken the place of the proofs.
  bool encrypted() const { return !exported_.empty(); }
  /// How many links the peer says that it has had with this rank, and what this rank has said.
  uint32_t peer_links() const { return peer_links_; }
  uint32_t own_links() const { return own_links_; }
  /// A HELLO that could be of this job has come.
  bool has_hello() const { return !peer_hello_.empty(); }

 private:
  enum class Message : uint8_t { kHello = 1, kProof = 2, kNominate = 3, kRefuse = 4, kProbe = 5, kProbed = 6 };

  Handshake(const LinkIdentity& self, Rank peer, LinkPath path, bool exposed, const Hash& nonce);
  bool higher() const { return self_.rank > peer_; }
  std::string Encode(Message message, std::string_view body) const;
  std::string MakeHello();
  std::string transcript() const;
  void TakeHead();
  void TakeMessage(Message message, std::string_view body);
  void TakeHello(std::string_view body);
  bool CheckHello(Rank from, int64_t epoch, int world, Encryption encryption);
  void TakeProof(std::string_view body);
  void TakeNomination(std::string_view body);
  void TakeRefusal(std::string_view body);
  void AfterNomination();
  void TakeProbe(std::string_view body);
  void TakeProbed();
  void Fail(HandshakeFailure failure, const std::string& text, bool tell);

  LinkIdentity self_;
  Rank peer_;
  LinkPath path_;
  LinkPath peer_path_ = LinkPath::kUnknown;
  bool exposed_;
  uint32_t own_links_ = 0;
  uint32_t peer_links_ = 0;
  Hash nonce_;
  Hash peer_nonce_{};
  size_t probes_ = 0;  // that have come
  bool probed_ = false;
  State state_ = State::kAwaitHello;
  HandshakeFailure failure_ = HandshakeFailure::kNone;
  std::string failure_text_;
  std::string own_hello_;
  std::string peer_hello_;
  std::string exported_;  // from TLS
  std::string output_;
  std::string input_;     // of the message that comes in
  size_t body_size_ = 0;  // known once its head is complete
  bool head_done_ = false;
};

}  // namespace weft::tcp
