// The handshake without sockets: what it accepts, and everything that it must not.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "weft/backends/tcp/address.h"
#include "weft/backends/tcp/frame.h"
#include "weft/backends/tcp/handshake.h"

namespace weft::tcp {
namespace {

using State = Handshake::State;

LinkIdentity Identity(Rank rank, const std::string& secret = std::string(32, 's'), const std::string& job = "job",
                      int64_t epoch = 3, int world = 4, Encryption encryption = Encryption::kOffEvenRelayed) {
  return *LinkIdentity::Make(secret, job, epoch, rank, world, encryption);
}

/// Carries bytes between the two until neither has more to say; in pieces of `piece` bytes.
void Talk(Handshake& a, Handshake& b, size_t piece = 1000) {
  for (int round = 0; round < 10; ++round) {
    for (auto [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      std::string bytes = from->TakeOutput();
      for (size_t at = 0; at < bytes.size(); at += piece) {
        std::string_view left = std::string_view(bytes).substr(at, piece);
        while (!left.empty() && to->wanted() > 0) {
          const std::string_view taken = left.substr(0, to->wanted());
          to->Consume(taken);
          left.remove_prefix(taken.size());
        }
      }
    }
    if (b.state() == State::kAuthenticated) b.Nominate();
  }
}

TEST(TcpHandshake, TwoRanksOfOneJob) {
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}}) {
    Handshake dialer = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
    Handshake acceptor = *Handshake::Accept(Identity(1), false);
    Talk(dialer, acceptor, piece);
    EXPECT_EQ(dialer.state(), State::kDone);
    EXPECT_EQ(acceptor.state(), State::kDone);
    EXPECT_EQ(acceptor.peer(), 2);
    EXPECT_EQ(dialer.wanted(), 0u);  // what follows belongs to the link
  }
}

TEST(TcpHandshake, TheLowerRankCalls) {
  for (const size_t piece : {size_t{1}, size_t{1000}}) {
    Handshake lower = *Handshake::Dial(Identity(1), 2, LinkPath::kHost, false);
    Handshake higher = *Handshake::Accept(Identity(2), false);
    Talk(higher, lower, piece);
    EXPECT_EQ(lower.state(), State::kDone);
    EXPECT_EQ(higher.state(), State::kDone);
    EXPECT_EQ(higher.peer(), 1);
    EXPECT_EQ(higher.path(), LinkPath::kHost);
  }
}

TEST(TcpHandshake, BothCall) {
  for (const LinkPath path : {LinkPath::kPunched, LinkPath::kRelay}) {
    Handshake lower = *Handshake::Dial(Identity(1), 2, path, false);
    Handshake higher = *Handshake::Dial(Identity(2), 1, path, false);
    Talk(higher, lower);
    EXPECT_EQ(lower.state(), State::kDone);
    EXPECT_EQ(higher.state(), State::kDone);
    EXPECT_EQ(lower.path(), path);
    EXPECT_EQ(higher.path(), path);
  }
}

TEST(TcpHandshake, APunchedPathIsProbedEachWay) {
  // One was called by way of a hole and does not know it; the other tells.
  Handshake lower = *Handshake::Accept(Identity(1), false);
  Handshake higher = *Handshake::Dial(Identity(2), 1, LinkPath::kPunched, false);
  lower.Consume(higher.TakeOutput());
  higher.Consume(lower.TakeOutput().substr(0, 100));
  EXPECT_EQ(lower.path(), LinkPath::kPunched);
  Handshake low = *Handshake::Dial(Identity(1), 2, LinkPath::kPunched, false);
  Handshake high = *Handshake::Dial(Identity(2), 1, LinkPath::kPunched, false);
  const auto carry = [](Handshake& from, Handshake& to, size_t most) {
    std::string bytes = from.TakeOutput();
    size_t carried = 0;
    while (carried < std::min(most, bytes.size()) && to.wanted() > 0) {
      const size_t piece = std::min({to.wanted(), most - carried, bytes.size() - carried});
      to.Consume(std::string_view(bytes).substr(carried, piece));
      carried += piece;
    }
    return bytes.substr(carried);
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(carry(high, low, SIZE_MAX), "");
    EXPECT_EQ(carry(low, high, SIZE_MAX), "");
  }
  ASSERT_EQ(low.state(), State::kAuthenticated);
  low.Nominate();
  EXPECT_EQ(low.state(), State::kProbing);
  // All but the last byte of the lower one's probe: neither is done.
  const std::string left = carry(low, high, 40 + 2 * (8 + (kProbeBytes / 2)) - 1);
  EXPECT_EQ(left.size(), 1u);
  EXPECT_EQ(carry(high, low, SIZE_MAX), "");
  EXPECT_EQ(low.state(), State::kProbing);
  EXPECT_EQ(high.state(), State::kProbing);
  high.Consume(left);
  EXPECT_EQ(carry(high, low, SIZE_MAX), "");
  EXPECT_EQ(low.state(), State::kDone);
  EXPECT_EQ(carry(low, high, SIZE_MAX), "");
  EXPECT_EQ(high.state(), State::kDone);
  EXPECT_EQ(high.wanted(), 0u);
}

TEST(TcpHandshake, TheDialerWaitsForTheNomination) {
  Handshake dialer = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
  Handshake acceptor = *Handshake::Accept(Identity(1), false);
  acceptor.Consume(dialer.TakeOutput());
  dialer.Consume(acceptor.TakeOutput());
  acceptor.Consume(dialer.TakeOutput());
  EXPECT_EQ(acceptor.state(), State::kAuthenticated);
  EXPECT_EQ(dialer.state(), State::kAwaitNomination);
  EXPECT_TRUE(acceptor.TakeOutput().empty());
}

TEST(TcpHandshake, AnotherSecret) {
  Handshake dialer = *Handshake::Dial(Identity(2, std::string(32, 'x')), 1, LinkPath::kHost, false);
  Handshake acceptor = *Handshake::Accept(Identity(1), false);
  Talk(dialer, acceptor);
  EXPECT_EQ(dialer.state(), State::kFailed);
  EXPECT_EQ(dialer.failure(), HandshakeFailure::kWrongProof);
  EXPECT_NE(dialer.failure_text().find("secret"), std::string::npos);
  EXPECT_EQ(acceptor.state(), State::kFailed);
  EXPECT_EQ(acceptor.failure(), HandshakeFailure::kWrongProof);
}

TEST(TcpHandshake, AnotherJobHearsNothing) {
  Handshake dialer = *Handshake::Dial(Identity(2, std::string(32, 's'), "other"), 1, LinkPath::kHost, false);
  Handshake acceptor = *Handshake::Accept(Identity(1), false);
  acceptor.Consume(dialer.TakeOutput());
  EXPECT_EQ(acceptor.failure(), HandshakeFailure::kJunk);
  EXPECT_TRUE(acceptor.TakeOutput().empty());
}

TEST(TcpHandshake, RefusalsSayWhy) {
  const auto refused = [](const LinkIdentity& dialing, Rank to, const LinkIdentity& accepting) {
    Handshake dialer = *Handshake::Dial(dialing, to, LinkPath::kHost, false);
    Handshake acceptor = *Handshake::Accept(accepting, false);
    Talk(dialer, acceptor);
    EXPECT_EQ(acceptor.state(), State::kFailed);
    EXPECT_EQ(dialer.state(), State::kFailed);
    EXPECT_EQ(dialer.failure(), acceptor.failure());
    EXPECT_NE(dialer.failure_text().find("refused by the peer"), std::string::npos);
    return dialer.failure();
  };
  const std::string secret(32, 's');
  EXPECT_EQ(refused(Identity(2, secret, "job", 2), 1, Identity(1)), HandshakeFailure::kEpoch);
  EXPECT_EQ(refused(Identity(2, secret, "job", 4), 1, Identity(1)), HandshakeFailure::kEpoch);
  EXPECT_EQ(refused(Identity(2, secret, "job", 3, 5), 1, Identity(1)), HandshakeFailure::kWorld);
  EXPECT_EQ(refused(Identity(2), 0, Identity(1)), HandshakeFailure::kWrongRank);
  LinkIdentity newer = Identity(2);
  newer.version = kLinkVersion + 1;
  EXPECT_EQ(refused(newer, 1, Identity(1)), HandshakeFailure::kVersion);
}

TEST(TcpHandshake, ARankThatLies) {
  // Rank 3 of the job claims to be rank 2: without rank 2's part there is nothing to tell them apart but the address,
  // so the claim is bound to the connection. Somebody who answers as another rank than the one dialed is refused.
  Handshake dialer = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
  Handshake wrong = *Handshake::Accept(Identity(0), false);
  wrong.Consume(dialer.TakeOutput());
  EXPECT_EQ(wrong.failure(), HandshakeFailure::kWrongRank);
  // A rank outside the world.
  LinkIdentity outside = Identity(9);
  Handshake far = *Handshake::Dial(outside, 1, LinkPath::kHost, false);
  Handshake acceptor = *Handshake::Accept(Identity(1), false);
  acceptor.Consume(far.TakeOutput());
  EXPECT_EQ(acceptor.failure(), HandshakeFailure::kWrongRank);
}

TEST(TcpHandshake, ReflectionFails) {
  Handshake dialer = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
  const std::string hello = dialer.TakeOutput();
  dialer.Consume(hello);  // its own greeting comes back
  EXPECT_EQ(dialer.state(), State::kFailed);

  // The acceptor's proof sent back as the dialer's.
  Handshake again = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
  Handshake acceptor = *Handshake::Accept(Identity(1), false);
  acceptor.Consume(again.TakeOutput());
  const std::string answer = acceptor.TakeOutput();
  acceptor.Consume(std::string_view(answer).substr(answer.size() - acceptor.wanted() - 32));
  EXPECT_EQ(acceptor.state(), State::kFailed);
  EXPECT_EQ(acceptor.failure(), HandshakeFailure::kWrongProof);
}

TEST(TcpHandshake, ReplayFails) {
  Handshake dialer = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
  Handshake acceptor = *Handshake::Accept(Identity(1), false);
  const std::string hello = dialer.TakeOutput();
  acceptor.Consume(hello);
  const std::string answer = acceptor.TakeOutput();
  dialer.Consume(answer);
  const std::string proof = dialer.TakeOutput();
  acceptor.Consume(proof);
  acceptor.Nominate();
  const std::string nomination = acceptor.TakeOutput();

  // All that was said, said again to another acceptor.
  Handshake second = *Handshake::Accept(Identity(1), false);
  second.Consume(hello);
  second.Consume(proof);
  EXPECT_EQ(second.failure(), HandshakeFailure::kWrongProof);
  // And to another dialer.
  Handshake third = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
  third.Consume(answer);
  EXPECT_EQ(third.failure(), HandshakeFailure::kWrongProof);
  // A nomination that is not of this connection.
  Handshake fourth = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
  Handshake fifth = *Handshake::Accept(Identity(1), false);
  fifth.Consume(fourth.TakeOutput());
  fourth.Consume(fifth.TakeOutput());
  ASSERT_EQ(fourth.state(), State::kAwaitNomination);
  fourth.Consume(nomination);
  EXPECT_EQ(fourth.failure(), HandshakeFailure::kWrongProof);
}

TEST(TcpHandshake, EveryByteOfTheGreetingCounts) {
  Handshake reference = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
  const size_t size = reference.TakeOutput().size();
  for (size_t at = 0; at < size; ++at) {
    Handshake dialer = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
    Handshake acceptor = *Handshake::Accept(Identity(1), false);
    std::string hello = dialer.TakeOutput();
    hello[at] = static_cast<char>(hello[at] ^ 1);
    acceptor.Consume(hello);
    if (acceptor.state() == State::kAwaitHello) continue;  // a longer message announced: waits, and is closed by time
    Talk(dialer, acceptor);
    EXPECT_NE(acceptor.state(), State::kDone) << at;
    EXPECT_NE(dialer.state(), State::kDone) << at;
  }
}

TEST(TcpHandshake, JunkFailsAtOnceAndTakesNoMemory) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    Handshake acceptor = *Handshake::Accept(Identity(1), false);
    Handshake dialer = *Handshake::Dial(Identity(2), 1, LinkPath::kHost, false);
    (void)dialer.TakeOutput();
    std::string junk(random() % 600, ' ');
    for (char& c : junk) c = static_cast<char>(random());
    if (i % 2 == 0 && junk.size() > 8) junk.replace(0, 4, "WEFT");
    if (i % 4 == 0 && junk.size() > 8) junk[4] = kLinkVersion;
    acceptor.Consume(junk);
    dialer.Consume(junk);
    EXPECT_NE(acceptor.state(), State::kAuthenticated);
    EXPECT_NE(dialer.state(), State::kAwaitNomination);
    EXPECT_LE(acceptor.wanted(), 520u);
  }
  Handshake acceptor = *Handshake::Accept(Identity(1), false);
  acceptor.Consume("G");
  EXPECT_EQ(acceptor.state(), State::kFailed);
}

LinkIdentity Choosing(Rank rank, Encryption encryption) {
  return Identity(rank, std::string(32, 's'), "job", 3, 4, encryption);
}

TEST(TcpHandshake, ChoicesOfEncryptionMustBeTheSame) {
  for (const bool other_way : {false, true}) {
    const Encryption one = other_way ? Encryption::kAuto : Encryption::kOff;
    const Encryption two = other_way ? Encryption::kOff : Encryption::kAuto;
    Handshake dialer = *Handshake::Dial(Choosing(2, one), 1, LinkPath::kHost, false);
    Handshake acceptor = *Handshake::Accept(Choosing(1, two), false);
    Talk(dialer, acceptor);
    for (const Handshake* end : {&dialer, &acceptor}) {
      EXPECT_EQ(end->failure(), HandshakeFailure::kEncryption);
      EXPECT_NE(end->failure_text().find("encryption=auto"), std::string::npos) << end->failure_text();
      EXPECT_NE(end->failure_text().find("encryption=off"), std::string::npos) << end->failure_text();
    }
  }
}

constexpr size_t kHello = 100;  // with its head

/// Both HELLOs are said; the acceptor is the lower rank.
struct Greeted {
  Handshake dialer;
  Handshake acceptor;
  Greeted(Encryption encryption, LinkPath path, bool dialer_exposed, bool acceptor_exposed)
      : dialer(*Handshake::Dial(Choosing(2, encryption), 1, path, dialer_exposed)),
        acceptor(*Handshake::Accept(Choosing(1, encryption), acceptor_exposed)) {
    acceptor.Consume(dialer.TakeOutput());
    const std::string hello = acceptor.TakeOutput();
    dialer.Consume(std::string_view(hello).substr(0, kHello));
  }
};

TEST(TcpHandshake, BothEndsKnowWhetherThereIsTls) {
  for (const Encryption encryption :
       {Encryption::kAuto, Encryption::kOn, Encryption::kOff, Encryption::kOffEvenRelayed}) {
    for (const LinkPath path : {LinkPath::kHost, LinkPath::kPunched, LinkPath::kRelay}) {
      for (const int exposed : {0, 1, 2, 3}) {
        Greeted both(encryption, path, (exposed & 1) != 0, (exposed & 2) != 0);
        const bool tls = NeedsTls(encryption, path, exposed != 0);
        EXPECT_EQ(both.dialer.state(), tls ? State::kAwaitTls : State::kAwaitProof);
        EXPECT_EQ(both.acceptor.state(), tls ? State::kAwaitTls : State::kAwaitProof);
        if (!tls) continue;
        EXPECT_EQ(both.dialer.wanted(), 0u);  // what follows is TLS's
        EXPECT_EQ(both.acceptor.wanted(), 0u);
        EXPECT_TRUE(both.dialer.TakeOutput().empty());
        EXPECT_TRUE(both.acceptor.TakeOutput().empty());
      }
    }
  }
}

TEST(TcpHandshake, TlsTakesThePlaceOfTheProofs) {
  Greeted both(Encryption::kOn, LinkPath::kHost, false, false);
  const TlsKey high = *both.dialer.MakeTlsKey();
  const TlsKey low = *both.acceptor.MakeTlsKey();
  EXPECT_EQ(high.secret, low.secret);
  EXPECT_EQ(high.identity, low.identity);
  EXPECT_FALSE(high.server);
  EXPECT_TRUE(low.server);
  EXPECT_NE(high.secret, (*Greeted(Encryption::kOn, LinkPath::kHost, false, false).dialer.MakeTlsKey()).secret);
  for (const bool same : {true, false}) {
    Greeted ends(Encryption::kOn, LinkPath::kHost, false, false);
    Hash exported = {};
    ends.acceptor.TlsDone(exported);
    exported[5] = same ? 0 : 1;
    ends.dialer.TlsDone(exported);
    EXPECT_TRUE(ends.dialer.encrypted());
    EXPECT_EQ(ends.acceptor.state(), State::kAuthenticated);
    EXPECT_EQ(ends.dialer.state(), State::kAwaitNomination);
    ends.acceptor.Nominate();
    ends.dialer.Consume(ends.acceptor.TakeOutput());
    EXPECT_EQ(ends.dialer.state(), same ? State::kDone : State::kFailed);
  }
  Greeted failed(Encryption::kOn, LinkPath::kHost, false, false);
  failed.dialer.TlsFailed(true, "another key");
  EXPECT_EQ(failed.dialer.failure(), HandshakeFailure::kWrongProof);
  EXPECT_NE(failed.dialer.failure_text().find("WEFT_SECRET"), std::string::npos);
  failed.acceptor.TlsFailed(false, "it is in the clear");
  EXPECT_EQ(failed.acceptor.failure(), HandshakeFailure::kTls);
}

/// Whatever is changed in a HELLO on its way: no link, or TLS with two different keys, so no link either.
TEST(TcpHandshake, EveryByteOfTheGreetingIsInTlsKey) {
  size_t with_keys = 0;
  for (size_t at = 0; at < kHello; ++at) {
    Handshake dialer = *Handshake::Dial(Choosing(2, Encryption::kOn), 1, LinkPath::kRelay, true);
    Handshake acceptor = *Handshake::Accept(Choosing(1, Encryption::kOn), true);
    std::string hello = dialer.TakeOutput();
    hello[at] = static_cast<char>(hello[at] ^ 1);
    acceptor.Consume(hello);
    if (acceptor.state() != State::kAwaitTls) continue;
    dialer.Consume(acceptor.TakeOutput());
    if (dialer.state() != State::kAwaitTls) continue;
    ++with_keys;
    EXPECT_NE((*dialer.MakeTlsKey()).secret, (*acceptor.MakeTlsKey()).secret) << at;
  }
  EXPECT_GE(with_keys, 32u);  // the nonce at least
}

TEST(TcpHandshake, SecretsHave32Bytes) {
  EXPECT_TRUE(LinkIdentity::Make("short", "job", 0, 0, 2).status().IsInvalid());
}

TEST(TcpHandshake, KeysDifferByJobAndEpoch) {
  const std::string secret(32, 's');
  EXPECT_NE(*DeriveLinkKey(secret, "a", 0), *DeriveLinkKey(secret, "b", 0));
  EXPECT_NE(*DeriveLinkKey(secret, "a", 0), *DeriveLinkKey(secret, "a", 1));
  EXPECT_EQ(*DeriveLinkKey(secret, "a", 0), *DeriveLinkKey(secret, "a", 0));
  EXPECT_NE(*DeriveTlsKey(secret, "a", 0), *DeriveLinkKey(secret, "a", 0));
  EXPECT_NE(*DeriveTlsKey(secret, "a", 0), *DeriveTlsKey(secret, "a", 1));
  const Hash key = *DeriveTlsKey(secret, "a", 0);
  EXPECT_EQ(*DeriveConnectionKey(key, 3, 0, 1, "t"), *DeriveConnectionKey(key, 3, 0, 1, "t"));
  EXPECT_NE(*DeriveConnectionKey(key, 3, 0, 1, "t"), *DeriveConnectionKey(key, 4, 0, 1, "t"));
  EXPECT_NE(*DeriveConnectionKey(key, 3, 0, 1, "t"), *DeriveConnectionKey(key, 3, 0, 2, "t"));
  EXPECT_NE(*DeriveConnectionKey(key, 3, 0, 1, "t"), *DeriveConnectionKey(key, 3, 0, 1, "u"));
}

TEST(TcpCandidates, RoundTripAndHostileBytes) {
  Candidates own;
  own.host_identity = "boot net";
  own.list = {{CandidateKind::kHost, "10.0.0.1", 80}, {CandidateKind::kLoopback, "127.0.0.1", 80}};
  const std::string bytes = own.Encode();
  const Candidates back = *Candidates::Decode(bytes);
  EXPECT_EQ(back.host_identity, own.host_identity);
  ASSERT_EQ(back.list.size(), 2u);
  EXPECT_EQ(back.list[0].host, "10.0.0.1");
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(Candidates::Decode(bytes.substr(0, size)).ok());
  std::string newer = bytes;
  EXPECT_EQ(back.room, "");
  own.room = std::string(32, 'r');
  EXPECT_EQ((*Candidates::Decode(own.Encode())).room, own.room);
  newer[0] = 9;
  EXPECT_NE(Candidates::Decode(newer).status().message().find("version 9"), std::string::npos);
}

TEST(TcpCandidates, LoopbackIsForTheSameHostOnly) {
  Candidates own{"a", {}};
  Candidates peer{"a", {{CandidateKind::kHost, "10.0.0.1", 80}, {CandidateKind::kLoopback, "127.0.0.1", 80}}};
  ASSERT_EQ(Dialable(own, peer).size(), 1u);
  EXPECT_EQ(Dialable(own, peer)[0].host, "127.0.0.1");
  peer.host_identity = "b";
  ASSERT_EQ(Dialable(own, peer).size(), 1u);
  EXPECT_EQ(Dialable(own, peer)[0].host, "10.0.0.1");
}

TEST(TcpCandidates, Advertise) {
  EXPECT_EQ((*GatherCandidates(7, "10.1.2.3")).list[0].port, 7);
  EXPECT_EQ((*GatherCandidates(7, "10.1.2.3:99")).list[0].port, 99);
  EXPECT_EQ((*GatherCandidates(7, "[fd00::1]:99")).list[0].host, "fd00::1");
  EXPECT_EQ((*GatherCandidates(7, "fd00::1")).list[0].host, "fd00::1");
  for (const char* wrong : {"10.1.2.3:", "10.1.2.3:x", "10.1.2.3:99999", "[fd00::1", "no such host.invalid"}) {
    EXPECT_TRUE(GatherCandidates(7, wrong).status().IsInvalid()) << wrong;
  }
}

TEST(TcpFrame, RoundTrip) {
  FrameHeader header{FrameType::kData, kFlagLast, 77, 1, 2, 3, 4, 5};
  const HeaderBytes bytes = EncodeHeader(header);
  const FrameHeader back = *DecodeHeader(bytes.data());
  EXPECT_EQ(back.type, header.type);
  EXPECT_EQ(back.flags, header.flags);
  EXPECT_EQ(back.length, 77u);
  EXPECT_EQ(back.tag, 1u);
  EXPECT_EQ(back.sequence, 2u);
  EXPECT_EQ(back.acknowledgement, 3u);
  EXPECT_EQ(back.credit, 4u);
  EXPECT_EQ(back.size, 5u);
}

TEST(TcpFrame, HostileHeaders) {
  const auto decoded = [](FrameHeader header) { return DecodeHeader(EncodeHeader(header).data()).ok(); };
  EXPECT_TRUE(decoded({FrameType::kEager, 0, kMaxEagerPayload, 0, 1, 0, 0, 0}));
  EXPECT_FALSE(decoded({FrameType::kEager, 0, kMaxEagerPayload + 1, 0, 1, 0, 0, 0}));
  EXPECT_FALSE(decoded({FrameType::kData, 0, kMaxDataPayload + 1, 0, 1, 0, 0, 0}));
  EXPECT_FALSE(decoded({FrameType::kHeartbeat, 0, UINT32_MAX, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(decoded({FrameType::kBye, 0, 1, 0, 1, 0, 0, 0}));
  EXPECT_FALSE(decoded({FrameType::kEager, 4, 0, 0, 1, 0, 0, 0}));
  EXPECT_FALSE(decoded({FrameType::kRequestToSend, kFlagShared, 0, 0, 1, 0, 0, 0}));
  EXPECT_FALSE(decoded({FrameType::kMemory, 8, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(decoded({static_cast<FrameType>(0), 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(decoded({static_cast<FrameType>(11), 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(decoded({FrameType::kHeartbeat, 0, 0, 0, 5, 0, 0, 0}));
}

}  // namespace
}  // namespace weft::tcp
