// Blocks of more bytes, and reductions of more elements, than an int counts. They take gigabytes: while soaking.
#include "conformance/worlds.h"

namespace weft::testing {
namespace {

using Bytes = std::vector<std::byte>;

constexpr int64_t kLarge = (int64_t{1} << 31) + 12345;

void ExpectOk(const arrow::Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

arrow::Status Finish(arrow::Result<RequestPtr> started) {
  ARROW_ASSIGN_OR_RAISE(const RequestPtr request, std::move(started));
  return request->Wait();
}

/// Marks the places of a block where a mistake in its pieces would show.
void Mark(MutableBytes block, int by) {
  for (const size_t at : {size_t{0}, block.size() / 4, block.size() / 2, block.size() - 12346, block.size() - 1}) {
    block[at] = static_cast<std::byte>(by);
  }
}
void ExpectMarks(ConstBytes block, int by, int line = __builtin_LINE()) {
  for (const size_t at : {size_t{0}, block.size() / 4, block.size() / 2, block.size() - 12346, block.size() - 1}) {
    EXPECT_EQ(static_cast<int>(block[at]), by) << "at " << at << ", from line " << line;
  }
  EXPECT_EQ(static_cast<int>(block[block.size() / 3]), 0);
}

class Large : public OverWorlds {
 protected:
  void SetUp() override {
    if (!Soak()) GTEST_SKIP() << "takes gigabytes: WEFT_SOAK=1";
  }
  static CommunicatorOptions Patient() {
    CommunicatorOptions options = Options();
    options.timeout = std::chrono::seconds(300);
    return options;
  }
};

TEST_P(Large, BroadcastAndMessage) {
  World world = Make(Patient());
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const auto owner = std::make_shared<Bytes>(static_cast<size_t>(kLarge));
    if (c->rank() == 1) Mark(*owner, 7);
    ExpectOk(Finish(c->Ibroadcast(*owner, 1, owner)));
    ExpectMarks(*owner, 7);
    if (c->rank() == 0) {
      Mark(*owner, 9);
      ExpectOk(Finish(c->Isend(1, 3, {ConstBytes(*owner).first(5), ConstBytes(*owner).subspan(5)}, owner)));
    } else {
      auto request = c->Irecv(0, 3, {MutableBytes(*owner)}, owner);
      ASSERT_TRUE(request.ok());
      ExpectOk((*request)->Wait());
      EXPECT_EQ((*request)->received_bytes(), kLarge);
      ExpectMarks(*owner, 9);
    }
  });
}

TEST_P(Large, AllgatherGatherScatterAlltoall) {
  World world = Make(Patient());
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const bool first = c->rank() == 0;
    // Rank 0 has the large block, rank 1 one behind it.
    const std::vector<int64_t> counts = {kLarge, 100000};
    const auto owner = std::make_shared<Bytes>(static_cast<size_t>(kLarge + 100000));
    const MutableBytes all(*owner);
    const MutableBytes large = all.first(static_cast<size_t>(kLarge));
    const MutableBytes small = all.subspan(static_cast<size_t>(kLarge));
    const MutableBytes own = first ? large : small;
    Mark(own, c->rank() + 1);
    c.At("allgather");
    ExpectOk(Finish(c->Iallgatherv(own, all, counts, {}, owner)));
    ExpectMarks(large, 1);
    ExpectMarks(small, 2);
    c.At("scatter");
    std::fill(own.begin(), own.end(), std::byte{0});
    if (!first) Mark(small, 5);
    // Root 1 scatters its large block, marked by the gather before, to rank 0.
    ExpectOk(Finish(c->Iscatterv(first ? ConstBytes() : ConstBytes(all), first ? std::vector<int64_t>() : counts, {},
                                 own, 1, owner)));
    ExpectMarks(own, first ? 1 : 5);
    c.At("gather");
    Mark(own, c->rank() + 3);
    ExpectOk(
        Finish(c->Igatherv(own, first ? MutableBytes() : all, first ? std::vector<int64_t>() : counts, {}, 1, owner)));
    if (!first) {
      ExpectMarks(large, 3);
      ExpectMarks(small, 4);
    }
    c.At("alltoall");
    // The large block goes from rank 0 to rank 1, a small one back.
    Mark(large, first ? 6 : 8);
    Bytes back(100);
    back[99] = std::byte{7};
    const std::vector<int64_t> out = first ? std::vector<int64_t>{0, kLarge} : std::vector<int64_t>{100, 0};
    const std::vector<int64_t> in = first ? std::vector<int64_t>{0, 100} : std::vector<int64_t>{kLarge, 0};
    ExpectOk(Finish(c->Ialltoallv(first ? ConstBytes(large) : ConstBytes(back), out, {},
                                  first ? MutableBytes(back) : large, in, {}, owner)));
    if (first) {
      EXPECT_EQ(static_cast<int>(back[99]), 7);
    } else {
      ExpectMarks(large, 6);
    }
  });
}

TEST_P(Large, Reductions) {
  World world = Make(Patient());
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const auto owner = std::make_shared<Bytes>(static_cast<size_t>(kLarge));
    const MutableBytes data(*owner);
    const Reduction most{.type = arrow::Type::UINT8, .op = ReduceOp::kMax};
    Mark(data, c->rank() + 1);
    ExpectOk(Finish(c->Iallreduce(data, data, kLarge, most, owner)));
    ExpectMarks(data, 2);
    Mark(data, 4 - c->rank());
    ExpectOk(Finish(c->Iscan(data, data, kLarge, most, owner)));
    ExpectMarks(data, 4);
    const auto part = std::make_shared<Bytes>(12345);
    Mark(data, c->rank() + 5);
    const auto both = std::make_shared<std::pair<Owner, Owner>>(owner, part);
    // Rank 1 gets all, in place.
    const std::vector<int64_t> counts = {0, kLarge};
    if (c->rank() == 0) {
      ExpectOk(Finish(c->IreduceScatter(data, *part, counts, most, both)));
    } else {
      ExpectOk(Finish(c->IreduceScatter(data, data, counts, most, both)));
      ExpectMarks(data, 6);
    }
  });
}

WEFT_OVER_WORLDS(Large, 2);

}  // namespace
}  // namespace weft::testing
