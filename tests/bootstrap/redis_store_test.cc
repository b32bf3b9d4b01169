// What is Redis' own: its URL, servers that come late, never, or go, and many jobs on one server.
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <thread>
#include <vector>

#include "bootstrap/redis_server.h"
#include "weft/base/communication_error.h"
#include "weft/bootstrap/membership.h"
#include "weft/bootstrap/store.h"
#include "weft/communicator/backend.h"

namespace weft {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLong = std::chrono::hours(1);

#if WEFT_HAVE_REDIS

class RedisStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::Found()) GTEST_SKIP() << "redis-server is not installed";
  }
  static arrow::Result<std::shared_ptr<Store>> Open(const std::string& url, Duration connect_timeout = seconds(20),
                                                    Duration call_timeout = seconds(10)) {
    StoreOptions options;
    options.connect_timeout = connect_timeout;
    options.call_timeout = call_timeout;
    return OpenStore(url, options);
  }
  static void ExpectNoPassword(const arrow::Status& status, const std::string& password = RedisServer::kPassword) {
    EXPECT_EQ(status.ToString().find(password), std::string::npos) << status.ToString();
    EXPECT_EQ(status.ToString().find(RedisServer::kEncoded), std::string::npos) << status.ToString();
  }
};

TEST_F(RedisStoreTest, RefusesBadUrlsByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"redis://", "names no host"},
      {"redis://:6379", "names no host"},
      {"redis://h:0", "names no port"},
      {"redis://h:x", "port 'x'"},
      {"redis://h:70000", "port '70000'"},
      {"redis://h/x", "database 'x'"},
      {"redis://h/1/2", "database '1/2'"},
      {"redis://[::1", "[ without ]"},
      {"redis://[::1]x", "followed by 'x'"},
      {"redis://hidden@h", "no password"},
      {"redis://u:@h", "password is empty"},
      {"redis://u:hidden%2@h", "password of the store's URL has a %"},
      {"redis://u:hidden%00@h", "password of the store's URL has a %"},
      {"redis://h?ca=x", "'ca' is not known"},
      {"rediss://h?cert=x", "both cert=FILE and key=FILE"},
      {"rediss://h?insecure=1", "'insecure' is not known"},
  };
  for (const auto& [url, words] : cases) {
    const auto status = Open(url, milliseconds(100)).status();
    EXPECT_TRUE(status.IsInvalid()) << url << ": " << status.ToString();
    EXPECT_NE(status.ToString().find(words), std::string::npos) << url << ": " << status.ToString();
    ExpectNoPassword(status, "hidden");
  }
  const auto unknown = Open("redix://u:hidden@h").status();
  EXPECT_TRUE(unknown.IsInvalid());
  ExpectNoPassword(unknown, "hidden");
}

TEST_F(RedisStoreTest, PasswordsAndDatabases) {
  RedisServer server;
  server.Start();
  const auto store = Open(server.Url(3));
  ASSERT_TRUE(store.ok()) << store.status().ToString() << server.Log();
  ASSERT_TRUE((*store)->Set("k", "three", kLong).ok());
  EXPECT_EQ(server.Command("get k", 3), "three\n");
  EXPECT_EQ(server.Command("get k", 0), "\n");
  const std::string at = "@" + server.address();
  const auto nameless = Open("redis://:" + std::string(RedisServer::kEncoded) + at + "/3");
  ASSERT_TRUE(nameless.ok()) << nameless.status().ToString();
  EXPECT_EQ((*nameless)->Get("k").ValueOrDie(), "three");
  for (const std::string& url : {"redis://weft:wr%6Fng" + at, "redis://:wr%6Fng" + at, "redis://" + server.address(),
                                 "redis://stranger:" + std::string(RedisServer::kEncoded) + at}) {
    const auto begin = Clock::now();
    const auto status = Open(url).status();
    EXPECT_TRUE(IsCommunicationError(status, CommunicationFailure::kAuthenticationFailed)) << status.ToString();
    EXPECT_NE(status.ToString().find(server.address()), std::string::npos) << status.ToString();
    ExpectNoPassword(status);
    ExpectNoPassword(status, "wrong");
    EXPECT_LT(Clock::now() - begin, seconds(10));
  }
  const auto database = Open(server.Url(5000)).status();
  EXPECT_NE(database.ToString().find("DB index"), std::string::npos) << database.ToString();
}

TEST_F(RedisStoreTest, WaitsForAServerThatComesLate) {
  RedisServer server;
  const auto begin = Clock::now();
  std::thread late([&] { std::this_thread::sleep_for(seconds(3)); });
  std::vector<std::thread> ranks;
  std::atomic<int> joined{0};
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&] {
      auto store = Open(server.Url());
      ASSERT_TRUE(store.ok()) << store.status().ToString();
      auto member = Membership::Join(*store, {.job = "late", .world_size = 2});
      ASSERT_TRUE(member.ok()) << member.status().ToString();
      EXPECT_TRUE((*member)->ExchangeAll("x", "", Deadline::After(seconds(20))).ok());
      ++joined;
    });
  }
  late.join();
  // By this thread: the kernel ends the server with the thread that started it.
  server.Start();
  for (auto& rank : ranks) rank.join();
  EXPECT_EQ(joined, 2);
  EXPECT_GE(Clock::now() - begin, seconds(3));
}

TEST_F(RedisStoreTest, AServerThatNeverComesIsAnErrorInTime) {
  const RedisServer server;
  const auto begin = Clock::now();
  const auto status = Open(server.Url(), milliseconds(700)).status();
  EXPECT_GE(Clock::now() - begin, milliseconds(700));
  EXPECT_LT(Clock::now() - begin, seconds(5));
  ASSERT_NE(GetCommunicationError(status), nullptr) << status.ToString();
  EXPECT_EQ(GetCommunicationError(status)->phase, "rendezvous");
  EXPECT_EQ(GetCommunicationError(status)->operation, "open");
  for (const std::string& word : {server.address(), std::string("refused"), std::string("redis-server")}) {
    EXPECT_NE(status.ToString().find(word), std::string::npos) << status.ToString();
  }
  ExpectNoPassword(status);
  // Ctrl-C ends it at once.
  StoreOptions options;
  options.connect_timeout = seconds(60);
  options.check_interrupt = [] { return arrow::Status::Cancelled("Ctrl-C"); };
  EXPECT_TRUE(OpenStore(server.Url(), options).status().IsCancelled());
}

TEST_F(RedisStoreTest, AServerThatDoesNotAnswerIsAnErrorInTime) {
  RedisServer server;
  server.Start();
  auto store = Open(server.Url(), seconds(20), milliseconds(500)).ValueOrDie();
  ASSERT_TRUE(store->Set("k", "v", kLong).ok());
  server.Pause();
  const auto begin = Clock::now();
  for (const arrow::Status& status : {store->Get("k").status(), store->Add("n", 1, kLong).status()}) {
    ASSERT_NE(GetCommunicationError(status), nullptr) << status.ToString();
    EXPECT_NE(status.ToString().find(server.address()), std::string::npos) << status.ToString();
  }
  EXPECT_TRUE(store->Wait("never", Deadline::Infinite()).status().IsIOError());
  EXPECT_LT(Clock::now() - begin, seconds(20));
  server.Resume();
  EXPECT_EQ(store->Get("k").ValueOrDie(), "v");
}

TEST_F(RedisStoreTest, AServerThatIsStartedAnewIsFoundAgain) {
  RedisServer server;
  server.Start();
  auto store = Open(server.Url()).ValueOrDie();
  ASSERT_TRUE(store->Set("k", "v", kLong).ok());
  server.Stop();
  server.Start();
  // The new one is empty, and may not be up yet.
  EXPECT_EQ(store->Get("k").ValueOrDie(), std::nullopt);
  EXPECT_EQ(store->Add("n", 1, kLong).ValueOrDie(), 1);
  server.Stop();
  store->StartUpIsOver();
  const auto begin = Clock::now();
  const auto status = store->Delete("k");
  EXPECT_TRUE(status.IsIOError()) << status.ToString();
  EXPECT_LT(Clock::now() - begin, seconds(5));
}

/// One rank of one job: joins, links up by tcp, adds up its job's number, leaves.
void RunRank(const std::string& url, const std::string& job, int world_size, int64_t number) {
  auto store = OpenStore(url, {});
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  auto joined = Membership::Join(*store, {.job = job, .world_size = world_size});
  ASSERT_TRUE(joined.ok()) << joined.status().ToString();
  const auto member = *std::move(joined);
  const std::string mine = job + "/" + std::to_string(member->rank());
  auto all = member->ExchangeAll("who", mine, Deadline::After(seconds(60)));
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  for (int rank = 0; rank < world_size; ++rank) {
    EXPECT_EQ((*all)[static_cast<size_t>(rank)], job + "/" + std::to_string(rank));
  }
  BackendContext context;
  context.membership = member.get();
  // One secret for all jobs: what keeps them apart shall be the store alone.
  context.secret = std::string(32, 's');
  auto made = MakeCommunicator("tcp", context);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  int64_t sum = 0;
  const auto added =
      (*made)->Allreduce(std::as_bytes(std::span(&number, 1)), std::as_writable_bytes(std::span(&sum, 1)), 1,
                         {arrow::Type::INT64, ReduceOp::kSum});
  ASSERT_TRUE(added.ok()) << added.ToString();
  EXPECT_EQ(sum, number * world_size);
  ASSERT_TRUE((*made)->Close().ok());
  EXPECT_TRUE(member->Leave().ok());
}

TEST_F(RedisStoreTest, AJobGoesOnWithoutItsServer) {
  RedisServer server;
  server.Start();
  std::vector<std::thread> ranks;
  std::atomic<int> linked{0};
  std::atomic<bool> gone{false};
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&] {
      auto member = Membership::Join(Open(server.Url()).ValueOrDie(), {.job = "alone", .world_size = 2}).ValueOrDie();
      BackendContext context;
      context.membership = member.get();
      context.secret = std::string(32, 's');
      auto communicator = MakeCommunicator("tcp", context).ValueOrDie();
      member->StartUpIsOver();
      ++linked;
      while (!gone) std::this_thread::sleep_for(milliseconds(5));
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(communicator->Barrier().ok());
      EXPECT_TRUE(communicator->Close().ok());
      const auto begin = Clock::now();
      EXPECT_FALSE(member->Leave().ok());
      EXPECT_LT(Clock::now() - begin, seconds(5));
    });
  }
  while (linked < 2) std::this_thread::sleep_for(milliseconds(5));
  server.Stop();
  gone = true;
  for (auto& rank : ranks) rank.join();
}

TEST_F(RedisStoreTest, TwentyJobsShareOneServer) {
  constexpr int kJobs = 20;
  constexpr int kRanks = 2;
  const int rounds = std::getenv("WEFT_SOAK") != nullptr ? 100 : 2;
  RedisServer server;
  server.Start();
  ASSERT_TRUE(Open(server.Url()).ok()) << server.Log();
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    std::vector<std::thread> threads;
    for (int job = 0; job < kJobs; ++job) {
      for (int rank = 0; rank < kRanks; ++rank) {
        threads.emplace_back([&, job] {
          // Names that are each other's beginnings, and are used again in each round.
          RunRank(server.Url(), "job" + std::string(static_cast<size_t>(job), '.'), kRanks, 1 << job);
        });
      }
    }
    for (auto& thread : threads) thread.join();
    // Only the marks are left, and each has its time.
    std::istringstream keys(server.Command("--scan"));
    int marks = 0;
    for (std::string key; std::getline(keys, key); ++marks) {
      const std::string name = key.substr(key.rfind(':') + 1);
      EXPECT_TRUE(name == "fence" || name == "world" || name == "arrivals" || name == "taken" ||
                  name.starts_with("rank/"))
          << key;
    }
    const int64_t epochs = round + 1;
    EXPECT_EQ(marks, kJobs * (1 + epochs * (3 + kRanks))) << "round " << round;
    std::istringstream times(
        server.Command("eval \"local t = {} for _, k in ipairs(redis.call('KEYS', '*')) do "
                       "t[#t + 1] = redis.call('PTTL', k) end return t\" 0"));
    for (int64_t time = 0; times >> time;) {
      EXPECT_GT(time, 0);
      EXPECT_LE(time, 24 * 3600 * 1000);
    }
  }
}

#if WEFT_HAVE_REDIS_TLS

TEST_F(RedisStoreTest, TlsKnowsWhomItTalksTo) {
  RedisServer server(true);
  server.Start();
  ASSERT_TRUE(Open(server.Url()).ok()) << server.Log();
  EXPECT_TRUE(Open(server.Url(0, "localhost")).ok());
  // Not an authority that this host knows, and a name that the certificate has not.
  const std::string who = "rediss://weft:" + std::string(RedisServer::kEncoded) + "@";
  for (const std::string& url :
       {who + server.address(), who + "127.0.0.2:" + std::to_string(server.port()) + "?ca=" + server.ca_file()}) {
    const auto status = Open(url, seconds(2)).status();
    EXPECT_TRUE(status.IsIOError()) << status.ToString();
    ExpectNoPassword(status);
  }
  const auto plain = Open("redis://" + server.address(), milliseconds(500)).status();
  EXPECT_TRUE(plain.IsIOError()) << plain.ToString();
}

#else

TEST_F(RedisStoreTest, TlsIsRefusedWhereItIsNotBuilt) {
  RedisServer server;
  server.Start();
  ASSERT_TRUE(Open(server.Url()).ok()) << server.Log();
  const auto begin = Clock::now();
  const auto status = Open("rediss://" + server.address()).status();
  EXPECT_NE(status.ToString().find("hiredis_ssl"), std::string::npos) << status.ToString();
  EXPECT_LT(Clock::now() - begin, seconds(10));
}

#endif
#else

TEST(RedisStore, SaysHowToGetIt) {
  for (const char* url : {"redis://localhost", "rediss://localhost"}) {
    const auto status = OpenStore(url, {}).status();
    EXPECT_TRUE(status.IsInvalid()) << status.ToString();
    EXPECT_NE(status.ToString().find("libhiredis-dev"), std::string::npos) << status.ToString();
  }
}

#endif

}  // namespace
}  // namespace weft
