// Linking up: who may, who may not, and that strangers change nothing.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "backends/man_in_the_middle.h"
#include "backends/tcp_world.h"
#include "weft/backends/tcp/address.h"
#include "weft/backends/tcp/handshake.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The port that `rank` has published.
uint16_t PortOf(const std::string& job, Rank rank) {
  const auto value =
      TestStore(job)->Wait("weft:" + job + ":0:all/tcp/address/" + std::to_string(rank), Deadline::After(seconds(10)));
  if (!value.ok()) return 0;
  return Candidates::Decode(*value)->list.front().port;
}

void SendText(int socket, std::string_view text) {
  [[maybe_unused]] const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}

void PingAll(Transport& t) {
  std::vector<std::string> in(static_cast<size_t>(t.world_size()), std::string(4, ' '));
  std::vector<OperationPtr> operations;
  for (Rank peer = 0; peer < t.world_size(); ++peer) {
    operations.push_back(Recv(t, peer, 1, in[static_cast<size_t>(peer)]));
    operations.push_back(Send(t, peer, 1, "ping"));
  }
  ASSERT_OK(AwaitAll(t, operations));
}

TEST(TcpLinking, WrongSecretFailsEveryRankSoon) {
  for (const Rank wrong : {0, 1, 2, 3}) {
    WorldOptions options;
    options.secret = [wrong](Rank rank) { return rank == wrong ? std::string(32, 'x') : kTestSecret; };
    const auto began = Clock::now();
    RunThreads(4, [&](Rank rank) {
      const auto transport = JoinWorld(options, rank, 4);
      ASSERT_TRUE(IsCommunicationError(transport.status(), CommunicationFailure::kAuthenticationFailed))
          << rank << ": " << transport.status();
      EXPECT_NE(transport.status().message().find("WEFT_SECRET"), std::string::npos) << transport.status();
      EXPECT_GE(GetCommunicationError(transport.status())->peer, 0);
    });
    EXPECT_LT(Clock::now() - began, seconds(10));
  }
}

TEST(TcpLinking, WrongSecretFailsATlsHandshakeToo) {
  for (const Rank wrong : {0, 1, 2}) {
    WorldOptions options;
    options.encryption = [](Rank) { return "on"; };
    options.secret = [wrong](Rank rank) { return rank == wrong ? std::string(32, 'x') : kTestSecret; };
    const auto began = Clock::now();
    RunThreads(3, [&](Rank rank) {
      const auto transport = JoinWorld(options, rank, 3);
      ASSERT_TRUE(IsCommunicationError(transport.status(), CommunicationFailure::kAuthenticationFailed))
          << rank << ": " << transport.status();
      EXPECT_NE(transport.status().message().find("WEFT_SECRET"), std::string::npos) << transport.status();
      EXPECT_GE(GetCommunicationError(transport.status())->peer, 0);
    });
    EXPECT_LT(Clock::now() - began, seconds(10));
  }
}

TEST(TcpLinking, DifferentChoicesOfEncryptionAreRefusedByName) {
  for (const Rank different : {0, 2}) {
    WorldOptions options;
    options.encryption = [different](Rank rank) { return rank == different ? "auto" : "on"; };
    const auto began = Clock::now();
    std::atomic<int> named{0};
    RunThreads(3, [&](Rank rank) {
      const auto transport = JoinWorld(options, rank, 3);
      ASSERT_NE(GetCommunicationError(transport.status()), nullptr) << rank << ": " << transport.status();
      const std::string& text = transport.status().message();
      named += IsCommunicationError(transport.status(), CommunicationFailure::kMismatch) ? 1 : 0;
      EXPECT_NE(text.find("encryption=auto"), std::string::npos) << text;
      EXPECT_NE(text.find("encryption=on"), std::string::npos) << text;
      EXPECT_NE(text.find("WEFT_ENCRYPTION"), std::string::npos) << text;
    });
    EXPECT_GE(named, 1);
    EXPECT_LT(Clock::now() - began, seconds(10));
  }
}

TEST(TcpLinking, LinksSayWhetherTheyAreEncrypted) {
  for (const char* choice : {"auto", "on", "off", "off-even-relayed"}) {
    WorldOptions options;
    options.encryption = [choice](Rank) { return choice; };
    RunWorld(
        3,
        [choice](Transport& t) {
          PingAll(t);
          for (const LinkInfo& link : t.links()) {
            const bool encrypted = std::string_view(choice) == "on" && link.peer != t.rank();
            EXPECT_EQ(!link.cipher.empty(), encrypted) << choice << " " << link.cipher;
          }
        },
        options);
  }
}

TEST(TcpLinking, ARankThatNeverComesIsNamed) {
  WorldOptions options;
  options.connect_timeout = milliseconds(500);
  RunThreads(2, [&](Rank rank) {
    const auto transport = JoinWorld(options, rank, 3);
    ASSERT_TRUE(IsCommunicationError(transport.status(), CommunicationFailure::kTimedOut)) << transport.status();
    EXPECT_EQ(GetCommunicationError(transport.status())->peer, 2) << transport.status();
  });
}

TEST(TcpLinking, ARankThatDiesBeforeItsLinksIsLost) {
  for (const Rank gone : {0, 2}) {  // one that the others dial, and one that they wait for
    const WorldOptions options;
    const auto began = Clock::now();
    RunThreads(3, [&](Rank rank) {
      if (rank == gone) {
        const auto membership = *Membership::Join(TestStore(options.job), {options.job, 0, 3, rank});
        // Port 1: nobody listens there.
        const Candidates candidates = *GatherCandidates(1, "");
        ASSERT_OK(membership->ExchangeAll("tcp/address", candidates.Encode(), Deadline::After(seconds(10))).status());
        return;
      }
      const auto transport = JoinWorld(options, rank, 3);
      EXPECT_TRUE(IsCommunicationError(transport.status(), CommunicationFailure::kPeerLost)) << transport.status();
      if (const CommunicationError* error = GetCommunicationError(transport.status())) {
        EXPECT_EQ(error->peer, gone);
      }
    });
    EXPECT_LT(Clock::now() - began, seconds(10));
  }
}

/// A rank waits for those that have others to link with, longer than for one that is silent.
TEST(TcpLinking, ALinkThatTakesLongHoldsNobodyForLost) {
  for (const char* encryption : {"auto", "on"}) {
    WorldOptions options;
    options.encryption = [encryption](Rank) { return encryption; };
    const auto opens = Clock::now() + seconds(6);
    const auto store = std::make_shared<HostileStore>(TestStore(options.job), [opens](Piece& piece) {
      if (piece.IsOf(1, 2) && Clock::now() < opens) piece.cut = true;
    });
    options.store = [&](Rank) { return store; };
    RunWorld(
        3,
        [&](Transport& t) {
          if (t.rank() == 0) {
            EXPECT_LT(Clock::now(), opens);
          }
          PingAll(t);
          EXPECT_GE(Clock::now(), opens);
          for (const LinkInfo& link : t.links()) EXPECT_EQ(link.remade, 0) << t.rank() << " to " << link.peer;
        },
        options);
  }
}

TEST(TcpLinking, OptionsAreChecked) {
  const std::string job = FreshJob();
  JobIdentity identity;
  identity.job = job;
  identity.epoch = 0;
  identity.world_size = 2;
  identity.rank = 0;
  const auto membership = *Membership::Join(TestStore(job), identity);
  BackendContext context;
  context.membership = membership.get();
  context.secret = kTestSecret;
  context.encryption = "yes";
  EXPECT_TRUE(MakeTransport(context).status().IsInvalid());
  context.encryption = "off";
  context.secret = "short";
  EXPECT_TRUE(MakeTransport(context).status().IsInvalid());
  context.secret = kTestSecret;
  context.advertise = "nobody.invalid:1";
  EXPECT_TRUE(MakeTransport(context).status().IsInvalid());
}

TEST(TcpLinking, InterruptEndsIt) {
  WorldOptions options;
  const std::string job = FreshJob();
  JobIdentity identity{job, 0, 2, 0};
  const auto membership = *Membership::Join(TestStore(job), identity);
  BackendContext context;
  context.membership = membership.get();
  context.secret = kTestSecret;
  const auto began = Clock::now();
  context.communicator.check_interrupt = [&] {
    return Clock::now() - began > milliseconds(200) ? arrow::Status::Cancelled("ctrl-c") : arrow::Status::OK();
  };
  EXPECT_TRUE(MakeTransport(context).status().IsCancelled());
  EXPECT_LT(Clock::now() - began, seconds(5));
}

TEST(TcpLinking, AdvertisedAddressIsDialed) {
  WorldOptions options;
  options.advertise = "127.0.0.1";
  RunWorld(3, [](Transport& t) { PingAll(t); }, options);
}

/// Runs a world of three in which rank 2 comes only when `attack` on the ports of the others has begun.
void LinkUnderAttack(const std::function<void(const std::string& job, const std::atomic<bool>& over)>& attack) {
  WorldOptions options;
  std::atomic<bool> over{false};
  std::thread attacker([&] { attack(options.job, over); });
  RunThreads(3, [&](Rank rank) {
    if (rank == 2) std::this_thread::sleep_for(milliseconds(300));
    auto transport = JoinWorld(options, rank, 3);
    ASSERT_OK(transport.status());
    PingAll(**transport);
    ASSERT_OK((*transport)->Close(Deadline::After(seconds(10))));
  });
  over = true;
  attacker.join();
}

TEST(TcpLinking, JunkClosesOnlyItsOwnConnection) {
  LinkUnderAttack([](const std::string& job, const std::atomic<bool>& over) {
    const uint16_t port = PortOf(job, 0);
    std::mt19937 random(1);
    while (!over) {
      const int socket = ConnectTo(port);
      if (socket < 0) return;  // linked, the port is closed
      std::string junk(random() % 300, ' ');
      for (char& c : junk) c = static_cast<char>(random());
      if (random() % 2 == 0) junk.insert(0, "WEFT\x03\x01");
      SendText(socket, junk);
      ::close(socket);
    }
  });
}

TEST(TcpLinking, HalfOpenFloodDoesNotKeepRanksOut) {
  LinkUnderAttack([](const std::string& job, const std::atomic<bool>& over) {
    const uint16_t port = PortOf(job, 0);
    std::vector<int> sockets;
    while (!over && sockets.size() < 500) {
      const int socket = ConnectTo(port);
      if (socket < 0) break;
      sockets.push_back(socket);
    }
    for (const int socket : sockets) ::close(socket);
  });
}

TEST(TcpLinking, AStrangerWhoKnowsTheJobsNameCannotFailIt) {
  LinkUnderAttack([](const std::string& job, const std::atomic<bool>& over) {
    const uint16_t port = PortOf(job, 0);
    const LinkIdentity stranger = *LinkIdentity::Make(std::string(32, 'x'), job, 0, 2, 3);
    while (!over) {
      const int socket = ConnectTo(port);
      if (socket < 0) return;
      Handshake handshake = *Handshake::Dial(stranger, 0, LinkPath::kHost, false);
      SendText(socket, handshake.TakeOutput());
      SendText(socket, std::string("WEFT\x03\x02\x20\x00", 8) + std::string(32, 'p'));  // a wrong proof
      char buffer[512];
      (void)!::recv(socket, buffer, sizeof(buffer), 0);
      ::close(socket);
    }
  });
}

/// While the world lasts the port is open: links may have to be made again.
TEST(TcpLinking, ThePortIsClosedAtTheEnd) {
  const WorldOptions options;
  std::atomic<int> ports{0};
  RunThreads(2, [&](Rank rank) {
    uint16_t port = 0;
    std::thread reader([&] { port = rank == 0 ? PortOf(options.job, 0) : uint16_t{0}; });
    auto transport = JoinWorld(options, rank, 2);
    reader.join();
    ASSERT_OK(transport.status());
    PingAll(**transport);
    ASSERT_OK((*transport)->Close(Deadline::After(seconds(10))));
    if (rank == 0 && port != 0) {
      ++ports;
      EXPECT_LT(ConnectTo(port), 0);
    }
  });
}

TEST(TcpLinking, AHigherEpochSupersedes) {
  const std::string job = FreshJob();
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(300));
    JobIdentity identity{job, 5, 2, 0};
    const auto higher = Membership::Join(TestStore(job), identity);
    ASSERT_OK(higher.status());
    std::this_thread::sleep_for(seconds(3));
  });
  WorldOptions options;
  options.job = job;
  const auto transport = JoinWorld(options, 0, 2);
  EXPECT_TRUE(IsCommunicationError(transport.status(), CommunicationFailure::kSuperseded)) << transport.status();
  late.join();
}

}  // namespace
}  // namespace weft::tcp
