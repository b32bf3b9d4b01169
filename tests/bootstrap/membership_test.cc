#include "weft/bootstrap/membership.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "bootstrap/store_fixture.h"
#include "weft/base/communication_error.h"

namespace weft {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class MembershipTest : public StoreTest {
 protected:
  arrow::Result<std::unique_ptr<Membership>> Join(int64_t epoch, int world_size, int rank,
                                                  const std::string& job = "job") {
    return Membership::Join(Open(), {.job = job, .epoch = epoch, .world_size = world_size, .rank = rank});
  }
  std::unique_ptr<Membership> MustJoin(int64_t epoch, int world_size, int rank) {
    auto joined = Join(epoch, world_size, rank);
    EXPECT_TRUE(joined.ok()) << joined.status().ToString();
    return joined.ok() ? *std::move(joined) : nullptr;
  }
};

Deadline Soon() { return Deadline::After(seconds(60)); }

bool Superseded(const arrow::Status& status) { return IsCommunicationError(status, CommunicationFailure::kSuperseded); }

TEST_P(MembershipTest, CountsRanksByArrival) {
  std::set<int> ranks;
  std::vector<std::unique_ptr<Membership>> members;
  for (int i = 0; i < 3; ++i) {
    members.push_back(MustJoin(-1, 3, -1));
    EXPECT_EQ(members.back()->epoch(), 0);
    EXPECT_EQ(members.back()->world_size(), 3);
    ranks.insert(members.back()->rank());
  }
  EXPECT_EQ(ranks, (std::set<int>{0, 1, 2}));
  // The world is full: the next to come begins another attempt, and the first is over.
  const auto next = MustJoin(-1, 3, -1);
  EXPECT_EQ(next->epoch(), 1);
  EXPECT_EQ(next->rank(), 0);
  EXPECT_TRUE(Superseded(members[0]->CheckFence()));
  EXPECT_TRUE(Superseded(members[1]->Publish("a", "b")));
  EXPECT_TRUE(Superseded(members[2]->WaitFor("a", Soon()).status()));
  EXPECT_TRUE(Superseded(members[2]->ExchangeAll("a", "b", Soon()).status()));
  EXPECT_TRUE(next->CheckFence().ok());
}

TEST_P(MembershipTest, GivenRanksOpenTheNextEpochWhenTaken) {
  const auto first = MustJoin(-1, 2, 1);
  EXPECT_EQ(first->epoch(), 0);
  EXPECT_EQ(first->rank(), 1);
  const auto again = MustJoin(-1, 2, 1);
  EXPECT_EQ(again->epoch(), 1);
  EXPECT_TRUE(Superseded(first->CheckFence()));
  // Rank 0 was never taken in epoch 0, but that one is over.
  EXPECT_EQ(MustJoin(-1, 2, 0)->epoch(), 1);
}

TEST_P(MembershipTest, AnotherRunMayHaveAnotherWorldSize) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(MustJoin(-1, 2, -1)->epoch(), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(MustJoin(-1, 3, -1)->epoch(), 1);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(MustJoin(-1, 2, i)->epoch(), 2);
}

TEST_P(MembershipTest, GivenEpoch) {
  const auto member = MustJoin(7, 2, 0);
  EXPECT_EQ(member->epoch(), 7);
  const auto duplicate = Join(7, 2, 0).status();
  EXPECT_TRUE(Superseded(duplicate)) << duplicate.ToString();
  EXPECT_NE(duplicate.ToString().find("duplicate"), std::string::npos) << duplicate.ToString();
  EXPECT_TRUE(member->CheckFence().ok());
  const auto lower = Join(6, 2, 1).status();
  EXPECT_TRUE(Superseded(lower)) << lower.ToString();
  EXPECT_NE(lower.ToString().find("epoch 7"), std::string::npos) << lower.ToString();
  EXPECT_EQ(MustJoin(7, 2, 1)->rank(), 1);
  const auto full = Join(7, 2, -1).status();
  EXPECT_TRUE(Superseded(full)) << full.ToString();
  EXPECT_EQ(MustJoin(9, 2, 1)->epoch(), 9);
  EXPECT_TRUE(Superseded(member->CheckFence()));
  // Without an epoch given, the highest is joined.
  EXPECT_EQ(MustJoin(-1, 2, 0)->epoch(), 9);
}

TEST_P(MembershipTest, RankStaysTakenAfterLeave) {
  const auto member = MustJoin(0, 2, 0);
  ASSERT_TRUE(member->Leave().ok());
  EXPECT_TRUE(Superseded(Join(0, 2, 0).status()));
  EXPECT_TRUE(member->Publish("a", "b").IsInvalid());
  EXPECT_TRUE(member->Leave().ok());
}

TEST_P(MembershipTest, RefusesAnotherWorldSizeAndVersion) {
  const auto member = MustJoin(0, 3, 0);
  const auto status = Join(0, 2, 1).status();
  EXPECT_TRUE(status.IsInvalid()) << status.ToString();
  EXPECT_NE(status.ToString().find("world size 2"), std::string::npos) << status.ToString();
  EXPECT_NE(status.ToString().find("with 3"), std::string::npos) << status.ToString();
  // The epoch is not full, so it is the same for those that do not name one.
  EXPECT_TRUE(Join(-1, 2, -1).status().IsInvalid());
  ASSERT_TRUE(Open()->Set("weft:old:0:world", "2 0.0.1-old", std::chrono::hours(1)).ok());
  const auto version = Join(0, 2, 1, "old").status();
  EXPECT_TRUE(version.IsInvalid()) << version.ToString();
  EXPECT_NE(version.ToString().find("0.0.1-old"), std::string::npos) << version.ToString();
}

TEST_P(MembershipTest, RefusesWhatIsNoIdentity) {
  const std::string long_name(129, 'x');
  for (const std::string& job : {std::string(), std::string("a:b"), std::string("a b"), long_name}) {
    EXPECT_TRUE(Join(0, 1, 0, job).status().IsInvalid()) << job;
  }
  EXPECT_TRUE(Join(0, 1, 0, std::string(128, 'x')).ok());
  EXPECT_TRUE(Join(0, 0, 0).status().IsInvalid());
  EXPECT_TRUE(Join(0, -1, -1).status().IsInvalid());
  EXPECT_TRUE(Join(0, 2, 2).status().IsInvalid());
}

TEST_P(MembershipTest, PublishAndWaitFor) {
  const auto zero = MustJoin(0, 2, 0);
  const auto one = MustJoin(0, 2, 1);
  std::thread writer([&] {
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_TRUE(one->Publish("address", "10.0.0.1:7").ok());
  });
  EXPECT_EQ(zero->WaitFor("address", Soon()).ValueOr("none"), "10.0.0.1:7");
  writer.join();
  const auto late = zero->WaitFor("nothing", Deadline::After(milliseconds(50))).status();
  EXPECT_TRUE(IsCommunicationError(late, CommunicationFailure::kTimedOut)) << late.ToString();
  const auto interrupted = zero->WaitFor("nothing", Soon(), [] { return arrow::Status::Cancelled("Ctrl-C"); }).status();
  EXPECT_TRUE(interrupted.IsCancelled());
  ASSERT_TRUE(one->Leave().ok());
  EXPECT_EQ(Open()->Get("weft:job:0:name/address").ValueOrDie(), std::nullopt);
  EXPECT_TRUE(zero->Publish("", "x").IsInvalid());
  EXPECT_TRUE(zero->Publish(std::string(257, 'n'), "x").IsInvalid());
  EXPECT_TRUE(zero->Publish(std::string(256, 'n'), "x").ok());
}

TEST_P(MembershipTest, AWaitEndsWhenAHigherEpochBegins) {
  const auto zero = MustJoin(-1, 2, 0);
  arrow::Status waited;
  arrow::Status exchanged;
  std::thread waiter([&] { waited = zero->WaitFor("never", Deadline::Infinite()).status(); });
  std::thread exchanger([&] { exchanged = zero->ExchangeAll("never", "", Deadline::Infinite()).status(); });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_EQ(MustJoin(-1, 2, 0)->epoch(), 1);
  const auto begin = Clock::now();
  waiter.join();
  exchanger.join();
  EXPECT_LT(Clock::now() - begin, seconds(20));
  EXPECT_TRUE(Superseded(waited)) << waited.ToString();
  EXPECT_TRUE(Superseded(exchanged)) << exchanged.ToString();
}

TEST_P(MembershipTest, SixtyFourRanksJoinAndExchangeAtOnce) {
  constexpr int kRanks = 64;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  std::vector<std::atomic<int>> taken(kRanks);
  for (int i = 0; i < kRanks; ++i) {
    threads.emplace_back([&] {
      // Values of a kilobyte: all together are more than one key holds.
      auto member = Join(-1, kRanks, -1);
      ASSERT_TRUE(member.ok()) << member.status().ToString();
      EXPECT_EQ((*member)->epoch(), 0);
      const int rank = (*member)->rank();
      ++taken[static_cast<size_t>(rank)];
      for (int round = 0; round < 3; ++round) {
        const std::string fill(static_cast<size_t>(500 * round + rank), 'a');
        auto values = (*member)->ExchangeAll("round" + std::to_string(round), std::to_string(rank) + fill, Soon());
        ASSERT_TRUE(values.ok()) << values.status().ToString();
        ASSERT_EQ(values->size(), static_cast<size_t>(kRanks));
        for (int j = 0; j < kRanks; ++j) {
          EXPECT_EQ((*values)[static_cast<size_t>(j)],
                    std::to_string(j) + std::string(static_cast<size_t>(500 * round + j), 'a'));
        }
      }
      EXPECT_TRUE((*member)->Leave().ok());
      ++good;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good.load(), kRanks);
  for (const auto& count : taken) EXPECT_EQ(count.load(), 1);
  // All have left, so nothing but the marks is there.
  const auto store = Open();
  for (const char* name : {"left", "all/round0/count", "all/round0/part/0", "all/round2/part/1", "all/round2/63"}) {
    EXPECT_EQ(store->Get(std::string("weft:job:0:") + name).ValueOrDie(), std::nullopt) << name;
  }
  EXPECT_TRUE(store->Get("weft:job:0:rank/63").ValueOrDie().has_value());
}

TEST_P(MembershipTest, ExchangeNamesTheFirstMissingRank) {
  const auto zero = MustJoin(0, 4, 0);
  const auto two = MustJoin(0, 4, 2);
  arrow::Status of_two;
  std::thread thread([&] { of_two = two->ExchangeAll("x", "2", Deadline::After(milliseconds(100))).status(); });
  const auto of_zero = zero->ExchangeAll("x", "0", Deadline::After(milliseconds(100))).status();
  thread.join();
  for (const auto& status : {of_zero, of_two}) {
    ASSERT_TRUE(IsCommunicationError(status, CommunicationFailure::kTimedOut)) << status.ToString();
    EXPECT_EQ(GetCommunicationError(status)->peer, 1);
    EXPECT_NE(status.ToString().find("did not join"), std::string::npos) << status.ToString();
  }
  EXPECT_EQ(GetCommunicationError(of_two)->rank, 2);
  const auto one = MustJoin(0, 4, 1);
  const auto later = zero->ExchangeAll("y", "0", Deadline::After(milliseconds(10))).status();
  EXPECT_EQ(GetCommunicationError(later)->peer, 1);
  EXPECT_NE(later.ToString().find("did not come"), std::string::npos) << later.ToString();
  EXPECT_TRUE(zero->ExchangeAll("y", "0", Soon()).status().IsInvalid());
}

TEST_P(MembershipTest, ExchangeOutlivesTheLastCounter) {
  // Rank 1 counts itself and dies before it writes the parts: the others do it.
  const auto zero = MustJoin(0, 2, 0);
  const auto store = Open();
  ASSERT_TRUE(store->Set("weft:job:0:all/x/1", "one", std::chrono::hours(1)).ok());
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(50));
    ASSERT_TRUE(store->Add("weft:job:0:all/x/count", 1, std::chrono::hours(1)).ok());
  });
  const auto values = zero->ExchangeAll("x", "zero", Soon());
  late.join();
  ASSERT_TRUE(values.ok()) << values.status().ToString();
  EXPECT_EQ(*values, (std::vector<std::string>{"zero", "one"}));
}

TEST_P(MembershipTest, ExchangeOutlivesARankThatWasNotCounted) {
  // Rank 1 gives its value and dies before it is counted.
  const auto rank0 = MustJoin(0, 2, 0);
  const auto rank1 = MustJoin(0, 2, 1);
  const auto begin = Clock::now();
  ASSERT_TRUE(Open()->Set("weft:job:0:all/addresses/1", "b", seconds(60)).ok());
  const auto values = rank0->ExchangeAll("addresses", "a", Soon());
  ASSERT_TRUE(values.ok()) << values.status().ToString();
  EXPECT_EQ(*values, (std::vector<std::string>{"a", "b"}));
  EXPECT_LT(Clock::now() - begin, seconds(20));
}

TEST_P(MembershipTest, WorldOfOne) {
  const auto member = MustJoin(-1, 1, -1);
  EXPECT_EQ(member->rank(), 0);
  EXPECT_EQ(member->ExchangeAll("x", "", Soon()).ValueOrDie(), std::vector<std::string>{""});
}

TEST_P(MembershipTest, AStoreThatForgotGetsItsFenceBack) {
  const auto member = MustJoin(3, 1, 0);
  const auto store = Open();
  ASSERT_TRUE(store->Delete("weft:job:fence").ok());
  EXPECT_TRUE(member->CheckFence().ok());
  EXPECT_EQ(store->Get("weft:job:fence").ValueOrDie(), "3");
}

INSTANTIATE_TEST_SUITE_P(Stores, MembershipTest, WEFT_EVERY_STORE);

}  // namespace
}  // namespace weft
