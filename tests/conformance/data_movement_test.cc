// Collectives that move bytes. What every rank should have is computed from all ranks' inputs by plain loops.
#include <numeric>

#include "conformance/worlds.h"

namespace weft::testing {
namespace {

using Bytes = std::vector<std::byte>;

constexpr int64_t kLengths[] = {0, 1, 4097, (1 << 20) + 3};

/// Counts that differ by rank and are sometimes 0.
std::vector<int64_t> UnevenCounts(int size, int64_t scale, uint64_t seed) {
  std::vector<int64_t> counts;
  for (int i = 0; i < size; ++i) {
    const uint64_t draw = Mix(seed + static_cast<uint64_t>(i));
    counts.push_back(draw % 4 == 0 ? 0 : static_cast<int64_t>(draw % static_cast<uint64_t>(scale)));
  }
  return counts;
}

/// Blocks in reverse order with gaps of `gap` bytes.
std::vector<int64_t> ReverseDisplacements(const std::vector<int64_t>& counts, int64_t gap) {
  std::vector<int64_t> displacements(counts.size());
  int64_t next = gap;
  for (size_t i = counts.size(); i-- > 0;) {
    displacements[i] = next;
    next += counts[i] + gap;
  }
  return displacements;
}

int64_t Extent(const std::vector<int64_t>& counts, int64_t gap) {
  return std::accumulate(counts.begin(), counts.end(), gap * static_cast<int64_t>(counts.size() + 1));
}

void ExpectOk(const arrow::Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

class DataMovement : public OverWorlds {};

TEST_P(DataMovement, BarrierWaitsForAll) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  std::atomic<int>& arrived = SharedNumber();
  world.Run([&](RankContext& c) {
    for (int round = 1; round <= 20; ++round) {
      if (round % c->world_size() == c->rank()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++arrived;
      ExpectOk(c->Barrier());
      EXPECT_GE(arrived.load(), round * c->world_size());
      ExpectOk(c->Barrier());
    }
  });
}

TEST_P(DataMovement, Broadcast) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    for (const int64_t length : kLengths) {
      for (Rank root = 0; root < size(); ++root) {
        c.At("broadcast of " + std::to_string(length) + " from " + std::to_string(root));
        const Bytes expected = Pattern(static_cast<uint64_t>(root) + 7, length);
        Bytes data = c->rank() == root ? expected : Bytes(expected.size());
        ExpectOk(c->Broadcast(data, root));
        EXPECT_EQ(data, expected);
      }
    }
  });
}

TEST_P(DataMovement, GatherAndScatterEqualBlocks) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    for (const int64_t length : kLengths) {
      Bytes whole;
      for (int r = 0; r < size(); ++r) {
        const Bytes block = Pattern(static_cast<uint64_t>(r), length);
        whole.insert(whole.end(), block.begin(), block.end());
      }
      const Bytes mine = Pattern(static_cast<uint64_t>(c->rank()), length);
      for (Rank root = 0; root < size(); ++root) {
        c.At("gather, scatter of " + std::to_string(length) + " at " + std::to_string(root));
        Bytes gathered(c->rank() == root ? whole.size() : 0);
        ExpectOk(c->Gather(mine, gathered, root));
        if (c->rank() == root) {
          EXPECT_EQ(gathered, whole);
        }
        Bytes scattered(mine.size());
        ExpectOk(c->Scatter(c->rank() == root ? ConstBytes(whole) : ConstBytes(), scattered, root));
        EXPECT_EQ(scattered, mine);
      }
    }
  });
}

TEST_P(DataMovement, GathervAndScattervWithGapsAndInPlace) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const auto me = static_cast<size_t>(c->rank());
    for (const int64_t scale : {2, 1000, 300000}) {
      for (Rank root = 0; root < size(); ++root) {
        const std::vector<int64_t> counts = UnevenCounts(size(), scale, static_cast<uint64_t>(root * scale));
        const std::vector<int64_t> displacements = ReverseDisplacements(counts, 3);
        Bytes whole(static_cast<size_t>(Extent(counts, 3)), std::byte{0xee});
        for (size_t r = 0; r < counts.size(); ++r) {
          const Bytes block = Pattern(r + 100, counts[r]);
          std::copy(block.begin(), block.end(), whole.begin() + displacements[r]);
        }
        const Bytes mine = Pattern(me + 100, counts[me]);
        Bytes gathered(c->rank() == root ? whole.size() : 0, std::byte{0xee});
        if (c->rank() == root && scale == 1000) {  // in place: the root's block lies where it belongs
          std::copy(mine.begin(), mine.end(), gathered.begin() + displacements[me]);
          const ConstBytes own(gathered.data() + displacements[me], mine.size());
          ExpectOk(c->Gatherv(own, gathered, counts, displacements, root));
        } else if (c->rank() == root) {
          ExpectOk(c->Gatherv(mine, gathered, counts, displacements, root));
        } else {
          ExpectOk(c->Gatherv(mine, {}, {}, {}, root));
        }
        if (c->rank() == root) {  // the gaps too
          EXPECT_EQ(gathered, whole);
        }
        if (c->rank() == root && scale == 1000) {
          const MutableBytes own(whole.data() + displacements[me], mine.size());
          ExpectOk(c->Scatterv(whole, counts, displacements, own, root));
          EXPECT_TRUE(std::equal(own.begin(), own.end(), mine.begin()));
        } else {
          Bytes got(mine.size());
          if (c->rank() == root) {
            ExpectOk(c->Scatterv(whole, counts, displacements, got, root));
          } else {
            ExpectOk(c->Scatterv({}, {}, {}, got, root));
          }
          EXPECT_EQ(got, mine);
        }
      }
    }
  });
}

TEST_P(DataMovement, Allgather) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const auto me = static_cast<size_t>(c->rank());
    for (const int64_t length : kLengths) {
      c.At("allgather of " + std::to_string(length));
      Bytes whole;
      for (size_t r = 0; r < static_cast<size_t>(size()); ++r) {
        const Bytes block = Pattern(r, length);
        whole.insert(whole.end(), block.begin(), block.end());
      }
      const Bytes mine = Pattern(me, length);
      Bytes got(whole.size());
      ExpectOk(c->Allgather(mine, got));
      EXPECT_EQ(got, whole);
      Bytes in_place(whole.size());
      const auto own = std::span(in_place).subspan(me * mine.size(), mine.size());
      std::copy(mine.begin(), mine.end(), own.begin());
      ExpectOk(c->Allgather(own, in_place));
      EXPECT_EQ(in_place, whole);
    }
    for (const int64_t scale : {2, 1000, 300000}) {
      c.At("allgatherv of about " + std::to_string(scale));
      const std::vector<int64_t> counts = UnevenCounts(size(), scale, static_cast<uint64_t>(scale));
      const std::vector<int64_t> displacements = ReverseDisplacements(counts, 5);
      Bytes whole(static_cast<size_t>(Extent(counts, 5)), std::byte{0xee});
      for (size_t r = 0; r < counts.size(); ++r) {
        const Bytes block = Pattern(r + 50, counts[r]);
        std::copy(block.begin(), block.end(), whole.begin() + displacements[r]);
      }
      Bytes got(whole.size(), std::byte{0xee});
      ExpectOk(c->Allgatherv(Pattern(me + 50, counts[me]), got, counts, displacements));
      EXPECT_EQ(got, whole);
    }
  });
}

TEST_P(DataMovement, Alltoall) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const auto me = static_cast<uint64_t>(c->rank());
    const auto n = static_cast<uint64_t>(size());
    for (const int64_t length : {0, 1, 8, 255, 4097, 200001}) {
      c.At("alltoall of " + std::to_string(length));
      Bytes send;
      Bytes expected;
      for (uint64_t r = 0; r < n; ++r) {
        const Bytes out = Pattern(me * n + r, length);
        const Bytes in = Pattern(r * n + me, length);
        send.insert(send.end(), out.begin(), out.end());
        expected.insert(expected.end(), in.begin(), in.end());
      }
      Bytes got(send.size());
      ExpectOk(c->Alltoall(send, got));
      EXPECT_EQ(got, expected);
      ExpectOk(c->Alltoall(send, send));
      EXPECT_EQ(send, expected);
    }
  });
}

TEST_P(DataMovement, AlltoallvUneven) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  const auto n = static_cast<uint64_t>(size());
  const auto count = [&](uint64_t from, uint64_t to, int64_t scale) {
    const uint64_t draw = Mix(from * 31 + to * 7 + static_cast<uint64_t>(scale));
    return draw % 3 == 0 ? int64_t{0} : static_cast<int64_t>(draw % static_cast<uint64_t>(scale));
  };
  world.Run([&](RankContext& c) {
    const auto me = static_cast<uint64_t>(c->rank());
    for (const int64_t scale : {2, 5000, 3000000 / size()}) {
      c.At("alltoallv of about " + std::to_string(scale));
      std::vector<int64_t> out_counts;
      std::vector<int64_t> in_counts;
      for (uint64_t r = 0; r < n; ++r) {
        out_counts.push_back(count(me, r, scale));
        in_counts.push_back(count(r, me, scale));
      }
      const std::vector<int64_t> out_at = ReverseDisplacements(out_counts, 1);
      Bytes send(static_cast<size_t>(Extent(out_counts, 1)));
      Bytes expected;
      for (uint64_t r = 0; r < n; ++r) {
        const Bytes out = Pattern(me * n + r, out_counts[r]);
        std::copy(out.begin(), out.end(), send.begin() + out_at[r]);
        const Bytes in = Pattern(r * n + me, in_counts[r]);
        expected.insert(expected.end(), in.begin(), in.end());
      }
      Bytes got(expected.size());
      ExpectOk(c->Alltoallv(send, out_counts, out_at, got, in_counts, {}));
      EXPECT_EQ(got, expected);
    }
  });
}

WEFT_OVER_WORLDS(DataMovement, 1, 2, 3, 4, 5, 8);

}  // namespace
}  // namespace weft::testing
