// The messages between the rendezvous server and its clients. docs/protocol.md gives every byte and every state.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::rendezvous {

inline constexpr uint16_t kVersion = 2;
inline constexpr std::string_view kMagic = "WEFTRDVZ";
inline constexpr size_t kNonceBytes = 32;
inline constexpr size_t kProofBytes = 32;
inline constexpr size_t kLengthBytes = sizeof(uint32_t);
/// Caps on a frame's length, the type included: until the client is admitted, and after.
inline constexpr uint32_t kMaxGreetingBytes = 512;
inline constexpr uint32_t kMaxFrameBytes = 2 * (64 << 10) + 1024;

using Nonce = std::array<char, kNonceBytes>;
using Proof = std::array<char, kProofBytes>;

enum class MessageType : uint8_t {
  kHello = 1,
  kChallenge = 2,
  kProof = 3,
  kWelcome = 4,
  kRefusal = 5,
  kSet = 16,
  kCompareAndSet = 17,
  kGet = 18,
  kAdd = 19,
  kWait = 20,
  kDelete = 21,
  kCancel = 22,
  kEnter = 23,
  kAsk = 24,
  kRest = 25,
  kRelay = 26,
  kPong = 27,
  kReply = 32,
  kGo = 33,
  kGone = 34,
  kHere = 35,
  kPing = 36,
  kWanted = 37,
};

/// Why the server closes a connection.
enum class RefusalCode : uint16_t {
  kMalformed = 1,
  kVersion = 2,
  kNotAdmitted = 3,
  kFull = 4,
  kTooSlow = 5,
  kIdle = 6,
  kStopping = 7,
};

/// As a word, for logs and figures: "not-admitted".
const char* RefusalName(RefusalCode code);

/// How a request went.
enum class ReplyCode : uint8_t {
  kOk = 0,
  kInvalid = 1,
  kFull = 2,
  kTimedOut = 3,
};

struct Hello {
  uint16_t version = kVersion;
  Nonce nonce{};
};

struct Challenge {
  uint16_t version = kVersion;
  bool wants_key = false;
  Nonce nonce{};
};

struct Welcome {
  Proof proof{};
  std::string observed_host;  // the client's address as the server sees it
  uint16_t observed_port = 0;
  uint32_t idle_seconds = 0;  // the server closes a connection that is idle for longer
  std::string server_version;
};

struct Refusal {
  RefusalCode code = RefusalCode::kMalformed;
  std::string message;
};

/// Tells one of a pair to open its connection to the other, at the moment at which the other is told to.
struct Go {
  uint32_t peer = 0;
  std::string host;  // of the peer, as the server sees it
  uint16_t port = 0;
  uint32_t wait_microseconds = 0;        // from this message's arrival to the moment
  uint32_t round_trip_microseconds = 0;  // between the two, by way of the server
  uint64_t seed = 0;                     // the same for both: they draw the moments of later tries from it
};

enum class GoneReason : uint8_t { kEnded = 1, kSilent = 2 };

/// A rank is no longer in the room.
struct Gone {
  uint32_t peer = 0;
  GoneReason reason = GoneReason::kEnded;
};

/// A whole frame: length, type, body.
std::string Frame(MessageType type, std::string_view body);

std::string Encode(const Hello& message);
std::string Encode(const Challenge& message);
std::string EncodeProof(const Proof& proof);
std::string Encode(const Welcome& message);
std::string Encode(const Refusal& message);
/// A reply: `body` is the result of a good one, else the text that says what is wrong.
std::string EncodeReply(uint64_t id, ReplyCode code, std::string_view body);

std::string Encode(const Go& message);
std::string Encode(const Gone& message);
/// A rank that was gone has entered again.
std::string EncodeHere(uint32_t peer);
/// A rank asks for this one, which has not asked for it.
std::string EncodeWanted(uint32_t peer);
/// Asks to be paired with these ranks.
std::string EncodeAsk(const std::vector<uint32_t>& peers);

/// These read the body of a frame (without length and type) and refuse one byte too few or too many.
arrow::Result<Hello> DecodeHello(std::string_view body);
arrow::Result<Challenge> DecodeChallenge(std::string_view body);
arrow::Result<Proof> DecodeProof(std::string_view body);
arrow::Result<Welcome> DecodeWelcome(std::string_view body);
arrow::Result<Refusal> DecodeRefusal(std::string_view body);

arrow::Result<Go> DecodeGo(std::string_view body);
arrow::Result<Gone> DecodeGone(std::string_view body);
/// Of Here, and of Wanted.
arrow::Result<uint32_t> DecodeHere(std::string_view body);
arrow::Result<std::vector<uint32_t>> DecodeAsk(std::string_view body);

/// Random bytes of the operating system's quality.
arrow::Result<Nonce> MakeNonce();

enum class Side { kClient, kServer };

/// What `side` shows to prove that it knows `key`: HMAC-SHA256 (RFC 2104) over its name, the version and both nonces.
/// Challenge and response of this kind with a nonce from each end: ISO/IEC 9798-4, three-pass mutual authentication.
arrow::Result<Proof> MakeProof(Side side, const std::string& key, const Nonce& client, const Nonce& server);

/// Compares in constant time.
bool SameProof(const Proof& a, const Proof& b);

}  // namespace weft::rendezvous
