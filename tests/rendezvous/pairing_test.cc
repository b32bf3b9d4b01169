// Rooms: who may come in, who is told to go and when, who is told of whom.
#include "weft/rendezvous/pairing.h"

#include <gtest/gtest.h>

#include <deque>

#include "rendezvous/raw_client.h"
#include "weft/rendezvous/server.h"

namespace weft::rendezvous {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kSecret(32, 's');

class Client : public RoomMember {
 public:
  explicit Client(Duration round_trip = Duration::zero(), uint16_t port = 1)
      : round_trip_(round_trip), observed_{"192.0.2.1", port} {}

  void Send(std::string frame) override {
    frames.push_back({static_cast<MessageType>(frame[kLengthBytes]), frame.substr(kLengthBytes + 1)});
  }
  void Drop(const std::string& why) override { dropped = why; }
  Duration RoundTrip() const override { return round_trip_; }
  const Endpoint& observed() const override { return observed_; }
  const std::string& address() const override { return address_; }

  /// The next frame, which must be of this type.
  std::string Next(MessageType type) {
    if (frames.empty() || frames.front().type != type) return "none";
    std::string body = frames.front().body;
    frames.pop_front();
    return body;
  }

  std::deque<Message> frames;
  std::string dropped;

 private:
  const Duration round_trip_;
  const Endpoint observed_;
  const std::string address_ = "192.0.2.1";
};

RoomClaim ClaimOf(uint32_t rank, uint32_t world, char room = 'r') {
  RoomClaim claim;
  claim.room.fill(room);
  claim.rank = rank;
  claim.number = world;
  return claim;
}

std::string AskBody(const std::vector<uint32_t>& peers) { return EncodeAsk(peers).substr(kLengthBytes + 1); }

TEST(Pairing, WhoComesLateHearsWhoLeftInTheOrderInWhichTheyLeft) {
  const auto now = Clock::now();
  Pairing pairing(PairingLimits{});
  std::deque<Client> clients(4);
  for (const uint32_t rank : {0u, 1u, 2u}) ASSERT_TRUE(pairing.Enter(&clients[rank], ClaimOf(rank, 4), now).ok());
  pairing.Remove(&clients[2]);
  pairing.Remove(&clients[1]);
  ASSERT_TRUE(pairing.Enter(&clients[3], ClaimOf(3, 4), now).ok());
  for (const uint32_t rank : {2u, 1u}) {
    const auto gone = DecodeGone(clients[3].Next(MessageType::kGone));
    ASSERT_TRUE(gone.ok());
    EXPECT_EQ(gone->peer, rank);
  }
  // One that has come back is here.
  Client again;
  ASSERT_TRUE(pairing.Enter(&again, ClaimOf(2, 4), now).ok());
  pairing.Remove(&clients[3]);
  Client late;
  ASSERT_TRUE(pairing.Enter(&late, ClaimOf(3, 4), now).ok());
  const auto gone = DecodeGone(late.Next(MessageType::kGone));
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(gone->peer, 1u);
  EXPECT_TRUE(late.frames.empty());
  for (Client* const client : {&clients[0], &again, &late}) pairing.Remove(client);
}

TEST(Pairing, TwoThatAskForEachOtherGoAtOneMoment) {
  const auto now = Clock::now();
  Pairing pairing({});
  Client near(milliseconds(10), 1001);
  Client far(milliseconds(50), 1002);
  ASSERT_TRUE(pairing.Enter(&near, ClaimOf(0, 2), now).ok());
  ASSERT_TRUE(pairing.Enter(&far, ClaimOf(1, 2), now).ok());
  ASSERT_TRUE(pairing.Ask(&near, AskBody({1}), now).ok());
  EXPECT_TRUE(near.frames.empty());  // the other has not asked
  ASSERT_TRUE(pairing.Ask(&far, AskBody({0}), now).ok());
  const Go to_near = *DecodeGo(near.Next(MessageType::kGo));
  const Go to_far = *DecodeGo(far.Next(MessageType::kGo));
  EXPECT_EQ(to_near.peer, 1u);
  EXPECT_EQ(to_near.port, 1002);
  EXPECT_EQ(to_far.peer, 0u);
  EXPECT_EQ(to_far.host, "192.0.2.1");
  EXPECT_EQ(to_far.port, 1001);
  EXPECT_EQ(to_near.seed, to_far.seed);
  // The word takes 5 and 25 ms: the near one waits for the difference.
  EXPECT_EQ(to_near.wait_microseconds, 20'000u);
  EXPECT_EQ(to_far.wait_microseconds, 0u);
  EXPECT_EQ(to_near.round_trip_microseconds, 60'000u);
  // An ask is good for one go.
  ASSERT_TRUE(pairing.Ask(&far, AskBody({0}), now).ok());
  EXPECT_TRUE(far.frames.empty());
  pairing.Remove(&near);
  pairing.Remove(&far);
  EXPECT_EQ(pairing.rooms(), 0u);
}

TEST(Pairing, AllPairsOfARoomAndNoneOfTwo) {
  const auto now = Clock::now();
  Pairing pairing({});
  std::vector<std::unique_ptr<Client>> clients;
  for (uint32_t i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>());
    ASSERT_TRUE(pairing.Enter(clients.back().get(), ClaimOf(i % 4, 4, i < 4 ? 'a' : 'b'), now).ok());
  }
  for (uint32_t i = 0; i < 8; ++i) {
    std::vector<uint32_t> others;
    for (uint32_t rank = 0; rank < 4; ++rank) {
      if (rank != i % 4) others.push_back(rank);
    }
    ASSERT_TRUE(pairing.Ask(clients[i].get(), AskBody(others), now).ok());
  }
  EXPECT_EQ(pairing.counts().gos, 12);
  for (const auto& client : clients) EXPECT_EQ(client->frames.size(), 3u);
  for (const auto& client : clients) pairing.Remove(client.get());
}

TEST(Pairing, OthersHearOfWhoIsGoneAndWhoCameBack) {
  const auto now = Clock::now();
  Pairing pairing({});
  Client a, b, c, again;
  ASSERT_TRUE(pairing.Enter(&a, ClaimOf(0, 4), now).ok());
  ASSERT_TRUE(pairing.Enter(&b, ClaimOf(1, 4), now).ok());
  ASSERT_TRUE(pairing.Rest(&b).ok());
  ASSERT_TRUE(pairing.Enter(&c, ClaimOf(2, 4), now).ok());
  pairing.Remove(&c);
  const Gone gone = *DecodeGone(a.Next(MessageType::kGone));
  EXPECT_EQ(gone.peer, 2u);
  EXPECT_EQ(gone.reason, GoneReason::kEnded);
  EXPECT_TRUE(b.frames.empty());  // it rests: it is linked, and will see for itself
  // Who comes later hears of it too.
  Client late;
  ASSERT_TRUE(pairing.Enter(&late, ClaimOf(3, 4), now).ok());
  EXPECT_EQ(DecodeGone(late.Next(MessageType::kGone))->peer, 2u);
  ASSERT_TRUE(pairing.Enter(&again, ClaimOf(2, 4), now).ok());
  EXPECT_EQ(*DecodeHere(a.Next(MessageType::kHere)), 2u);
  // A second connection of one rank takes its place; what the first one does has no effect.
  Client second;
  ASSERT_TRUE(pairing.Enter(&second, ClaimOf(2, 4), now).ok());
  EXPECT_EQ(DecodeGone(a.Next(MessageType::kGone))->peer, 2u);
  EXPECT_EQ(*DecodeHere(a.Next(MessageType::kHere)), 2u);
  ASSERT_TRUE(pairing.Ask(&again, AskBody({0}), now).ok());
  ASSERT_TRUE(pairing.Ask(&a, AskBody({2}), now).ok());
  EXPECT_TRUE(a.frames.empty());
  pairing.Remove(&again);
  EXPECT_TRUE(a.frames.empty());
  for (Client* client : {&a, &b, &late, &second}) pairing.Remove(client);
  EXPECT_EQ(pairing.rooms(), 0u);
}

TEST(Pairing, WhoIsLinkedHearsThatItIsWantedAgain) {
  const auto now = Clock::now();
  Pairing pairing({});
  Client a, b, c;
  ASSERT_TRUE(pairing.Enter(&a, ClaimOf(0, 3), now).ok());
  ASSERT_TRUE(pairing.Enter(&b, ClaimOf(1, 3), now).ok());
  ASSERT_TRUE(pairing.Ask(&a, AskBody({1}), now).ok());
  EXPECT_TRUE(b.frames.empty());  // it has not been linked yet, and will ask by itself
  // What a has asked for is forgotten when it rests.
  ASSERT_TRUE(pairing.Rest(&a).ok());
  ASSERT_TRUE(pairing.Rest(&b).ok());
  ASSERT_TRUE(pairing.Ask(&b, AskBody({0}), now).ok());
  EXPECT_TRUE(b.frames.empty());
  EXPECT_EQ(*DecodeHere(a.Next(MessageType::kWanted)), 1u);
  ASSERT_TRUE(pairing.Ask(&a, AskBody({1}), now).ok());
  EXPECT_EQ(DecodeGo(a.Next(MessageType::kGo))->peer, 1u);
  EXPECT_EQ(DecodeGo(b.Next(MessageType::kGo))->peer, 0u);
  EXPECT_TRUE(a.frames.empty() && b.frames.empty());
  // Who is asked for and has left is gone, also for one that rested when it left. Who never came is waited for.
  ASSERT_TRUE(pairing.Enter(&c, ClaimOf(2, 3), now).ok());
  ASSERT_TRUE(pairing.Rest(&a).ok());
  pairing.Remove(&b);
  EXPECT_TRUE(a.frames.empty());
  ASSERT_TRUE(pairing.Ask(&a, AskBody({1, 2}), now).ok());
  EXPECT_EQ(DecodeGone(a.Next(MessageType::kGone))->peer, 1u);
  EXPECT_TRUE(a.frames.empty());
  for (Client* client : {&a, &c}) pairing.Remove(client);
}

TEST(Pairing, WhoIsSilentIsGone) {
  auto now = Clock::now();
  Pairing pairing({});
  Client a, b, resting;
  ASSERT_TRUE(pairing.Enter(&a, ClaimOf(0, 3), now).ok());
  ASSERT_TRUE(pairing.Enter(&b, ClaimOf(1, 3), now).ok());
  ASSERT_TRUE(pairing.Enter(&resting, ClaimOf(2, 3), now).ok());
  ASSERT_TRUE(pairing.Rest(&resting).ok());
  int pings = 0;
  for (int tick = 0; tick < 60; ++tick) {
    now += milliseconds(100);
    pairing.Heard(&a, now);
    pairing.Tick(now);
    while (a.Next(MessageType::kPing) != "none") ++pings;
  }
  EXPECT_EQ(pings, 5);  // the sixth comes behind what it then hears of b
  EXPECT_NE(b.dropped, "");
  EXPECT_EQ(a.dropped, "");
  EXPECT_EQ(resting.dropped, "");
  EXPECT_TRUE(resting.frames.empty());
  const Gone gone = *DecodeGone(a.Next(MessageType::kGone));
  EXPECT_EQ(gone.peer, 1u);
  EXPECT_EQ(gone.reason, GoneReason::kSilent);
  // A server that was stopped itself blames nobody.
  pairing.Tick(now + seconds(60));
  EXPECT_EQ(a.dropped, "");
  pairing.Remove(&a);
  pairing.Remove(&resting);
}

TEST(Pairing, Bounds) {
  const auto now = Clock::now();
  Pairing pairing({.rooms = 3, .rooms_per_address = 2, .world = 8});
  Client a, b, c, d;
  EXPECT_TRUE(pairing.Enter(&a, ClaimOf(0, 9, 'a'), now).IsInvalid());
  EXPECT_TRUE(pairing.Enter(&a, ClaimOf(8, 8, 'a'), now).IsInvalid());
  EXPECT_TRUE(pairing.Enter(&a, ClaimOf(0, 0, 'a'), now).IsInvalid());
  ASSERT_TRUE(pairing.Enter(&a, ClaimOf(0, 8, 'a'), now).ok());
  EXPECT_TRUE(pairing.Enter(&a, ClaimOf(1, 8, 'b'), now).IsInvalid());  // one room a connection
  EXPECT_TRUE(pairing.Enter(&b, ClaimOf(1, 7, 'a'), now).IsInvalid());  // another world
  ASSERT_TRUE(pairing.Enter(&b, ClaimOf(0, 8, 'b'), now).ok());
  EXPECT_TRUE(pairing.Enter(&c, ClaimOf(0, 8, 'c'), now).IsCapacityError());
  EXPECT_TRUE(pairing.Ask(&a, AskBody({8}), now).IsInvalid());
  EXPECT_TRUE(pairing.Ask(&a, AskBody({0}), now).IsInvalid());
  EXPECT_TRUE(pairing.Ask(&a, AskBody({1}) + "x", now).IsInvalid());
  EXPECT_TRUE(pairing.Ask(&a, std::string("\xff\xff\xff\xff", 4), now).IsInvalid());
  EXPECT_TRUE(pairing.Ask(&c, AskBody({1}), now).ok());  // in no room: nothing happens
  pairing.Remove(&b);
  EXPECT_TRUE(pairing.Enter(&c, ClaimOf(0, 8, 'c'), now).ok());
  pairing.Remove(&a);
  pairing.Remove(&c);
  EXPECT_EQ(pairing.rooms(), 0u);
}

TEST(Room, AClaimIsGoodForOneUseOfOneConnection) {
  const Nonce client = *MakeNonce();
  const Nonce server = *MakeNonce();
  const RoomKey key = *RoomKey::Derive(kSecret, "job", 3);
  EXPECT_EQ(RoomKey::Derive(kSecret, "job", 3)->name(), key.name());
  EXPECT_NE(RoomKey::Derive(kSecret, "job", 4)->name(), key.name());
  EXPECT_NE(RoomKey::Derive(kSecret, "bob", 3)->name(), key.name());
  EXPECT_NE(RoomKey::Derive(std::string(32, 't'), "job", 3)->name(), key.name());
  const RoomClaim claim = *key.Claim(RoomUse::kEnter, 1, 4, client, server);
  EXPECT_TRUE(IsGood(claim, RoomUse::kEnter, client, server));
  EXPECT_FALSE(IsGood(claim, RoomUse::kRelay, client, server));
  EXPECT_FALSE(IsGood(claim, RoomUse::kEnter, *MakeNonce(), server));
  EXPECT_FALSE(IsGood(claim, RoomUse::kEnter, client, *MakeNonce()));
  // Every byte of it counts.
  const std::string bytes = Encode(claim);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(IsGood(*DecodeRoomClaim(changed), RoomUse::kEnter, client, server)) << at;
    EXPECT_FALSE(DecodeRoomClaim(bytes.substr(0, at)).ok());
  }
  EXPECT_FALSE(DecodeRoomClaim(bytes + "x").ok());
}

/// Over a real server: what a stranger with the admission key can do to a job's room.
TEST(Room, AStrangerWithTheAdmissionKeyStaysOut) {
  const auto server = *RendezvousServer::Start({.key = "admission", .limits = {}});
  const RoomKey key = *RoomKey::Derive(kSecret, "job", 0);
  const RoomKey other = *RoomKey::Derive(std::string(32, 'x'), "job", 0);
  const auto enter = [&](RawClient& client, const RoomClaim& claim) {
    client.Send(Frame(MessageType::kEnter, ByteWriter().Put(uint64_t{9}).PutRaw(Encode(claim)).Take()));
  };
  RawClient rank(server->port());
  ASSERT_TRUE(rank.Admitted("admission"));
  const RoomClaim good = *key.Claim(RoomUse::kEnter, 0, 2, rank.client_nonce(), rank.server_nonce());
  enter(rank, good);
  EXPECT_EQ(rank.Receive()->type, MessageType::kReply);
  // It has overheard the claim and says it on a connection of its own.
  RawClient replay(server->port());
  ASSERT_TRUE(replay.Admitted("admission"));
  enter(replay, good);
  EXPECT_EQ(replay.ReceiveRefusal()->code, RefusalCode::kNotAdmitted);
  // It knows the room's name, and signs with a key of its own.
  RawClient forger(server->port());
  ASSERT_TRUE(forger.Admitted("admission"));
  RoomClaim forged = *other.Claim(RoomUse::kEnter, 0, 2, forger.client_nonce(), forger.server_nonce());
  forged.room = key.name();
  enter(forger, forged);
  EXPECT_EQ(forger.ReceiveRefusal()->code, RefusalCode::kNotAdmitted);
  // It has a room of its own under the same job's name; neither hears of the other.
  RawClient stranger(server->port());
  ASSERT_TRUE(stranger.Admitted("admission"));
  enter(stranger, *other.Claim(RoomUse::kEnter, 1, 2, stranger.client_nonce(), stranger.server_nonce()));
  EXPECT_EQ(stranger.Receive()->type, MessageType::kReply);
  rank.Send(EncodeAsk({1}));
  stranger.Send(EncodeAsk({0}));
  const auto next = stranger.Receive();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->type, MessageType::kPing);
  EXPECT_EQ(server->statistics().gos, 0);
}

}  // namespace
}  // namespace weft::rendezvous
