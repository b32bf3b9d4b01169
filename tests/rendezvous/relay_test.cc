// The relay over a real server: bytes both ways, bounds, and who may use it.
#include "weft/rendezvous/relay_call.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <thread>

#include "rendezvous/raw_client.h"
#include "weft/rendezvous/server.h"

namespace weft::rendezvous {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kKey = "admission";

RoomKey RoomOf(const std::string& job) { return *RoomKey::Derive(std::string(32, 's'), job, 0); }

/// Says all that a rank says to be relayed; the stream follows.
class Caller : public RawClient {
 public:
  Caller(const RendezvousServer& server, const RoomKey& room, uint32_t rank, uint32_t peer, int receive_buffer = 0)
      : RawClient(server.port(), receive_buffer), call_(*RelayCall::Make(kKey, room, rank, peer)) {}

  /// Until the request is out.
  void Ask() {
    while (call_.state() == RelayCall::State::kGreeting) Step();
    Send(call_.TakeOutput());
  }
  /// Until there is an answer; what it was.
  RelayCall::State Finish() {
    while (call_.state() == RelayCall::State::kAwaitPeer && call_.wanted() > 0) Step();
    return call_.state();
  }
  const std::string& cause() const { return call_.cause(); }

 private:
  void Step() {
    Send(call_.TakeOutput());
    const std::string bytes = ReceiveRaw(call_.wanted());
    ASSERT_FALSE(bytes.empty());
    call_.Consume(bytes);
  }
  RelayCall call_;
};

std::unique_ptr<RendezvousServer> StartServer(const RelayLimits& relay = {}) {
  RendezvousServerOptions options;
  options.key = kKey;
  options.limits.relay = relay;
  return *RendezvousServer::Start(options);
}

std::string Noise(size_t size) {
  std::string text(size, '\0');
  uint32_t state = 1;
  for (char& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return text;
}

template <typename Condition>
bool Eventually(const Condition& condition) {
  const Deadline deadline = Deadline::After(seconds(10));
  while (!condition()) {
    if (deadline.Passed()) return false;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return true;
}

TEST(Relay, CarriesBytesBothWaysAndTheEnds) {
  const auto server = StartServer();
  const RoomKey room = RoomOf("job");
  Caller a(*server, room, 0, 1), b(*server, room, 1, 0);
  a.Ask();
  b.Ask();
  ASSERT_EQ(a.Finish(), RelayCall::State::kJoined);
  ASSERT_EQ(b.Finish(), RelayCall::State::kJoined);
  const std::string text = Noise(3 << 20);
  for (auto [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
    std::thread sender([&text, from = from] { from->Send(text); });
    EXPECT_EQ(to->ReceiveRaw(text.size()), text);
    sender.join();
  }
  // One side may end while the other goes on.
  ::shutdown(a.fd(), SHUT_WR);
  EXPECT_TRUE(b.Ends());
  b.Send("still here");
  EXPECT_EQ(a.ReceiveRaw(10), "still here");
  b.Close();
  EXPECT_TRUE(a.Ends());
  // The statistics are of a moment ago.
  EXPECT_TRUE(Eventually([&] { return server->statistics().relayed_bytes >= 2 * static_cast<int64_t>(text.size()); }));
  EXPECT_TRUE(Eventually([&] { return server->statistics().relayed_pairs == 0; }));
  EXPECT_TRUE(Eventually([&] { return server->statistics().connections == 0; }));
}

TEST(Relay, PairsOnlyThoseThatNameEachOther) {
  const auto server = StartServer();
  Caller a(*server, RoomOf("one"), 0, 1), b(*server, RoomOf("two"), 1, 0), c(*server, RoomOf("one"), 2, 0);
  for (Caller* caller : {&a, &b, &c}) caller->Ask();
  Caller right(*server, RoomOf("one"), 1, 0);
  right.Ask();
  EXPECT_EQ(right.Finish(), RelayCall::State::kJoined);
  EXPECT_EQ(a.Finish(), RelayCall::State::kJoined);
  a.Send("x");
  EXPECT_EQ(right.ReceiveRaw(1), "x");
  EXPECT_EQ(b.ReceiveRaw(1, milliseconds(100)), "");
  EXPECT_EQ(c.ReceiveRaw(1, milliseconds(100)), "");
}

TEST(Relay, ALaterCallOfARankTakesTheEarlierOnesPlace) {
  const auto server = StartServer();
  const RoomKey room = RoomOf("job");
  Caller stale(*server, room, 0, 1), fresh(*server, room, 0, 1), peer(*server, room, 1, 0);
  stale.Ask();
  ASSERT_TRUE(Eventually([&] { return server->statistics().admitted == 1; }));
  fresh.Ask();
  EXPECT_EQ(stale.Finish(), RelayCall::State::kFailed);
  EXPECT_NE(stale.cause().find("come anew"), std::string::npos) << stale.cause();
  peer.Ask();
  EXPECT_EQ(peer.Finish(), RelayCall::State::kJoined);
  EXPECT_EQ(fresh.Finish(), RelayCall::State::kJoined);
}

TEST(Relay, AStrangerCannotTakeARanksPlace) {
  const auto server = StartServer();
  const RoomKey room = RoomOf("job");
  RawClient stranger(server->port());
  ASSERT_TRUE(stranger.Admitted(kKey));
  RoomClaim claim = *RoomKey::Derive(std::string(32, 'x'), "job", 0)
                         ->Claim(RoomUse::kRelay, 0, 1, stranger.client_nonce(), stranger.server_nonce());
  claim.room = room.name();
  stranger.Send(Frame(MessageType::kRelay, ByteWriter().Put(uint64_t{1}).PutRaw(Encode(claim)).Take()));
  EXPECT_EQ(stranger.ReceiveRefusal()->code, RefusalCode::kNotAdmitted);
}

TEST(Relay, ASlowReaderHoldsBackTheSender) {
  const auto server = StartServer();
  const RoomKey room = RoomOf("job");
  Caller a(*server, room, 0, 1), b(*server, room, 1, 0, 64 << 10);
  a.Ask();
  b.Ask();
  ASSERT_EQ(a.Finish(), RelayCall::State::kJoined);
  ASSERT_EQ(b.Finish(), RelayCall::State::kJoined);
  ::fcntl(a.fd(), F_SETFL, ::fcntl(a.fd(), F_GETFL) | O_NONBLOCK);
  const std::string text = Noise(64 << 20);
  size_t sent = 0;
  const Deadline deadline = Deadline::After(seconds(2));
  while (!deadline.Passed() && sent < text.size()) {
    const ssize_t got = ::send(a.fd(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (got > 0) sent += static_cast<size_t>(got);
    if (got < 0) std::this_thread::sleep_for(milliseconds(10));
  }
  // What the kernels' buffers hold, and one of the relay's; not what was to be sent.
  EXPECT_LT(sent, text.size() / 2);
  EXPECT_EQ(b.ReceiveRaw(sent), text.substr(0, sent));
}

TEST(Relay, Quotas) {
  const auto server = StartServer({.pairs = 2, .pairs_per_room = 1, .bytes_per_room = 1 << 20});
  Caller a(*server, RoomOf("one"), 0, 1), b(*server, RoomOf("one"), 1, 0), c(*server, RoomOf("one"), 2, 0);
  a.Ask();
  b.Ask();
  ASSERT_EQ(a.Finish(), RelayCall::State::kJoined);
  ASSERT_EQ(b.Finish(), RelayCall::State::kJoined);
  c.Ask();
  EXPECT_EQ(c.Finish(), RelayCall::State::kFailed);
  EXPECT_NE(c.cause().find("its limit"), std::string::npos) << c.cause();
  // The bytes of a room.
  std::thread sender([&] { a.Send(Noise(2 << 20)); });
  EXPECT_LT(b.ReceiveRaw(2 << 20).size(), size_t{1} << 21);
  sender.join();
  EXPECT_TRUE(b.Ends());
  Caller again(*server, RoomOf("one"), 0, 1);
  again.Ask();
  EXPECT_EQ(again.Finish(), RelayCall::State::kFailed);
  EXPECT_NE(again.cause().find("quota"), std::string::npos) << again.cause();
  // Another room has its own.
  Caller d(*server, RoomOf("two"), 0, 1), e(*server, RoomOf("two"), 1, 0);
  d.Ask();
  e.Ask();
  EXPECT_EQ(d.Finish(), RelayCall::State::kJoined);
}

TEST(Relay, Rate) {
  const auto server = StartServer({.bytes_per_second_per_room = 1 << 20});
  Caller a(*server, RoomOf("job"), 0, 1), b(*server, RoomOf("job"), 1, 0);
  a.Ask();
  b.Ask();
  ASSERT_EQ(a.Finish(), RelayCall::State::kJoined);
  ASSERT_EQ(b.Finish(), RelayCall::State::kJoined);
  const std::string text = Noise(3 << 20);
  const auto began = Clock::now();
  std::thread sender([&] { a.Send(text); });
  EXPECT_EQ(b.ReceiveRaw(text.size()), text);
  sender.join();
  // A second's worth was saved up.
  EXPECT_GT(Clock::now() - began, milliseconds(1700));
}

TEST(Relay, EndsWhatWaitsOrIsIdleForTooLong) {
  const auto server = StartServer({.wait = milliseconds(300), .idle = milliseconds(400)});
  Caller alone(*server, RoomOf("one"), 0, 1);
  alone.Ask();
  EXPECT_EQ(alone.Finish(), RelayCall::State::kFailed);
  EXPECT_NE(alone.cause().find("did not come"), std::string::npos) << alone.cause();
  Caller a(*server, RoomOf("two"), 0, 1), b(*server, RoomOf("two"), 1, 0);
  a.Ask();
  b.Ask();
  ASSERT_EQ(a.Finish(), RelayCall::State::kJoined);
  ASSERT_EQ(b.Finish(), RelayCall::State::kJoined);
  EXPECT_TRUE(a.Ends(seconds(5)));
  EXPECT_TRUE(b.Ends(seconds(5)));
  EXPECT_TRUE(Eventually([&] { return server->statistics().connections == 0; }));
}

TEST(Relay, AParkedCallThatSpeaksIsRefusedAndOneThatEndsIsForgotten) {
  const auto server = StartServer();
  const RoomKey room = RoomOf("job");
  Caller eager(*server, room, 0, 1);
  eager.Ask();
  eager.Send(GetRequest(1, "k"));
  EXPECT_EQ(eager.Finish(), RelayCall::State::kFailed);
  {
    Caller gone(*server, room, 0, 1);
    gone.Ask();
    ASSERT_TRUE(Eventually([&] { return server->statistics().admitted >= 1; }));
  }
  ASSERT_TRUE(Eventually([&] { return server->statistics().admitted == 0; }));
  Caller peer(*server, room, 1, 0), rank(*server, room, 0, 1);
  peer.Ask();
  rank.Ask();
  EXPECT_EQ(rank.Finish(), RelayCall::State::kJoined);
  EXPECT_EQ(peer.Finish(), RelayCall::State::kJoined);
}

TEST(Relay, StopsWithTheServer) {
  const auto server = StartServer();
  Caller a(*server, RoomOf("job"), 0, 1), b(*server, RoomOf("job"), 1, 0);
  a.Ask();
  b.Ask();
  ASSERT_EQ(a.Finish(), RelayCall::State::kJoined);
  ASSERT_EQ(b.Finish(), RelayCall::State::kJoined);
  server->Stop();
  EXPECT_TRUE(a.Ends());
  EXPECT_TRUE(b.Ends());
}

TEST(Relay, CanBeOff) {
  const auto server = StartServer({.pairs = 0});
  Caller a(*server, RoomOf("job"), 0, 1);
  a.Ask();
  EXPECT_EQ(a.Finish(), RelayCall::State::kFailed);
  EXPECT_NE(a.cause().find("relays nothing"), std::string::npos) << a.cause();
}

}  // namespace
}  // namespace weft::rendezvous
