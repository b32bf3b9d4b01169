#include "weft/rendezvous/key_table.h"

#include <gtest/gtest.h>

#include <random>

namespace weft {
namespace {

using std::chrono::seconds;

const KeyTable::Time kStart{seconds(1000)};

TEST(KeyTable, JobIsThePrefix) {
  EXPECT_EQ(KeyTable::JobOf("weft:a.b-c:0:rank/1"), "a.b-c");
  EXPECT_EQ(KeyTable::JobOf("weft:a:fence"), "a");
  EXPECT_EQ(KeyTable::JobOf("weft:a"), "");
  EXPECT_EQ(KeyTable::JobOf("other:a:b"), "");
}

TEST(KeyTable, KeysOutliveTheirTimeForNoOne) {
  KeyTable table({});
  ASSERT_TRUE(table.Set("a", "1", seconds(10), kStart).ok());
  ASSERT_TRUE(table.Set("b", "2", seconds(20), kStart).ok());
  EXPECT_NE(table.Get("a", kStart + seconds(9)), nullptr);
  EXPECT_EQ(table.Get("a", kStart + seconds(10)), nullptr);
  // A write renews it, another key's does not.
  ASSERT_TRUE(table.Set("b", "3", seconds(20), kStart + seconds(15)).ok());
  EXPECT_NE(table.Get("b", kStart + seconds(34)), nullptr);
  // What is gone counts as nothing.
  EXPECT_TRUE(*table.CompareAndSet("a", std::nullopt, "new", seconds(5), kStart + seconds(11)));
  ASSERT_TRUE(table.Set("n", "41", seconds(1), kStart).ok());
  EXPECT_EQ(*table.Add("n", 1, seconds(1), kStart + seconds(2)), 1);
  table.Expire(kStart + seconds(100));
  EXPECT_EQ(table.keys(), 0);
  EXPECT_EQ(table.bytes(), 0);
  EXPECT_EQ(table.jobs(), 0);
}

TEST(KeyTable, TimeToLiveIsCut) {
  KeyTable table({.time_to_live = seconds(50)});
  ASSERT_TRUE(table.Set("a", "1", Duration::max(), kStart).ok());
  EXPECT_NE(table.Get("a", kStart + seconds(49)), nullptr);
  EXPECT_EQ(table.Get("a", kStart + seconds(50)), nullptr);
  EXPECT_TRUE(table.Set("a", "1", seconds(0), kStart).IsInvalid());
  EXPECT_TRUE(table.Set("a", "1", seconds(-1), kStart).IsInvalid());
}

TEST(KeyTable, EachJobHasItsOwnLimits) {
  KeyTable table({.jobs = 3, .keys_per_job = 2, .bytes_per_job = 1000, .bytes = 2000});
  ASSERT_TRUE(table.Set("weft:a:1", "", seconds(10), kStart).ok());
  ASSERT_TRUE(table.Set("weft:a:2", "", seconds(10), kStart).ok());
  const auto keys = table.Set("weft:a:3", "", seconds(10), kStart);
  EXPECT_TRUE(keys.IsCapacityError()) << keys.ToString();
  EXPECT_NE(keys.message().find("'a'"), std::string::npos) << keys.ToString();
  // What is there can be replaced, another job can have keys, and a deleted one makes room.
  ASSERT_TRUE(table.Set("weft:a:2", "x", seconds(10), kStart).ok());
  ASSERT_TRUE(table.Set("weft:b:1", "", seconds(10), kStart).ok());
  table.Delete("weft:a:2");
  ASSERT_TRUE(table.Set("weft:a:3", "", seconds(10), kStart).ok());
  const auto bytes = table.Set("weft:a:3", std::string(900, 'x'), seconds(10), kStart);
  EXPECT_TRUE(bytes.IsCapacityError()) << bytes.ToString();
  EXPECT_EQ(*table.Get("weft:a:3", kStart), "");
  ASSERT_TRUE(table.Set("weft:b:1", std::string(800, 'x'), seconds(10), kStart).ok());
  const auto all = table.Set("weft:c:1", std::string(800, 'x'), seconds(10), kStart);
  EXPECT_TRUE(all.IsCapacityError()) << all.ToString();
  ASSERT_TRUE(table.Set("weft:c:1", "", seconds(10), kStart).ok());
  EXPECT_TRUE(table.Set("weft:d:1", "", seconds(10), kStart).IsCapacityError());
}

TEST(KeyTable, BooksBalance) {
  KeyTable table({.jobs = 3, .keys_per_job = 8, .bytes_per_job = 4000, .bytes = 9000});
  std::mt19937 random(7);
  auto now = kStart;
  for (int i = 0; i < 20000; ++i) {
    const std::string key = "weft:" + std::to_string(random() % 4) + ":" + std::to_string(random() % 12);
    const auto ttl = seconds(1 + random() % 30);
    switch (random() % 5) {
      case 0:
        table.Delete(key);
        break;
      case 1:
        table.Expire(now);
        break;
      case 2: {
        const auto added = table.Add(key, 3, ttl, now);
        EXPECT_TRUE(added.ok() || added.status().IsCapacityError() || added.status().IsInvalid());
        break;
      }
      default: {
        const auto set = table.Set(key, std::string(random() % 900, 'x'), ttl, now);
        EXPECT_TRUE(set.ok() || set.IsCapacityError()) << set.ToString();
      }
    }
    ASSERT_LE(table.bytes(), 9000);
    ASSERT_LE(table.jobs(), 3);
    now += std::chrono::milliseconds(random() % 500);
  }
  table.Expire(now + seconds(60));
  EXPECT_EQ(table.keys(), 0);
  EXPECT_EQ(table.bytes(), 0);
  EXPECT_EQ(table.jobs(), 0);
}

}  // namespace
}  // namespace weft
