// Links that break and are made again while all collectives run over them; peers that are gone are not waited for.
#include <sys/wait.h>

#include <barrier>
#include <cstdlib>
#include <random>

#include "backends/cutting_proxy.h"
#include "backends/tcp_world.h"
#include "weft/communicator/p2p_communicator.h"
#include "weft/rendezvous/listener.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Fate = CuttingProxy::Fate;

bool Soak() { return std::getenv("WEFT_SOAK") != nullptr; }

/// A world of threads each of which can be reached through a proxy of its own alone.
class ProxiedWorld {
 public:
  ProxiedWorld(int world_size, const CuttingProxy::Plan& plan, uint64_t seed) : world_size_(world_size) {
    for (Rank rank = 0; rank < world_size; ++rank) {
      listeners_.push_back(*Listener::Open(64));
      proxies_.push_back(
          std::make_unique<CuttingProxy>(listeners_.back()->port(), plan, seed * 1000 + static_cast<uint64_t>(rank)));
    }
  }

  arrow::Result<std::unique_ptr<Transport>> Join(Rank rank) {
    JobIdentity identity{job_, 0, world_size_, rank};
    ARROW_ASSIGN_OR_RAISE(const auto membership, Membership::Join(TestStore(job_), identity));
    BackendContext context;
    context.membership = membership.get();
    context.secret = kTestSecret;
    context.connect_timeout = seconds(30);
    context.listener = listeners_[static_cast<size_t>(rank)];
    context.advertise = "127.0.0.1:" + std::to_string(proxy(rank).port());
    context.encryption = ChosenEncryption();
    context.shm = ChosenShm();
    return MakeTransport(context);
  }

  CuttingProxy& proxy(Rank rank) { return *proxies_[static_cast<size_t>(rank)]; }
  void SetCutting(bool cutting) {
    for (const auto& proxy : proxies_) proxy->set_cutting(cutting);
  }
  void CutAll(Fate fate) {
    for (const auto& proxy : proxies_) proxy->CutNow(fate);
  }
  int64_t cuts() const {
    int64_t cuts = 0;
    for (const auto& proxy : proxies_) cuts += proxy->cuts();
    return cuts;
  }

 private:
  const std::string job_ = FreshJob();
  const int world_size_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<CuttingProxy>> proxies_;
};

using Numbers = std::vector<int64_t>;

int64_t Value(int rank, int round, size_t at) {
  return static_cast<int64_t>((static_cast<uint64_t>(rank + 1) * 0x9E3779B97F4A7C15ull +
                               static_cast<uint64_t>(round) * 977 + at * 0xBF58476D1CE4E5B9ull) >>
                              20);
}

Numbers Block(int rank, int round, size_t size) {
  Numbers block(size);
  for (size_t i = 0; i < size; ++i) block[i] = Value(rank, round, i);
  return block;
}

ConstBytes In(const Numbers& numbers) { return std::as_bytes(std::span(numbers)); }
MutableBytes Out(Numbers& numbers) { return std::as_writable_bytes(std::span(numbers)); }

/// Returns when both of two ranks have their link, and both know: what one of them does next cannot overtake the
/// meeting.
arrow::Status Meet(Transport& transport, Rank rank, std::barrier<>& both) {
  std::string go(2, ' ');
  const arrow::Status status =
      AwaitAll(transport, {Recv(transport, 1 - rank, 9, go), Send(transport, 1 - rank, 9, "go")});
  both.arrive_and_wait();
  return status;
}

/// One of each collective over blocks of `size` numbers, several of them under way at once; each result is compared.
void AllCollectives(Communicator& world, int round, size_t size) {
  const int ranks = world.world_size();
  const auto n = static_cast<size_t>(ranks);
  const Rank me = world.rank();
  const Rank root = round % ranks;
  const Reduction sum{.type = arrow::Type::INT64};
  const Numbers own = Block(me, round, size);
  Numbers all_expected;
  Numbers sum_expected(size);
  Numbers scan_expected(size);
  for (int rank = 0; rank < ranks; ++rank) {
    const Numbers block = Block(rank, round, size);
    all_expected.insert(all_expected.end(), block.begin(), block.end());
    for (size_t i = 0; i < size; ++i) {
      sum_expected[i] += block[i];
      if (rank <= me) scan_expected[i] += block[i];
    }
  }
  ASSERT_OK(world.Barrier());
  Numbers broadcast = me == root ? own : Numbers(size);
  Numbers gathered(me == root ? n * size : 0);
  Numbers all(n * size);
  Numbers scattered(size);
  Numbers turned(n * size);
  Numbers reduced(size);
  Numbers all_reduced(size);
  Numbers part(size);
  Numbers scanned(size);
  Numbers whole(n * size);
  for (size_t rank = 0; rank < n; ++rank) {
    std::copy(own.begin(), own.end(), whole.begin() + static_cast<std::ptrdiff_t>(rank * size));
  }
  const std::vector<int64_t> bytes(n, static_cast<int64_t>(size * sizeof(int64_t)));
  const std::vector<int64_t> counts(n, static_cast<int64_t>(size));
  const auto count = static_cast<int64_t>(size);
  std::vector<RequestPtr> requests;
  const auto add = [&requests](arrow::Result<RequestPtr> request) {
    if (!request.ok()) return request.status();
    requests.push_back(*std::move(request));
    return arrow::Status::OK();
  };
  ASSERT_OK(add(world.Ibroadcast(Out(broadcast), root)));
  ASSERT_OK(add(world.Igather(In(own), Out(gathered), root)));
  ASSERT_OK(add(world.Iallgather(In(own), Out(all))));
  ASSERT_OK(add(world.Iscatter(me == root ? In(all_expected) : ConstBytes{}, Out(scattered), root)));
  ASSERT_OK(add(world.Ialltoallv(In(whole), bytes, {}, Out(turned), bytes, {})));
  ASSERT_OK(add(world.Ireduce(In(own), Out(reduced), count, sum, root)));
  ASSERT_OK(add(world.Iallreduce(In(own), Out(all_reduced), count, sum)));
  ASSERT_OK(add(world.IreduceScatter(In(whole), Out(part), counts, sum)));
  ASSERT_OK(add(world.Iscan(In(own), Out(scanned), count, sum)));
  ASSERT_OK(add(world.Ibarrier()));
  for (const RequestPtr& request : requests) ASSERT_OK(request->Wait());
  ASSERT_TRUE(broadcast == Block(root, round, size));
  if (me == root) {
    ASSERT_TRUE(gathered == all_expected);
    ASSERT_TRUE(reduced == sum_expected);
  }
  ASSERT_TRUE(all == all_expected);
  ASSERT_TRUE(scattered == own);
  ASSERT_TRUE(turned == all_expected);
  ASSERT_TRUE(all_reduced == sum_expected);
  ASSERT_TRUE(part == sum_expected);
  ASSERT_TRUE(scanned == scan_expected);
}

/// Runs all collectives until there were so many cuts; returns how often links were made again, over all ranks.
int64_t RunUnderCuts(int world_size, CuttingProxy::Plan plan, int64_t cuts, uint64_t seed) {
  // Beside shared memory little goes through the proxies.
  if (ChosenShm() && ChosenEncryption() != "on") plan.most = std::max(2 * plan.least, plan.most / 50);
  ProxiedWorld proxied(world_size, plan, seed);
  std::atomic<int64_t> remade{0};
  std::atomic<int> linked{0};
  RunThreads(world_size, [&](Rank rank) {
    auto transport = proxied.Join(rank);
    ASSERT_OK(transport.status());
    auto world = *MakeP2PCommunicator("tcp", *std::move(transport), {.timeout = seconds(60), .check_interrupt = {}});
    if (++linked == world_size) proxied.SetCutting(true);
    const std::vector<size_t> sizes = {0, 1, 130, 9'000, 40'000, 300'000};
    std::mt19937_64 random(seed);  // the same on all ranks
    for (int round = 0;; ++round) {
      AllCollectives(*world, round, sizes[random() % sizes.size()]);
      if (::testing::Test::HasFatalFailure() || !world->failure().ok()) break;
      Numbers enough = {rank == 0 && proxied.cuts() >= cuts ? 1 : 0};
      ASSERT_OK(world->Broadcast(Out(enough), 0));
      if (enough[0] != 0) break;
    }
    if (rank == 0) proxied.SetCutting(false);
    for (const LinkInfo& link : world->links()) remade += link.remade;
    ASSERT_OK(world->Close(seconds(10)));
  });
  EXPECT_GE(proxied.cuts(), cuts);
  return remade;
}

TEST(TcpRelink, ResetsAndEndsAtAnyByte) {
  const int64_t remade = RunUnderCuts(3, {}, Soak() ? 3000 : 150, 1);
  EXPECT_GT(remade, Soak() ? 3000 : 150);
}

TEST(TcpRelink, ManyShortLives) {
  const int64_t remade =
      RunUnderCuts(2, {.fates = {Fate::kReset, Fate::kEnd}, .least = 10e3, .most = 200e3}, Soak() ? 5000 : 200, 2);
  EXPECT_GT(remade, Soak() ? 5000 : 200);
}

TEST(TcpRelink, OneEndHearsNothing) {
  const CuttingProxy::Plan plan{.fates = {Fate::kHalfReset, Fate::kReset}, .least = 3000, .most = 8e6};
  EXPECT_GT(RunUnderCuts(3, plan, Soak() ? 500 : 30, 3), 0);
}

TEST(TcpRelink, BlackHoles) {
  const CuttingProxy::Plan plan{.fates = {Fate::kBlackHole}, .least = 100e3, .most = 30e6};
  EXPECT_GT(RunUnderCuts(3, plan, Soak() ? 40 : 2, 4), 0);
}

TEST(TcpRelink, BetweenOperationsNobodyNotices) {
  ProxiedWorld proxied(3, {}, 5);
  RunThreads(3, [&](Rank rank) {
    auto transport = proxied.Join(rank);
    ASSERT_OK(transport.status());
    Transport& t = **transport;
    for (int round = 0; round < 5; ++round) {
      for (Rank peer = 0; peer < 3; ++peer) {
        if (peer == rank) continue;
        std::string in(7, ' ');
        const auto receive = Recv(t, peer, 1, in);
        ASSERT_OK(AwaitAll(t, {Send(t, peer, 1, "round " + std::to_string(round)), receive}));
        ASSERT_EQ(in, "round " + std::to_string(round));
      }
      // Nobody is in a call while the links break, and nobody has to be for them to be made again.
      if (rank == 0) proxied.CutAll(round % 2 == 0 ? Fate::kReset : Fate::kEnd);
      std::this_thread::sleep_for(milliseconds(500));
    }
    for (const LinkInfo& link : t.links()) {
      if (link.peer == rank) continue;
      EXPECT_EQ(link.cipher.empty(), ChosenEncryption() != "on");
      EXPECT_GE(link.remade, 4);
      EXPECT_GE(link.errors, 1);
    }
    ASSERT_OK(t.Close(Deadline::After(seconds(10))));
  });
}

TEST(TcpRelink, WhatWasSentWhileTheLinkWasDownArrives) {
  ProxiedWorld proxied(2, {}, 6);
  std::barrier both(2);
  RunThreads(2, [&](Rank rank) {
    auto transport = proxied.Join(rank);
    ASSERT_OK(transport.status());
    Transport& t = **transport;
    constexpr int kMessages = 50;
    ASSERT_OK(Meet(t, rank, both));
    if (rank == 0) {
      proxied.proxy(0).set_closed(true);
      proxied.proxy(1).set_closed(true);
      proxied.CutAll(Fate::kReset);
      for (int i = 0; i < kMessages; ++i) {
        // Complete at once, link or not.
        const auto send = Send(t, 1, 1, "message " + std::to_string(10 + i));
        ASSERT_TRUE(send->done());
      }
      std::this_thread::sleep_for(milliseconds(700));
      proxied.proxy(0).set_closed(false);
      proxied.proxy(1).set_closed(false);
      // The goodbye waits for them, too.
      ASSERT_OK(t.Close(Deadline::After(seconds(10))));
    } else {
      for (int i = 0; i < kMessages; ++i) {
        std::string in(10, ' ');
        ASSERT_OK(Await(t, Recv(t, 0, 1, in)));
        ASSERT_EQ(in, "message " + std::to_string(10 + i));
      }
      ASSERT_OK(t.Close(Deadline::After(seconds(10))));
    }
  });
}

TEST(TcpRelink, APathThatStaysCutIsAnErrorInTime) {
  ProxiedWorld proxied(2, {}, 7);
  std::barrier both(2);
  RunThreads(2, [&](Rank rank) {
    auto transport = proxied.Join(rank);
    ASSERT_OK(transport.status());
    std::string in(2, ' ');
    // Both have their links.
    ASSERT_OK(Meet(**transport, rank, both));
    if (rank == 0) {
      proxied.proxy(0).set_closed(true);
      proxied.proxy(1).set_closed(true);
      proxied.CutAll(Fate::kReset);
    }
    const auto began = Clock::now();
    const arrow::Status status = Await(**transport, Recv(**transport, 1 - rank, 1, in), seconds(20));
    ASSERT_TRUE(IsCommunicationError(status, CommunicationFailure::kPeerLost)) << status;
    EXPECT_EQ(GetCommunicationError(status)->peer, 1 - rank);
    EXPECT_NE(status.message().find("could not be made again"), std::string::npos) << status;
    EXPECT_NE(status.message().find("tries"), std::string::npos) << status;
    EXPECT_GT(Clock::now() - began, seconds(3));
    EXPECT_LT(Clock::now() - began, seconds(5));
  });
}

TEST(TcpRelink, APeerThatIsGoneIsNotWaitedFor) {
  // The transport of rank 1 ends without a word: its port is closed, which is enough to know.
  RunThreads(2, [options = WorldOptions{}](Rank rank) {
    auto transport = JoinWorld(options, rank, 2);
    ASSERT_OK(transport.status());
    if (rank == 1) {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(0);
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      (*transport)->Abort(arrow::Status::Invalid("enough"));
      return;
    }
    std::string in(2, ' ');
    const auto began = Clock::now();
    const arrow::Status status = Await(**transport, Recv(**transport, 1, 1, in), seconds(20));
    EXPECT_TRUE(IsCommunicationError(status, CommunicationFailure::kAborted)) << status;
    EXPECT_LT(Clock::now() - began, seconds(2));
  });
}

TEST(TcpRelink, AnAbortArrivesOverALinkThatIsMadeAgain) {
  ProxiedWorld proxied(2, {}, 8);
  std::barrier both(2);
  RunThreads(2, [&](Rank rank) {
    auto transport = proxied.Join(rank);
    ASSERT_OK(transport.status());
    ASSERT_OK(Meet(**transport, rank, both));
    if (rank == 0) {
      proxied.CutAll(Fate::kHalfReset);
      (*transport)->Abort(arrow::Status::Invalid("the moon is full"));
      std::this_thread::sleep_for(seconds(8));  // the other may hear nothing at all, and looks for it after 3 s
      return;
    }
    std::string in(2, ' ');
    const arrow::Status status = Await(**transport, Recv(**transport, 0, 1, in), seconds(20));
    EXPECT_TRUE(IsCommunicationError(status, CommunicationFailure::kAborted)) << status;
    EXPECT_NE(status.message().find("the moon is full"), std::string::npos) << status;
  });
}

TEST(TcpRelink, CancelledMemoryIsNotSentAgain) {
  ProxiedWorld proxied(2, {}, 9);
  RunThreads(2, [&](Rank rank) {
    auto transport = proxied.Join(rank);
    ASSERT_OK(transport.status());
    Transport& t = **transport;
    std::string go(2, ' ');
    if (rank == 0) {
      auto large = std::make_unique<std::string>(Pattern(64 << 20, 1));
      const auto send = Send(t, 1, 1, *large);
      while (t.links()[1].bytes_sent < (1 << 20)) ASSERT_OK(t.Progress(milliseconds(10)));
      t.Cancel(send);
      large.reset();
      proxied.CutAll(Fate::kReset);
      // The link goes on where nothing of the message was on its way, else it is lost: both ends say so.
      const std::string last = go;
      const auto sent = Send(t, 1, 2, last);
      const arrow::Status status = Await(t, Recv(t, 1, 3, go), seconds(20));
      EXPECT_TRUE(status.ok() || GetCommunicationError(status) != nullptr) << status;
    } else {
      std::string in(64 << 20, ' ');
      const auto receive = Recv(t, 0, 1, in);
      const arrow::Status status = Await(t, Recv(t, 0, 2, go), seconds(20));
      EXPECT_TRUE(status.ok() || GetCommunicationError(status) != nullptr) << status;
      EXPECT_FALSE(receive->done() && receive->status().ok());
      if (status.ok()) {
        ASSERT_OK(Await(t, Send(t, 0, 3, "ok")));
      }
    }
    (void)t.Close(Deadline::After(seconds(5)));
  });
}

}  // namespace
}  // namespace weft::tcp
