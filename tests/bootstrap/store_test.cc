#include "weft/bootstrap/store.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

#include "bootstrap/store_fixture.h"
#include "weft/base/communication_error.h"

namespace weft {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLong = std::chrono::hours(1);

TEST_P(StoreTest, SetGetDelete) {
  const auto store = Open();
  const auto other = Open();
  EXPECT_EQ(store->Get("weft:j:0:a").ValueOrDie(), std::nullopt);
  ASSERT_TRUE(store->Set("weft:j:0:a", "one", kLong).ok());
  EXPECT_EQ(other->Get("weft:j:0:a").ValueOrDie(), "one");
  std::string binary("\0\n\xff{}", 5);
  ASSERT_TRUE(other->Set("weft:j:0:a", binary, kLong).ok());
  EXPECT_EQ(store->Get("weft:j:0:a").ValueOrDie(), binary);
  ASSERT_TRUE(store->Set("weft:j:0:a", "", kLong).ok());
  EXPECT_EQ(store->Get("weft:j:0:a").ValueOrDie(), "");
  ASSERT_TRUE(store->Delete("weft:j:0:a").ok());
  ASSERT_TRUE(store->Delete("weft:j:0:a").ok());
  EXPECT_EQ(other->Get("weft:j:0:a").ValueOrDie(), std::nullopt);
}

TEST_P(StoreTest, CompareAndSet) {
  const auto store = Open();
  EXPECT_FALSE(store->CompareAndSet("k", "x", "y", kLong).ValueOrDie());
  EXPECT_TRUE(store->CompareAndSet("k", std::nullopt, "x", kLong).ValueOrDie());
  EXPECT_FALSE(store->CompareAndSet("k", std::nullopt, "z", kLong).ValueOrDie());
  EXPECT_FALSE(store->CompareAndSet("k", "", "z", kLong).ValueOrDie());
  EXPECT_TRUE(store->CompareAndSet("k", "x", "y", kLong).ValueOrDie());
  EXPECT_EQ(store->Get("k").ValueOrDie(), "y");
}

TEST_P(StoreTest, AddCountsAndRefuses) {
  const auto store = Open();
  EXPECT_EQ(store->Add("n", 5, kLong).ValueOrDie(), 5);
  EXPECT_EQ(store->Add("n", -7, kLong).ValueOrDie(), -2);
  EXPECT_EQ(store->Get("n").ValueOrDie(), "-2");
  EXPECT_EQ(store->Add("n", 0, kLong).ValueOrDie(), -2);
  ASSERT_TRUE(store->Set("n", std::to_string(std::numeric_limits<int64_t>::max()), kLong).ok());
  EXPECT_TRUE(store->Add("n", 1, kLong).status().IsInvalid());
  EXPECT_EQ(store->Add("n", 0, kLong).ValueOrDie(), std::numeric_limits<int64_t>::max());
  for (const char* text : {"", "12x", " 1", "99999999999999999999"}) {
    ASSERT_TRUE(store->Set("n", text, kLong).ok());
    EXPECT_TRUE(store->Add("n", 1, kLong).status().IsInvalid()) << text;
  }
}

TEST_P(StoreTest, AddIsAtomicAmongThreads) {
  constexpr int kThreads = 8;
  constexpr int kAdds = 200;
  const auto shared = Open();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const auto store = i % 2 == 0 ? shared : Open();
      for (int j = 0; j < kAdds; ++j) ASSERT_TRUE(store->Add("n", 1, kLong).ok());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(shared->Add("n", 0, kLong).ValueOrDie(), kThreads * kAdds);
}

TEST_P(StoreTest, SizesAreBounded) {
  const auto store = Open();
  const std::string key(512, 'k');
  const std::string value(size_t{64} << 10, 'v');
  ASSERT_TRUE(store->Set(key, value, kLong).ok());
  EXPECT_EQ(store->Get(key).ValueOrDie(), value);
  EXPECT_TRUE(store->CompareAndSet(key, value, value, kLong).ValueOrDie());
  EXPECT_TRUE(store->Set(key + "k", "v", kLong).IsInvalid());
  EXPECT_TRUE(store->Set("k", value + "v", kLong).IsInvalid());
  EXPECT_TRUE(store->CompareAndSet("k", std::nullopt, value + "v", kLong).status().IsInvalid());
  EXPECT_TRUE(store->Get(key + "k").status().IsInvalid());
  EXPECT_TRUE(store->Get("").status().IsInvalid());
  EXPECT_TRUE(store->Add(key + "k", 1, kLong).status().IsInvalid());
  EXPECT_TRUE(store->Wait(key + "k", Deadline::After(kLong)).status().IsInvalid());
  EXPECT_TRUE(store->Set("k", "v", Duration::zero()).IsInvalid());
  EXPECT_EQ(store->Get("k").ValueOrDie(), std::nullopt);
}

TEST_P(StoreTest, TimeToLive) {
  const auto store = Open();
  ASSERT_TRUE(store->Set("k", "v", milliseconds(30)).ok());
  ASSERT_TRUE(store->Set("longer", "v", Duration::max()).ok());
  const auto bound = Clock::now() + seconds(20);
  while (store->Get("k").ValueOrDie().has_value() && Clock::now() < bound) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(store->Get("k").ValueOrDie(), std::nullopt);
  EXPECT_TRUE(store->CompareAndSet("k", std::nullopt, "w", kLong).ValueOrDie());
  EXPECT_EQ(store->Get("longer").ValueOrDie(), "v");
}

TEST_P(StoreTest, WaitSeesEachKindOfWrite) {
  const auto store = Open();
  const auto writer = Open();
  ASSERT_TRUE(store->Set("there", "v", kLong).ok());
  EXPECT_EQ(store->Wait("there", Deadline::After(seconds(20))).ValueOrDie(), "v");
  EXPECT_EQ(store->Wait("there", Deadline::After(Duration::zero())).ValueOrDie(), "v");
  std::vector<std::thread> waiters;
  std::atomic<int> woken{0};
  for (const auto& [key, expected] : {std::pair("set", "s"), std::pair("cas", "c"), std::pair("add", "3")}) {
    waiters.emplace_back([&, key = std::string(key), expected = std::string(expected)] {
      EXPECT_EQ(store->Wait(key, Deadline::After(seconds(20))).ValueOr("none"), expected);
      ++woken;
    });
  }
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_EQ(woken.load(), 0);
  ASSERT_TRUE(writer->Set("set", "s", kLong).ok());
  ASSERT_TRUE(writer->CompareAndSet("cas", std::nullopt, "c", kLong).ok());
  ASSERT_TRUE(writer->Add("add", 3, kLong).ok());
  for (auto& waiter : waiters) waiter.join();
  EXPECT_EQ(woken.load(), 3);
}

TEST_P(StoreTest, WaitEndsAtItsDeadline) {
  const auto store = Open();
  const auto begin = Clock::now();
  const auto status = store->Wait("never", Deadline::After(milliseconds(120))).status();
  EXPECT_TRUE(IsCommunicationError(status, CommunicationFailure::kTimedOut)) << status.ToString();
  EXPECT_GE(Clock::now() - begin, milliseconds(120));
  EXPECT_LT(Clock::now() - begin, seconds(20));
  ASSERT_NE(GetCommunicationError(status), nullptr);
  EXPECT_EQ(GetCommunicationError(status)->phase, "rendezvous");
  EXPECT_NE(status.ToString().find("never"), std::string::npos) << status.ToString();
  // A wait that was given up leaves nothing behind that would disturb the next.
  ASSERT_TRUE(store->Set("never", "now", kLong).ok());
  EXPECT_EQ(store->Wait("never", Deadline::After(seconds(20))).ValueOrDie(), "now");
}

TEST_P(StoreTest, WaitIsInterrupted) {
  const auto store = Open();
  int polls = 0;
  const auto begin = Clock::now();
  const auto status = store
                          ->Wait("never", Deadline::Infinite(),
                                 [&] { return ++polls < 3 ? arrow::Status::OK() : arrow::Status::Cancelled("Ctrl-C"); })
                          .status();
  EXPECT_TRUE(status.IsCancelled()) << status.ToString();
  EXPECT_EQ(polls, 3);
  EXPECT_LT(Clock::now() - begin, seconds(20));
  EXPECT_EQ(store->Get("never").ValueOrDie(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreTest, WEFT_EVERY_STORE);

TEST(OpenStore, RefusesWhatItDoesNotKnow) {
  for (const char* url : {"", "redix://localhost", "inprocess", "rendezvous:/x:1", "://x"}) {
    const auto status = OpenStore(url, {}).status();
    EXPECT_TRUE(status.IsInvalid()) << url;
    EXPECT_NE(status.ToString().find("inprocess://NAME"), std::string::npos) << status.ToString();
  }
  EXPECT_TRUE(OpenStore("inprocess://", {}).status().IsInvalid());
}

TEST(OpenStore, InProcessStoresAreOneForEachName) {
  const auto a = OpenStore("inprocess://open-a", {}).ValueOrDie();
  const auto b = OpenStore("inprocess://open-b", {}).ValueOrDie();
  ASSERT_TRUE(a->Set("k", "v", kLong).ok());
  EXPECT_EQ(OpenStore("inprocess://open-a", {}).ValueOrDie()->Get("k").ValueOrDie(), "v");
  EXPECT_EQ(b->Get("k").ValueOrDie(), std::nullopt);
}

}  // namespace
}  // namespace weft
