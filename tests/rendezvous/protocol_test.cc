#include "weft/rendezvous/protocol.h"

#include <gtest/gtest.h>

#include <set>

#include "weft/base/byte_codec.h"

namespace weft::rendezvous {
namespace {

std::string_view Body(const std::string& frame) { return std::string_view(frame).substr(kLengthBytes + 1); }

Nonce NonceOf(char fill) {
  Nonce nonce;
  nonce.fill(fill);
  return nonce;
}

TEST(Protocol, BytesOnTheWire) {
  // As docs/protocol.md has them: a change of these is another version.
  EXPECT_EQ(kVersion, 2);
  EXPECT_EQ(Frame(MessageType::kGet, "ab"), std::string("\3\0\0\0\x12"
                                                        "ab",
                                                        7));
  EXPECT_EQ(Encode(Hello{.version = 1, .nonce = NonceOf('n')}),
            std::string("\x2b\0\0\0\1WEFTRDVZ\1\0", 15) + std::string(32, 'n'));
  EXPECT_EQ(Encode(Challenge{.version = 1, .wants_key = true, .nonce = NonceOf('m')}),
            std::string("\x24\0\0\0\2\1\0\1", 8) + std::string(32, 'm'));
  EXPECT_EQ(EncodeReply(258, ReplyCode::kTimedOut, "x"), std::string("\x0b\0\0\0\x20\2\1\0\0\0\0\0\0\3x", 15));
  EXPECT_EQ(Encode(Refusal{RefusalCode::kFull, "no"}), std::string("\x09\0\0\0\5\4\0\2\0\0\0no", 13));
}

TEST(Protocol, RoundTrips) {
  Welcome welcome;
  welcome.proof.fill('p');
  welcome.observed_host = "2001:db8::1";
  welcome.observed_port = 40001;
  welcome.idle_seconds = 600;
  welcome.server_version = "0.1.0";
  const auto read = DecodeWelcome(Body(Encode(welcome)));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->proof, welcome.proof);
  EXPECT_EQ(read->observed_host, "2001:db8::1");
  EXPECT_EQ(read->observed_port, 40001);
  EXPECT_EQ(read->idle_seconds, 600u);
  EXPECT_EQ(read->server_version, "0.1.0");
  EXPECT_EQ(DecodeRefusal(Body(Encode(Refusal{RefusalCode::kStopping, "why"})))->message, "why");
  EXPECT_TRUE(DecodeChallenge(Body(Encode(Challenge{.wants_key = true, .nonce = {}})))->wants_key);
}

template <typename Decode>
void RefusesEveryOtherLength(const std::string& frame, const Decode& decode) {
  const std::string body(Body(frame));
  EXPECT_TRUE(decode(body).ok());
  EXPECT_FALSE(decode(body + "x").ok());
  for (size_t length = 0; length < body.size(); ++length) {
    EXPECT_FALSE(decode(std::string_view(body).substr(0, length)).ok()) << length;
  }
}

TEST(Protocol, RefusesMessagesCutShortOrTooLong) {
  RefusesEveryOtherLength(Encode(Hello{}), DecodeHello);
  RefusesEveryOtherLength(Encode(Challenge{}), DecodeChallenge);
  RefusesEveryOtherLength(EncodeProof(Proof{}), DecodeProof);
  RefusesEveryOtherLength(Encode(Welcome{.proof = {}, .observed_host = "host", .server_version = "1"}), DecodeWelcome);
  RefusesEveryOtherLength(Encode(Refusal{RefusalCode::kFull, "text"}), DecodeRefusal);
  std::string hello(Body(Encode(Hello{})));
  hello[0] = 'X';
  EXPECT_FALSE(DecodeHello(hello).ok());
}

TEST(Protocol, AnotherVersionIsReadAsFarAsItIsKnown) {
  const auto hello = DecodeHello(std::string(kMagic) + std::string("\7\0and more", 10));
  ASSERT_TRUE(hello.ok());
  EXPECT_EQ(hello->version, 7);
}

TEST(Protocol, ProofDependsOnEverything) {
  std::set<Proof> proofs;
  for (const Side side : {Side::kClient, Side::kServer}) {
    for (const std::string& key : {std::string("key"), std::string("kez"), std::string()}) {
      for (const char client : {'a', 'b'}) {
        for (const char server : {'a', 'b'}) {
          const auto proof = MakeProof(side, key, NonceOf(client), NonceOf(server));
          ASSERT_TRUE(proof.ok());
          EXPECT_TRUE(SameProof(*proof, *MakeProof(side, key, NonceOf(client), NonceOf(server))));
          for (const Proof& other : proofs) EXPECT_FALSE(SameProof(*proof, other));
          proofs.insert(*proof);
        }
      }
    }
  }
  EXPECT_EQ(proofs.size(), 24u);
  EXPECT_NE(*MakeNonce(), *MakeNonce());
}

TEST(Protocol, ProofIsHmacSha256) {
  // Computed with Python: hmac.new(b"admission", struct.pack("<I", 22) + b"weft rendezvous client" + struct.pack("<H",
  // 2)
  // + b"c" * 32 + b"s" * 32, "sha256").hexdigest()
  const auto proof = MakeProof(Side::kClient, "admission", NonceOf('c'), NonceOf('s'));
  ASSERT_TRUE(proof.ok());
  std::string hex;
  for (const char c : *proof) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", static_cast<unsigned char>(c));
    hex += digits;
  }
  EXPECT_EQ(hex, "1134308875cd08dbcdb89c44ead61e8e901449042012c4cb9719b2dfc6247173");
}

}  // namespace
}  // namespace weft::rendezvous
