#include "weft/backends/tcp/handshake.h"

#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/base/fault_point.h"

namespace weft::tcp {
namespace {

// A head of 8 bytes, in every version: magic, version, message, body size.
constexpr std::string_view kMagic = "WEFT";
constexpr size_t kHeadSize = 8;
constexpr size_t kProofSize = 32;
constexpr size_t kHelloSize = 32 + 8 + 4 + 4 + 4 + 4 * 1 + 4 + 32;
constexpr size_t kMaxBody = 512;
constexpr size_t kProbePart = 32 << 10;
constexpr size_t kProbeParts = kProbeBytes / kProbePart;

/// What a probe is made of: bytes that nobody on the way can shorten.
std::string ProbeBody(const Hash& nonce) {
  std::string body;
  body.reserve(kProbePart);
  while (body.size() < kProbePart) body += AsView(nonce);
  return body;
}

}  // namespace

arrow::Result<LinkIdentity> LinkIdentity::Make(std::string_view secret, std::string_view job, int64_t epoch, Rank rank,
                                               int world_size, Encryption encryption) {
  LinkIdentity identity;
  ARROW_ASSIGN_OR_RAISE(identity.key, DeriveLinkKey(secret, job, epoch));
  ARROW_ASSIGN_OR_RAISE(identity.tls_key, DeriveTlsKey(secret, job, epoch));
  identity.job_digest = JobDigest(job);
  identity.epoch = epoch;
  identity.rank = rank;
  identity.world_size = world_size;
  identity.encryption = encryption;
  return identity;
}

Handshake::Handshake(const LinkIdentity& self, Rank peer, LinkPath path, bool exposed, const Hash& nonce)
    : self_(self), peer_(peer), path_(path), exposed_(exposed), nonce_(nonce) {}

arrow::Result<Handshake> Handshake::Dial(const LinkIdentity& self, Rank peer, LinkPath path, bool exposed) {
  ARROW_ASSIGN_OR_RAISE(const Hash nonce, MakeNonce());
  Handshake handshake(self, peer, path, exposed, nonce);
  handshake.own_hello_ = handshake.MakeHello();
  handshake.output_ = handshake.own_hello_;
  return handshake;
}

arrow::Result<Handshake> Handshake::Accept(const LinkIdentity& self, bool exposed) {
  ARROW_ASSIGN_OR_RAISE(const Hash nonce, MakeNonce());
  return Handshake(self, -1, LinkPath::kUnknown, exposed, nonce);
}

std::string Handshake::Encode(Message message, std::string_view body) const {
  return ByteWriter()
      .PutRaw(kMagic)
      .Put(self_.version)
      .Put(message)
      .Put(static_cast<uint16_t>(body.size()))
      .PutRaw(body)
      .Take();
}

std::string Handshake::MakeHello() {
  if (self_.links != nullptr) own_links_ = (*self_.links)[static_cast<size_t>(peer_)];
  const std::string body = ByteWriter()
                               .PutRaw(AsView(self_.job_digest))
                               .Put(self_.epoch)
                               .Put(self_.rank)
                               .Put(peer_)
                               .Put(self_.world_size)
                               .Put(path_)
                               .Put(self_.encryption)
                               .Put(static_cast<uint8_t>(exposed_ ? 1 : 0))
                               .Put(uint8_t{0})
                               .Put(own_links_)
                               .PutRaw(AsView(nonce_))
                               .Take();
  return Encode(Message::kHello, body);
}

std::string Handshake::transcript() const {
  return (higher() ? own_hello_ + peer_hello_ : peer_hello_ + own_hello_) + exported_;
}

size_t Handshake::wanted() const {
  if (state_ == State::kAwaitTls || state_ == State::kAuthenticated || state_ == State::kDone ||
      state_ == State::kFailed) {
    return 0;
  }
  return (head_done_ ? kHeadSize + body_size_ : kHeadSize) - input_.size();
}

void Handshake::Consume(std::string_view bytes) {
  while (!bytes.empty() && wanted() > 0) {
    const std::string_view taken = bytes.substr(0, wanted());
    bytes.remove_prefix(taken.size());
    input_.append(taken);
    if (input_.size() < kHeadSize) {
      // Junk is known by its first bytes; nobody waits for the rest of it.
      const std::string_view start = std::string_view(input_).substr(0, kMagic.size());
      if (kMagic.substr(0, start.size()) != start) Fail(HandshakeFailure::kJunk, "no greeting of weft", false);
      continue;
    }
    if (!head_done_) TakeHead();
    if (state_ == State::kFailed || input_.size() < kHeadSize + body_size_) continue;
    const std::string message = std::exchange(input_, {});
    head_done_ = false;
    if (static_cast<Message>(message[5]) == Message::kHello) peer_hello_ = message;
    TakeMessage(static_cast<Message>(message[5]), std::string_view(message).substr(kHeadSize));
  }
}

void Handshake::TakeHead() {
  ByteReader reader(input_);
  const std::string_view magic = *reader.GetRaw(kMagic.size());
  const auto version = *reader.Get<uint8_t>();
  const auto message = *reader.Get<Message>();
  body_size_ = *reader.Get<uint16_t>();
  head_done_ = true;
  if (magic != kMagic || body_size_ > (state_ == State::kProbing ? kProbePart : kMaxBody))
    return Fail(HandshakeFailure::kJunk, "no greeting of weft", false);
  if (message == Message::kRefuse) return;  // read in any version: it says why
  if (version != self_.version) {
    return Fail(HandshakeFailure::kVersion,
                "the peer speaks version " + std::to_string(version) + " of the link protocol and this rank version " +
                    std::to_string(self_.version) + "; run the same version of weft on all ranks",
                true);
  }
  const bool expected =
      (message == Message::kHello && state_ == State::kAwaitHello && body_size_ == kHelloSize) ||
      (message == Message::kProof && state_ == State::kAwaitProof && body_size_ == kProofSize) ||
      (message == Message::kNominate && state_ == State::kAwaitNomination && body_size_ == kProofSize) ||
      (message == Message::kProbe && state_ == State::kProbing && body_size_ == kProbePart && probes_ < kProbeParts) ||
      (message == Message::kProbed && state_ == State::kProbing && body_size_ == 0 && !probed_);
  if (!expected) Fail(HandshakeFailure::kJunk, "a message that does not belong here", false);
}

void Handshake::TakeMessage(Message message, std::string_view body) {
  FaultPoint(FaultPhase::kHandshake);
  switch (message) {
    case Message::kHello:
      return TakeHello(body);
    case Message::kProof:
      return TakeProof(body);
    case Message::kNominate:
      return TakeNomination(body);
    case Message::kRefuse:
      return TakeRefusal(body);
    case Message::kProbe:
      return TakeProbe(body);
    case Message::kProbed:
      return TakeProbed();
  }
}

void Handshake::TakeHello(std::string_view body) {
  ByteReader reader(body);
  const std::string_view digest = *reader.GetRaw(sizeof(Hash));
  const auto epoch = *reader.Get<int64_t>();
  const auto from = *reader.Get<Rank>();
  const auto to = *reader.Get<Rank>();
  const auto world = *reader.Get<int32_t>();
  const auto path = *reader.Get<LinkPath>();
  const auto encryption = *reader.Get<Encryption>();
  const auto exposed = *reader.Get<uint8_t>();
  const auto reserved = *reader.Get<uint8_t>();
  const auto links = *reader.Get<uint32_t>();
  if (digest != AsView(self_.job_digest)) {
    peer_hello_.clear();
    return Fail(HandshakeFailure::kJunk, "a greeting of another job", false);
  }
  if (path > LinkPath::kRelay || exposed > 1 || reserved != 0) {
    peer_hello_.clear();
    return Fail(HandshakeFailure::kJunk, "no greeting of weft", false);
  }
  if (!CheckHello(from, epoch, world, encryption)) return;
  // What claims this rank's own number is a reflection.
  const bool right =
      to == self_.rank && from != self_.rank && from >= 0 && from < self_.world_size && (peer_ < 0 || from == peer_);
  if (!right) {
    return Fail(HandshakeFailure::kWrongRank,
                "rank " + std::to_string(from) + " wanted rank " + std::to_string(to) + " and this is rank " +
                    std::to_string(self_.rank),
                true);
  }
  peer_ = from;
  peer_path_ = path;
  peer_links_ = links;
  const std::string_view nonce = *reader.GetRaw(sizeof(Hash));
  std::copy(nonce.begin(), nonce.end(), peer_nonce_.begin());
  if (own_hello_.empty()) {
    own_hello_ = MakeHello();
    output_ += own_hello_;
  }
  if (NeedsTls(self_.encryption, this->path(), exposed_ || exposed == 1)) {
    state_ = State::kAwaitTls;
    return;
  }
  state_ = State::kAwaitProof;
  if (!higher()) {
    output_ += Encode(Message::kProof, AsView(MakeProof(self_.key, ProofRole::kAcceptor, transcript())));
  }
}

/// What all ranks of one attempt at a job have in common.
bool Handshake::CheckHello(Rank from, int64_t epoch, int world, Encryption encryption) {
  if (epoch != self_.epoch) {
    Fail(HandshakeFailure::kEpoch,
         "the peer is in epoch " + std::to_string(epoch) + " of the job and this rank in epoch " +
             std::to_string(self_.epoch),
         true);
  } else if (world != self_.world_size) {
    Fail(HandshakeFailure::kWorld,
         "the peer's world has " + std::to_string(world) + " ranks and this one " + std::to_string(self_.world_size),
         true);
  } else if (encryption != self_.encryption) {
    Fail(HandshakeFailure::kEncryption,
         "rank " + std::to_string(from) + " has encryption=" + EncryptionName(encryption) + " and rank " +
             std::to_string(self_.rank) + " has encryption=" + EncryptionName(self_.encryption) +
             "; give all ranks of the job the same (WEFT_ENCRYPTION)",
         true);
  }
  return state_ != State::kFailed;
}

arrow::Result<TlsKey> Handshake::MakeTlsKey() const {
  const Rank low = std::min(self_.rank, peer_);
  const Rank high = std::max(self_.rank, peer_);
  TlsKey key;
  ARROW_ASSIGN_OR_RAISE(key.secret, DeriveConnectionKey(self_.tls_key, self_.version, low, high, transcript()));
  key.identity = "weft link " + std::to_string(self_.version) + " rank " + std::to_string(high) + " to rank " +
                 std::to_string(low);
  key.server = !higher();
  return key;
}

void Handshake::TlsDone(const Hash& exported) {
  if (state_ != State::kAwaitTls) return;
  exported_ = AsView(exported);
  state_ = higher() ? State::kAwaitNomination : State::kAuthenticated;
}

void Handshake::TlsFailed(bool wrong_key, const std::string& cause) {
  if (wrong_key) {
    return Fail(HandshakeFailure::kWrongProof,
                "rank " + std::to_string(peer_) + " and rank " + std::to_string(self_.rank) +
                    " do not have the same secret, or somebody between them changes what they say (" + cause +
                    "); give all ranks of the job the same WEFT_SECRET",
                false);
  }
  Fail(HandshakeFailure::kTls, "no TLS with rank " + std::to_string(peer_) + ": " + cause, false);
}

void Handshake::TakeProof(std::string_view body) {
  const Hash right = MakeProof(self_.key, higher() ? ProofRole::kAcceptor : ProofRole::kDialer, transcript());
  if (!SameProof(right, body)) {
    return Fail(HandshakeFailure::kWrongProof,
                "rank " + std::to_string(peer_) + " and rank " + std::to_string(self_.rank) +
                    " do not have the same secret; give all ranks of the job the same WEFT_SECRET",
                true);
  }
  if (higher()) {
    output_ += Encode(Message::kProof, AsView(MakeProof(self_.key, ProofRole::kDialer, transcript())));
    state_ = State::kAwaitNomination;
  } else {
    state_ = State::kAuthenticated;
  }
}

void Handshake::Nominate() {
  if (higher() || state_ != State::kAuthenticated) return;
  FaultPoint(FaultPhase::kHandshake);
  output_ += Encode(Message::kNominate, AsView(MakeProof(self_.key, ProofRole::kNominate, transcript())));
  AfterNomination();
}

void Handshake::AfterNomination() {
  if (path() != LinkPath::kPunched) {
    state_ = State::kDone;
    return;
  }
  state_ = State::kProbing;
  const std::string part = Encode(Message::kProbe, ProbeBody(nonce_));
  for (size_t i = 0; i < kProbeParts; ++i) output_ += part;
}

void Handshake::TakeProbe(std::string_view body) {
  if (body != ProbeBody(peer_nonce_)) {
    return Fail(HandshakeFailure::kJunk, "bytes of the probe were changed on their way", false);
  }
  if (++probes_ < kProbeParts) return;
  output_ += Encode(Message::kProbed, "");
  if (probed_) state_ = State::kDone;
}

void Handshake::TakeProbed() {
  probed_ = true;
  if (probes_ == kProbeParts) state_ = State::kDone;
}

void Handshake::TakeNomination(std::string_view body) {
  if (!SameProof(MakeProof(self_.key, ProofRole::kNominate, transcript()), body)) {
    return Fail(HandshakeFailure::kWrongProof, "a nomination that rank " + std::to_string(peer_) + " did not make",
                false);
  }
  AfterNomination();
}

void Handshake::TakeRefusal(std::string_view body) {
  ByteReader reader(body);
  const auto code = reader.Get<HandshakeFailure>();
  std::string text = "refused by the peer";
  if (const auto said = reader.GetString(); said.ok()) text += ": " + std::string(*said);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~') c = '?';  // it may be anyone's
  }
  const bool known = code.ok() && ((*code >= HandshakeFailure::kVersion && *code <= HandshakeFailure::kWrongProof) ||
                                   *code == HandshakeFailure::kEncryption);
  Fail(known ? *code : HandshakeFailure::kRefused, text, false);
}

void Handshake::Fail(HandshakeFailure failure, const std::string& text, bool tell) {
  state_ = State::kFailed;
  failure_ = failure;
  failure_text_ = text;
  if (!tell) return;
  output_ += Encode(Message::kRefuse,
                    ByteWriter().Put(failure).PutString(std::string_view(text).substr(0, kMaxBody - 8)).Take());
}

}  // namespace weft::tcp
