// Communicators made from communicators.
#include <numeric>

#include "conformance/worlds.h"

namespace weft::testing {
namespace {

void ExpectOk(const arrow::Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

int64_t SumOf(Communicator& c, int64_t value) {
  const MutableBytes data = std::as_writable_bytes(std::span(&value, 1));
  ExpectOk(c.Allreduce(data, data, 1, {.type = arrow::Type::INT64}));
  return value;
}

class Groups : public OverWorlds {};

TEST_P(Groups, DupDoesNotMeetTheOriginal) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    auto made = c->Dup();
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    Communicator& dup = **made;
    EXPECT_EQ(dup.rank(), c->rank());
    EXPECT_EQ(dup.world_size(), size());
    EXPECT_EQ(dup.backend(), c->backend());
    // The same tag on both, received in the other order.
    const Rank right = (c->rank() + 1) % size();
    const Rank left = (c->rank() + size() - 1) % size();
    const int64_t one = 1;
    const int64_t two = 2;
    auto first = c->Isend(right, 4, {std::as_bytes(std::span(&one, 1))});
    auto second = dup.Isend(right, 4, {std::as_bytes(std::span(&two, 1))});
    ASSERT_TRUE(first.ok() && second.ok());
    int64_t got = 0;
    ExpectOk(dup.Recv(left, 4, std::as_writable_bytes(std::span(&got, 1))).status());
    EXPECT_EQ(got, 2);
    ExpectOk(c->Recv(left, 4, std::as_writable_bytes(std::span(&got, 1))).status());
    EXPECT_EQ(got, 1);
    ExpectOk((*first)->Wait());
    ExpectOk((*second)->Wait());
    // Collectives of both under way at once, ended in another order by each rank.
    int64_t a = c->rank();
    int64_t b = 10 * c->rank();
    const MutableBytes a_bytes = std::as_writable_bytes(std::span(&a, 1));
    const MutableBytes b_bytes = std::as_writable_bytes(std::span(&b, 1));
    auto on_c = c->Iallreduce(a_bytes, a_bytes, 1, {.type = arrow::Type::INT64});
    auto on_dup = dup.Iallreduce(b_bytes, b_bytes, 1, {.type = arrow::Type::INT64});
    ASSERT_TRUE(on_c.ok() && on_dup.ok());
    const bool even = c->rank() % 2 == 0;
    ExpectOk((even ? *on_c : *on_dup)->Wait());
    ExpectOk((even ? *on_dup : *on_c)->Wait());
    const int64_t sum = size() * (size() - 1) / 2;
    EXPECT_EQ(a, sum);
    EXPECT_EQ(b, 10 * sum);
    ExpectOk(dup.Close());
    EXPECT_EQ(SumOf(*c, 1), size());  // closing one leaves the other
  });
}

TEST_P(Groups, SplitByColorOrderedByKey) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const int color = c->rank() % 3 == 2 ? -1 : c->rank() % 3;
    auto made = c->Split(color, -c->rank());
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    if (color < 0) {
      EXPECT_EQ(made->get(), nullptr);
      return;
    }
    Communicator& group = **made;
    std::vector<Rank> members;
    for (Rank r = size() - 1; r >= 0; --r) {
      if (r % 3 == color) members.push_back(r);
    }
    ASSERT_EQ(group.world_size(), static_cast<int>(members.size()));
    EXPECT_EQ(members[static_cast<size_t>(group.rank())], c->rank());
    std::vector<int32_t> got(members.size());
    const int32_t mine = c->rank();
    ExpectOk(group.Allgather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(got))));
    EXPECT_EQ(got, std::vector<int32_t>(members.begin(), members.end()));
    EXPECT_EQ(SumOf(group, c->rank()), std::accumulate(members.begin(), members.end(), int64_t{0}));
    EXPECT_EQ(group.links().size(), members.size());
    // Split again, and use the parts in turns.
    auto nested = group.Split(group.rank() / 2, 0);
    ASSERT_TRUE(nested.ok());
    const int64_t pair = std::min(2, group.world_size() - group.rank() / 2 * 2);
    EXPECT_EQ(SumOf(**nested, 1), pair);
    EXPECT_EQ(SumOf(group, 1), group.world_size());
  });
}

TEST_P(Groups, ThreadsUseACommunicatorEach) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    auto made = c->Dup();
    ASSERT_TRUE(made.ok());
    std::thread other([&] {
      for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(SumOf(**made, i), i * size());
    });
    for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(SumOf(*c, 2 * i), 2 * i * size());
    other.join();
  });
}

TEST_P(Groups, MoreThanTheOriginal) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  std::vector<std::unique_ptr<Communicator>> kept(static_cast<size_t>(size()));
  world.Run([&](RankContext& c) {
    std::vector<std::unique_ptr<Communicator>> many;
    for (int i = 0; i < 20; ++i) {
      auto made = (many.empty() ? *c : *many.back()).Dup();
      ASSERT_TRUE(made.ok());
      many.push_back(*std::move(made));
    }
    for (auto& one : many) EXPECT_EQ(SumOf(*one, 1), size());
    kept[static_cast<size_t>(c->rank())] = std::move(many[10]);
    ExpectOk(c->Close());
    ExpectOk(kept[static_cast<size_t>(c->rank())]->Barrier());
  });
  for (int r = 0; r < size(); ++r) world.Drop(r);
  std::vector<std::thread> threads;
  for (auto& one : kept) {
    if (one == nullptr) continue;  // of another process
    threads.emplace_back([&one, this] {
      EXPECT_EQ(SumOf(*one, 1), size());
      ExpectOk(one->Close());
    });
  }
  for (auto& thread : threads) thread.join();
}

WEFT_OVER_WORLDS(Groups, 1, 2, 3, 5, 8);

}  // namespace
}  // namespace weft::testing
