#include "weft/rendezvous/protocol.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "weft/base/byte_codec.h"

namespace weft::rendezvous {
namespace {

template <size_t kBytes>
std::string_view View(const std::array<char, kBytes>& bytes) {
  return {bytes.data(), bytes.size()};
}

template <size_t kBytes>
arrow::Status Read(ByteReader* reader, std::array<char, kBytes>* bytes) {
  ARROW_ASSIGN_OR_RAISE(const auto raw, reader->GetRaw(kBytes));
  std::copy(raw.begin(), raw.end(), bytes->begin());
  return arrow::Status::OK();
}

}  // namespace

const char* RefusalName(RefusalCode code) {
  switch (code) {
    case RefusalCode::kMalformed:
      return "malformed";
    case RefusalCode::kVersion:
      return "version";
    case RefusalCode::kNotAdmitted:
      return "not-admitted";
    case RefusalCode::kFull:
      return "full";
    case RefusalCode::kTooSlow:
      return "too-slow";
    case RefusalCode::kIdle:
      return "idle";
    case RefusalCode::kStopping:
      return "stopping";
  }
  return "unknown";
}

std::string Frame(MessageType type, std::string_view body) {
  ByteWriter writer;
  writer.Put(static_cast<uint32_t>(body.size() + 1)).Put(type).PutRaw(body);
  return writer.Take();
}

std::string Encode(const Hello& message) {
  ByteWriter body;
  body.PutRaw(kMagic).Put(message.version).PutRaw(View(message.nonce));
  return Frame(MessageType::kHello, body.bytes());
}

std::string Encode(const Challenge& message) {
  ByteWriter body;
  body.Put(message.version).Put(static_cast<uint8_t>(message.wants_key)).PutRaw(View(message.nonce));
  return Frame(MessageType::kChallenge, body.bytes());
}

std::string EncodeProof(const Proof& proof) { return Frame(MessageType::kProof, View(proof)); }

std::string Encode(const Welcome& message) {
  ByteWriter body;
  body.PutRaw(View(message.proof)).PutString(message.observed_host).Put(message.observed_port);
  body.Put(message.idle_seconds).PutString(message.server_version);
  return Frame(MessageType::kWelcome, body.bytes());
}

std::string Encode(const Refusal& message) {
  ByteWriter body;
  body.Put(message.code).PutString(message.message);
  return Frame(MessageType::kRefusal, body.bytes());
}

std::string EncodeReply(uint64_t id, ReplyCode code, std::string_view body) {
  ByteWriter writer;
  writer.Put(id).Put(code).PutRaw(body);
  return Frame(MessageType::kReply, writer.bytes());
}

std::string Encode(const Go& message) {
  ByteWriter body;
  body.Put(message.peer).PutString(message.host).Put(message.port).Put(message.wait_microseconds);
  body.Put(message.round_trip_microseconds).Put(message.seed);
  return Frame(MessageType::kGo, body.bytes());
}

std::string Encode(const Gone& message) {
  return Frame(MessageType::kGone, ByteWriter().Put(message.peer).Put(message.reason).Take());
}

std::string EncodeHere(uint32_t peer) { return Frame(MessageType::kHere, ByteWriter().Put(peer).Take()); }

std::string EncodeWanted(uint32_t peer) { return Frame(MessageType::kWanted, ByteWriter().Put(peer).Take()); }

std::string EncodeAsk(const std::vector<uint32_t>& peers) {
  ByteWriter body;
  body.Put(static_cast<uint32_t>(peers.size()));
  for (const uint32_t peer : peers) body.Put(peer);
  return Frame(MessageType::kAsk, body.bytes());
}

arrow::Result<Hello> DecodeHello(std::string_view body) {
  ByteReader reader(body);
  Hello message;
  ARROW_ASSIGN_OR_RAISE(const auto magic, reader.GetRaw(kMagic.size()));
  if (magic != kMagic) return arrow::Status::Invalid("this is no client of a Weft rendezvous server");
  ARROW_ASSIGN_OR_RAISE(message.version, reader.Get<uint16_t>());
  // What another version says after this is not known.
  if (message.version != kVersion) return message;
  ARROW_RETURN_NOT_OK(Read(&reader, &message.nonce));
  ARROW_RETURN_NOT_OK(reader.Finish());
  return message;
}

arrow::Result<Challenge> DecodeChallenge(std::string_view body) {
  ByteReader reader(body);
  Challenge message;
  ARROW_ASSIGN_OR_RAISE(message.version, reader.Get<uint16_t>());
  ARROW_ASSIGN_OR_RAISE(const auto wants_key, reader.Get<uint8_t>());
  message.wants_key = wants_key != 0;
  ARROW_RETURN_NOT_OK(Read(&reader, &message.nonce));
  ARROW_RETURN_NOT_OK(reader.Finish());
  return message;
}

arrow::Result<Proof> DecodeProof(std::string_view body) {
  ByteReader reader(body);
  Proof proof;
  ARROW_RETURN_NOT_OK(Read(&reader, &proof));
  ARROW_RETURN_NOT_OK(reader.Finish());
  return proof;
}

arrow::Result<Welcome> DecodeWelcome(std::string_view body) {
  ByteReader reader(body);
  Welcome message;
  ARROW_RETURN_NOT_OK(Read(&reader, &message.proof));
  ARROW_ASSIGN_OR_RAISE(message.observed_host, reader.GetString());
  ARROW_ASSIGN_OR_RAISE(message.observed_port, reader.Get<uint16_t>());
  ARROW_ASSIGN_OR_RAISE(message.idle_seconds, reader.Get<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(message.server_version, reader.GetString());
  ARROW_RETURN_NOT_OK(reader.Finish());
  return message;
}

arrow::Result<Refusal> DecodeRefusal(std::string_view body) {
  ByteReader reader(body);
  Refusal message;
  ARROW_ASSIGN_OR_RAISE(message.code, reader.Get<RefusalCode>());
  ARROW_ASSIGN_OR_RAISE(message.message, reader.GetString());
  ARROW_RETURN_NOT_OK(reader.Finish());
  return message;
}

arrow::Result<Go> DecodeGo(std::string_view body) {
  ByteReader reader(body);
  Go message;
  ARROW_ASSIGN_OR_RAISE(message.peer, reader.Get<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(message.host, reader.GetString());
  ARROW_ASSIGN_OR_RAISE(message.port, reader.Get<uint16_t>());
  ARROW_ASSIGN_OR_RAISE(message.wait_microseconds, reader.Get<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(message.round_trip_microseconds, reader.Get<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(message.seed, reader.Get<uint64_t>());
  ARROW_RETURN_NOT_OK(reader.Finish());
  return message;
}

arrow::Result<Gone> DecodeGone(std::string_view body) {
  ByteReader reader(body);
  Gone message;
  ARROW_ASSIGN_OR_RAISE(message.peer, reader.Get<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(message.reason, reader.Get<GoneReason>());
  ARROW_RETURN_NOT_OK(reader.Finish());
  return message;
}

arrow::Result<uint32_t> DecodeHere(std::string_view body) {
  ByteReader reader(body);
  ARROW_ASSIGN_OR_RAISE(const auto peer, reader.Get<uint32_t>());
  ARROW_RETURN_NOT_OK(reader.Finish());
  return peer;
}

arrow::Result<std::vector<uint32_t>> DecodeAsk(std::string_view body) {
  ByteReader reader(body);
  ARROW_ASSIGN_OR_RAISE(const auto count, reader.Get<uint32_t>());
  if (reader.left() != size_t{count} * sizeof(uint32_t)) {
    return arrow::Status::Invalid("it asks for ", count, " ranks and has ", reader.left(), " bytes of them");
  }
  std::vector<uint32_t> peers(count);
  for (uint32_t& peer : peers) peer = *reader.Get<uint32_t>();
  return peers;
}

arrow::Result<Nonce> MakeNonce() {
  Nonce nonce;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), static_cast<int>(nonce.size())) != 1) {
    return arrow::Status::IOError("OpenSSL has no random bytes to give");
  }
  return nonce;
}

arrow::Result<Proof> MakeProof(Side side, const std::string& key, const Nonce& client, const Nonce& server) {
  ByteWriter text;
  text.PutString(side == Side::kClient ? "weft rendezvous client" : "weft rendezvous server");
  text.Put(kVersion).PutRaw(View(client)).PutRaw(View(server));
  const std::string& bytes = text.bytes();
  Proof proof;
  unsigned int length = 0;
  const auto* made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
           bytes.size(), reinterpret_cast<unsigned char*>(proof.data()), &length);
  if (made == nullptr || length != proof.size()) return arrow::Status::IOError("OpenSSL could not make an HMAC-SHA256");
  return proof;
}

bool SameProof(const Proof& a, const Proof& b) { return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

}  // namespace weft::rendezvous
