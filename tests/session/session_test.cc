// Opening sessions from options: alone, over tcp with the in-process store, and with options that cannot work.
#include "weft/session/session.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include "weft/base/communication_error.h"

namespace weft {
namespace {

SessionOptions TcpOptions(const std::string& job, int world) {
  SessionOptions options;
  options.backend = "tcp";
  options.store = "inprocess://" + job;
  options.job = job;
  options.secret = std::string(64, 'a');
  options.world_size = world;
  options.threads = 1;
  options.connect_timeout_seconds = 20;
  return options;
}

TEST(Session, AloneIsAWorldOfOne) {
  auto session = Session::Open({});
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  EXPECT_EQ((*session)->world_size(), 1);
  EXPECT_EQ((*session)->rank(), 0);
  ASSERT_TRUE((*session)->communicator().ok());
  EXPECT_TRUE((*(*session)->communicator())->Barrier().ok());
  EXPECT_TRUE((*session)->Close().ok());
  EXPECT_TRUE((*session)->Close().ok());
  EXPECT_TRUE((*session)->communicator().status().IsInvalid());
}

TEST(Session, OptionsThatCannotWorkAreNamed) {
  const auto fails_with = [](SessionOptions options, const std::string& word) {
    const auto session = Session::Open(std::move(options));
    ASSERT_FALSE(session.ok()) << word;
    EXPECT_TRUE(session.status().IsInvalid()) << session.status().ToString();
    EXPECT_NE(session.status().message().find(word), std::string::npos) << session.status().ToString();
  };
  SessionOptions options;
  options.world_size = 0;
  fails_with(options, "world_size");
  options = {};
  options.rank = 3;
  fails_with(options, "rank");
  options = {};
  options.threads = 0;
  fails_with(options, "threads");
  options = {};
  options.memory_limit = 0;
  fails_with(options, "memory_limit");
  options = {};
  options.timeout_seconds = -1;
  fails_with(options, "timeout");
  options = {};
  options.backend = "carrier-pigeon";
  options.store = "inprocess://x";
  options.job = "j";
  options.secret = std::string(64, 'a');
  fails_with(options, "carrier-pigeon");
  options = {};
  options.backend = "local";
  options.world_size = 2;
  fails_with(options, "local");
  options = {};
  options.world_size = 2;
  fails_with(options, "rendezvous");
  options = {};
  options.rank = 1;
  fails_with(options, "rank is given, and world_size is not");
  options = TcpOptions("no-size", -1);
  fails_with(options, "store is given, and world_size is not");
  options.backend = "";
  options.store = "";
  options.rendezvous = "127.0.0.1:1";
  fails_with(options, "rendezvous is given, and world_size is not");
  options = {};
  options.backend = "tcp";
  fails_with(options, "backend 'tcp' needs rendezvous");
  options = TcpOptions("no-secret", 2);
  options.secret = "";
  fails_with(options, "secret");
  options.secret = std::string(64, 'g');
  fails_with(options, "hex");
}

TEST(Session, RanksMeetOverTcpAndTraceTogether) {
  const std::string trace = ::testing::TempDir() + "weft_session_trace_" + std::to_string(::getpid()) + ".json";
  constexpr int kWorld = 3;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWorld; ++i) {
    threads.emplace_back([&] {
      auto options = TcpOptions("trace", kWorld);
      options.trace_file = trace;
      auto session = Session::Open(options);
      ASSERT_TRUE(session.ok()) << session.status().ToString();
      ASSERT_TRUE((*(*session)->communicator())->Barrier().ok());
      auto halves = (*session)->Split((*session)->rank() % 2, 0);
      ASSERT_TRUE(halves.ok()) << halves.status().ToString();
      EXPECT_EQ((*halves)->world_size(), (*session)->rank() % 2 == 0 ? 2 : 1);
      EXPECT_TRUE((*halves)->Close().ok());
      const auto statistics = (*session)->statistics();
      EXPECT_GT(statistics.bytes_sent, 0);
      EXPECT_EQ(statistics.phases.count("init"), 1U);
      const auto closed = (*session)->Close();
      EXPECT_TRUE(closed.ok()) << closed.ToString();
    });
  }
  for (auto& thread : threads) thread.join();
  std::ifstream file(trace);
  std::stringstream text;
  text << file.rdbuf();
  for (int rank = 0; rank < kWorld; ++rank) {
    EXPECT_NE(text.str().find("\"pid\":" + std::to_string(rank)), std::string::npos) << text.str();
  }
  std::remove(trace.c_str());
}

TEST(Session, MemoryLimitIsCountedAndRefused) {
  SessionOptions options;
  options.memory_limit = 1 << 20;
  auto session = Session::Open(options);
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  arrow::MemoryPool* pool = (*session)->context().pool;
  uint8_t* memory = nullptr;
  ASSERT_TRUE(pool->Allocate(1 << 19, &memory).ok());
  uint8_t* more = nullptr;
  const auto refused = pool->Allocate(1 << 20, &more);
  EXPECT_TRUE(refused.IsOutOfMemory()) << refused.ToString();
  EXPECT_EQ(refused.message().rfind("MemoryLimitExceeded", 0), 0U) << refused.message();
  EXPECT_EQ((*session)->statistics().memory_bytes, 1 << 19);
  ASSERT_TRUE(pool->Reallocate(1 << 19, 1 << 10, &memory).ok());
  pool->Free(memory, 1 << 10);
  EXPECT_EQ((*session)->statistics().memory_bytes, 0);
}

TEST(Session, AForkedChildIsToldSo) {
  auto session = Session::Open({});
  ASSERT_TRUE(session.ok());
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = (*session)->communicator().status().IsInvalid();
    session->reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE((*(*session)->communicator())->Barrier().ok());
}

}  // namespace
}  // namespace weft
