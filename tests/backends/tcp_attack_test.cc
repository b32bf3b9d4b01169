// What somebody through whose hands the links go can do to a job whose links are TLS: hold it up while links are made
// again, and end it, with an error that says what happened. Nothing else: no byte that was not sent reaches the
// program, none that was sent is read by others, and nobody waits for long.
#include <unistd.h>

#include <algorithm>
#include <set>

#include "backends/man_in_the_middle.h"
#include "weft/backends/tcp/handshake.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Where attacks on links begin: the handshake is over by then, and no whole record of the exchange is.
constexpr int64_t kInLink = 1'500;
/// Some records go through each connection before it is attacked.
constexpr int64_t kLate = 50'000;
constexpr size_t kMessage = 4 << 20;

struct Outcome {
  arrow::Status status;
  double seconds = 0;
};

/// What each rank of a world through an attacker's hands comes to. Each sends each other one long message; one that is
/// received must be the one that was sent, whatever else happens.
std::vector<Outcome> RunAttacked(int world_size, const Attack& attack, Duration connect_timeout = seconds(30),
                                 const std::string& encryption = "on") {
  WorldOptions options;
  const auto store = std::make_shared<HostileStore>(TestStore(options.job), attack);
  options.store = [&](Rank) { return store; };
  options.encryption = [&](Rank) { return encryption; };
  options.connect_timeout = connect_timeout;
  std::vector<Outcome> outcomes(static_cast<size_t>(world_size));
  RunThreads(world_size, [&](Rank rank) {
    const auto began = Clock::now();
    Outcome& outcome = outcomes[static_cast<size_t>(rank)];
    outcome.status = [&]() -> arrow::Status {
      std::vector<std::string> out(outcomes.size());
      std::vector<std::string> in(outcomes.size(), std::string(kMessage, ' '));
      std::vector<OperationPtr> receives;
      std::vector<OperationPtr> operations;
      ARROW_ASSIGN_OR_RAISE(const auto transport, JoinWorld(options, rank, world_size));
      for (Rank peer = 0; peer < world_size; ++peer) {
        const auto at = static_cast<size_t>(peer);
        out[at] = Pattern(kMessage, static_cast<uint64_t>(100 * rank + peer));
        ARROW_ASSIGN_OR_RAISE(auto receive, transport->Recv(peer, 1, {Bytes(in[at])}, nullptr));
        ARROW_ASSIGN_OR_RAISE(auto send, transport->Send(peer, 1, {Bytes(out[at])}, nullptr));
        receives.push_back(receive);
        operations.push_back(std::move(receive));
        operations.push_back(std::move(send));
      }
      const arrow::Status status = AwaitAll(*transport, operations);
      for (Rank peer = 0; peer < world_size; ++peer) {
        const auto at = static_cast<size_t>(peer);
        const OperationPtr& receive = receives[at];
        if (!receive->done() || !receive->status().ok()) continue;
        EXPECT_TRUE(in[at] == Pattern(kMessage, static_cast<uint64_t>(100 * peer + rank))) << rank << " from " << peer;
      }
      ARROW_RETURN_NOT_OK(status);
      return transport->Close(Deadline::After(seconds(10)));
    }();
    outcome.seconds = Seconds(Clock::now() - began);
  });
  return outcomes;
}

/// Every rank has an error that names another; one at least has found by itself that a peer is lost, and why. One may
/// hear of that first.
void ExpectLost(const std::vector<Outcome>& outcomes, double within, const std::string& words = "",
                Rank bystander = -1) {
  bool said = words.empty();
  bool lost = false;
  for (size_t rank = 0; rank < outcomes.size(); ++rank) {
    const Outcome& outcome = outcomes[rank];
    // Whose links are not attacked may be done before.
    if (static_cast<Rank>(rank) == bystander && outcome.status.ok()) continue;
    const CommunicationError* error = GetCommunicationError(outcome.status);
    ASSERT_NE(error, nullptr) << rank << ": " << outcome.status;
    lost = lost || error->failure == CommunicationFailure::kPeerLost;
    EXPECT_TRUE(error->failure == CommunicationFailure::kPeerLost || error->failure == CommunicationFailure::kAborted)
        << rank << ": " << outcome.status;
    EXPECT_GE(error->peer, 0) << outcome.status;
    EXPECT_LT(outcome.seconds, within) << rank << ": " << outcome.status;
    said = said || outcome.status.message().find(words) != std::string::npos;
  }
  EXPECT_TRUE(lost) << outcomes[0].status;
  EXPECT_TRUE(said) << words << "\n" << outcomes[0].status << "\n" << outcomes[1].status;
}

TEST(TcpAttack, WhoOnlyListensLearnsNothingAndBreaksNothing) {
  std::mutex mutex;
  std::string heard;
  const auto outcomes = RunAttacked(2, [&](Piece& piece) {
    const std::lock_guard lock(mutex);
    heard += piece.bytes;
  });
  for (const Outcome& outcome : outcomes) ASSERT_OK(outcome.status);
  EXPECT_GT(heard.size(), 2 * kMessage);
  for (const uint64_t seed : {1, 100}) {
    const std::string sent = Pattern(kMessage, seed);
    for (size_t at = 0; at + 16 <= sent.size(); at += 65'536) {
      ASSERT_EQ(heard.find(sent.substr(at, 16)), std::string::npos) << at;
    }
  }
}

TEST(TcpAttack, AlteredBytes) {
  ExpectLost(RunAttacked(2,
                         [](Piece& piece) {
                           const int64_t at = IndexOf(piece, kInLink);
                           if (at >= 0) piece.bytes[static_cast<size_t>(at)] ^= 4;
                         }),
             10, "carried nothing");
}

TEST(TcpAttack, AlteredBytesWithinAWorldOfThreeNameTheirLink) {
  const auto outcomes = RunAttacked(3, [](Piece& piece) {
    const int64_t at = IndexOf(piece, kInLink);
    if (piece.IsOf(0, 2) && at >= 0) piece.bytes[static_cast<size_t>(at)] ^= 4;
  });
  ExpectLost(outcomes, 10, "", 1);
}

TEST(TcpAttack, DroppedBytes) {
  ExpectLost(RunAttacked(2,
                         [](Piece& piece) {
                           const int64_t at = IndexOf(piece, kInLink);
                           if (at >= 0 && piece.at <= kInLink) piece.bytes.erase(static_cast<size_t>(at), 100);
                         }),
             10, "carried nothing");
}

TEST(TcpAttack, ReorderedBytes) {
  ExpectLost(RunAttacked(2,
                         [](Piece& piece) {
                           const int64_t at = IndexOf(piece, kInLink);
                           if (at >= 0) std::reverse(piece.bytes.begin() + at, piece.bytes.end());
                         }),
             10, "carried nothing");
}

/// What each connection carried before it was attacked counts, so the exchange comes to its end all the same.
TEST(TcpAttack, AttacksThatLetSomethingThroughCostTimeAlone) {
  const auto outcomes = RunAttacked(2, [](Piece& piece) {
    const int64_t at = IndexOf(piece, kLate);
    if (at >= 0) piece.bytes[static_cast<size_t>(at)] ^= 4;
  });
  for (const Outcome& outcome : outcomes) ASSERT_OK(outcome.status);
}

TEST(TcpAttack, DoubledBytes) {
  const auto outcomes = RunAttacked(2, [](Piece& piece) {
    if (IndexOf(piece, kInLink) >= 0) piece.bytes += piece.bytes;
  });
  for (const Outcome& outcome : outcomes) ASSERT_OK(outcome.status);
}

TEST(TcpAttack, TruncatedStream) {
  ExpectLost(RunAttacked(2,
                         [](Piece& piece) {
                           const int64_t at = IndexOf(piece, kInLink);
                           if (at < 0) return;
                           piece.bytes.resize(static_cast<size_t>(at));
                           piece.cut = true;
                         }),
             10);
}

/// The stream stays open, and no byte comes any more.
TEST(TcpAttack, ABlackHole) {
  ExpectLost(RunAttacked(2,
                         [](Piece& piece) {
                           const int64_t at = IndexOf(piece, kInLink);
                           if (at >= 0) piece.bytes.resize(static_cast<size_t>(at));
                         }),
             25);
}

/// From some byte on the streams of two links are each other's.
TEST(TcpAttack, SplicedLinks) {
  std::mutex mutex;
  std::map<int, std::string> held[2];
  ExpectLost(RunAttacked(3,
                         [&](Piece& piece) {
                           const int64_t at = IndexOf(piece, kInLink);
                           if (at < 0) return;
                           const std::lock_guard lock(mutex);
                           auto& of_direction = held[piece.to_target ? 1 : 0];
                           of_direction[piece.connection].append(piece.bytes, static_cast<size_t>(at));
                           piece.bytes.resize(static_cast<size_t>(at));
                           for (auto& [connection, bytes] : of_direction) {
                             if (connection != piece.connection) piece.bytes += std::exchange(bytes, {});
                           }
                         }),
             25);
}

/// The first bytes of TLS, right behind HELLO.
TEST(TcpAttack, AlteredHandshakes) {
  for (const int64_t begin : {100, 110, 130, 200, 300}) {
    const auto outcomes = RunAttacked(
        2,
        [begin](Piece& piece) {
          const int64_t at = IndexOf(piece, begin);
          if (at >= 0 && piece.at <= begin) piece.bytes[static_cast<size_t>(at)] ^= 1;
        },
        seconds(4));
    for (const Outcome& outcome : outcomes) {
      const CommunicationError* error = GetCommunicationError(outcome.status);
      ASSERT_NE(error, nullptr) << begin << outcome.status;
      EXPECT_GE(error->peer, 0) << outcome.status;
      EXPECT_LT(outcome.seconds, 12) << outcome.status;
    }
  }
}

/// A HELLO that says another choice, to have the links in the clear.
TEST(TcpAttack, ADowngradeIsRefused) {
  for (const char plain : {'\x03', '\x04'}) {
    const auto outcomes = RunAttacked(
        2,
        [plain](Piece& piece) {
          const int64_t at = IndexOf(piece, 8 + 32 + 8 + 4 + 4 + 4 + 1);  // of HELLO: the choice
          if (piece.at == 0 && at >= 0) piece.bytes[static_cast<size_t>(at)] = plain;
        },
        seconds(4));
    for (const Outcome& outcome : outcomes) {
      const CommunicationError* error = GetCommunicationError(outcome.status);
      ASSERT_NE(error, nullptr) << outcome.status;
      EXPECT_NE(outcome.status.message().find("encryption=off"), std::string::npos) << outcome.status;
      EXPECT_LT(outcome.seconds, 12) << outcome.status;
    }
  }
}

/// The end of what this connection says; empty where it does not end in time.
std::string ReadToEnd(int socket, Duration within) {
  std::string all;
  const Deadline deadline = Deadline::After(within);
  while (!deadline.Passed()) {
    pollfd polled = {socket, POLLIN, 0};
    if (::poll(&polled, 1, 20) <= 0) continue;
    char buffer[4096];
    const ssize_t got = ::recv(socket, buffer, sizeof(buffer), 0);
    if (got <= 0) return all + "END";
    all.append(buffer, static_cast<size_t>(got));
  }
  return {};
}

/// Runs a world of three, encrypted, whose rank 2 has no links before `attack` is over: till then rank 0 listens. Then
/// all must be well. `watch` sees what rank 1 and rank 0 say to each other.
void LinkAfter(
    const std::function<void(const std::string& job, uint16_t port_of_0)>& attack,
    const Attack& watch = [](Piece&) {}) {
  WorldOptions options;
  std::atomic<bool> over{false};
  const auto store = std::make_shared<HostileStore>(TestStore(options.job), [&](Piece& piece) {
    if (piece.dialer != 2 && piece.wanted != 2) return watch(piece);
    while (!over) std::this_thread::sleep_for(milliseconds(5));
  });
  options.store = [&](Rank) { return store; };
  options.encryption = [](Rank) { return "on"; };
  std::thread attacker([&] {
    uint16_t port = 0;
    for (int i = 0; i < 500 && port == 0; ++i, std::this_thread::sleep_for(milliseconds(10))) port = store->RealPort(0);
    EXPECT_NE(port, 0);
    if (port != 0) attack(options.job, port);
    over = true;
  });
  RunThreads(3, [&](Rank rank) {
    const auto transport = JoinWorld(options, rank, 3);
    ASSERT_OK(transport.status());
    std::vector<std::string> in(3, std::string(4, ' '));
    std::vector<OperationPtr> operations;
    for (Rank peer = 0; peer < 3; ++peer) {
      operations.push_back(Recv(**transport, peer, 1, in[static_cast<size_t>(peer)]));
      operations.push_back(Send(**transport, peer, 1, "ping"));
    }
    ASSERT_OK(AwaitAll(**transport, operations));
    for (const LinkInfo& link : (*transport)->links()) EXPECT_EQ(link.cipher.empty(), link.peer == rank);
    ASSERT_OK((*transport)->Close(Deadline::After(seconds(10))));
  });
  attacker.join();
}

void Say(const Descriptor& socket, std::string_view text) {
  [[maybe_unused]] const ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

constexpr size_t kHello = 100;

TEST(TcpAttack, WhoSpeaksInTheClearIsNotHeard) {
  LinkAfter([](const std::string& job, uint16_t port) {
    // It even knows the secret, and is an old or a cheating build: both its HELLO and its proof are right.
    const LinkIdentity identity = *LinkIdentity::Make(kTestSecret, job, 0, 2, 3, Encryption::kOn);
    const Descriptor socket(ConnectTo(port));
    const std::string hello = Handshake::Dial(identity, 0, LinkPath::kHost, false)->TakeOutput();
    Say(socket, hello);
    std::string answer(kHello, ' ');
    ASSERT_EQ(::recv(socket.get(), answer.data(), answer.size(), MSG_WAITALL), static_cast<ssize_t>(kHello));
    const Hash proof = MakeProof(identity.key, ProofRole::kDialer, hello + answer);
    Say(socket, std::string("WEFT\x03\x02\x20\x00", 8) + std::string(AsView(proof)));
    const std::string said = ReadToEnd(socket.get(), seconds(4));
    EXPECT_EQ(said.find("WEFT"), std::string::npos);  // no NOMINATE
    EXPECT_NE(said.find("END"), std::string::npos);
  });
}

TEST(TcpAttack, AReplayedHandshakeIsRefused) {
  std::mutex mutex;
  std::string recorded;
  LinkAfter(
      [&](const std::string& /*job*/, uint16_t port) {
        std::string replayed;
        for (int i = 0; i < 50 && (i < 5 || replayed.size() < kHello + 200); ++i) {
          std::this_thread::sleep_for(milliseconds(100));
          const std::lock_guard lock(mutex);
          replayed = recorded;
        }
        ASSERT_GT(replayed.size(), kHello + 200);  // HELLO, ClientHello, Finished
        for (const bool at_once : {true, false}) {
          const Descriptor socket(ConnectTo(port));
          for (size_t at = 0; at < replayed.size(); at += at_once ? replayed.size() : 96) {
            Say(socket, std::string_view(replayed).substr(at, at_once ? replayed.size() : 96));
            if (!at_once) std::this_thread::sleep_for(milliseconds(5));
          }
          const std::string said = ReadToEnd(socket.get(), seconds(4));
          ASSERT_GE(said.size(), kHello);
          // Its own HELLO, and an alert at most: it did not take what it heard for rank 1.
          const std::string next = said.substr(kHello, 2);
          EXPECT_TRUE(next == "EN" || next == "\x15\x03") << said.size();
          EXPECT_LT(said.size(), kHello + 3 + 10);
        }
      },
      [&](Piece& piece) {
        const std::lock_guard lock(mutex);
        if (piece.to_target) recorded += piece.bytes;
      });
}

TEST(TcpAttack, HalfOpenTlsHandshakesAreClosedInTime) {
  LinkAfter([](const std::string& job, uint16_t port) {
    // A stranger who knows the job's name, and what a rank would say.
    const LinkIdentity stranger = *LinkIdentity::Make(std::string(32, 'x'), job, 0, 2, 3, Encryption::kOn);
    const auto began = Clock::now();
    std::vector<Descriptor> sockets;
    for (int i = 0; i < 300; ++i) {
      sockets.emplace_back(ConnectTo(port));
      Say(sockets.back(), Handshake::Dial(stranger, 0, LinkPath::kHost, false)->TakeOutput());
      Say(sockets.back(), std::string("\x16\x03\x01\x01\x00\x01\x00\x00", 8));  // the first bytes of a ClientHello
    }
    for (const Descriptor& socket : sockets) {
      EXPECT_NE(ReadToEnd(socket.get(), seconds(6)), "");
    }
    EXPECT_LT(Clock::now() - began, seconds(12));
  });
}

}  // namespace
}  // namespace weft::tcp
