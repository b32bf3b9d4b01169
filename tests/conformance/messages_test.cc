// Tagged messages, requests, and several operations under way at once.
#include <numeric>

#include "conformance/worlds.h"
#include "weft/base/communication_error.h"

namespace weft::testing {
namespace {

using Bytes = std::vector<std::byte>;

void ExpectOk(const arrow::Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

RequestPtr Take(arrow::Result<RequestPtr> started) {
  EXPECT_TRUE(started.ok()) << started.status().ToString();
  return started.ok() ? *std::move(started) : nullptr;
}

class Messages : public OverWorlds {};

TEST_P(Messages, BlockingRing) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const Rank right = (c->rank() + 1) % size();
    const Rank left = (c->rank() + size() - 1) % size();
    for (const int64_t length : {0, 1, 4097, 300000}) {
      c.At("ring of " + std::to_string(length));
      const Bytes out = Pattern(static_cast<uint64_t>(c->rank()), length);
      Bytes in(out.size() + 10);
      RequestPtr send = Take(c->Isend(right, 9, {out}));
      auto received = c->Recv(left, 9, in);
      ExpectOk(received.status());
      ExpectOk(send->Wait());
      EXPECT_EQ(received.ValueOr(-1), length);  // shorter than its receive
      in.resize(out.size());
      EXPECT_EQ(in, Pattern(static_cast<uint64_t>(left), length));
      EXPECT_EQ(send->received_bytes(), 0);
    }
  });
}

TEST_P(Messages, PartsNeedNotBeAlike) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const Rank right = (c->rank() + 1) % size();
    const Rank left = (c->rank() + size() - 1) % size();
    for (const size_t scale : {1U, 50000U}) {
      const Bytes out = Pattern(static_cast<uint64_t>(c->rank()), static_cast<int64_t>(10 * scale));
      Bytes in(out.size());
      const ConstBytes o(out);
      const MutableBytes i(in);
      RequestPtr send =
          Take(c->Isend(right, 1, {o.first(3 * scale), {}, o.subspan(3 * scale, scale), o.last(6 * scale)}));
      RequestPtr recv = Take(c->Irecv(left, 1, {{}, i.first(scale), i.subspan(scale, 8 * scale), i.last(scale), {}}));
      ExpectOk(recv->Wait());
      ExpectOk(send->Wait());
      EXPECT_EQ(recv->received_bytes(), static_cast<int64_t>(in.size()));
      EXPECT_EQ(in, Pattern(static_cast<uint64_t>(left), static_cast<int64_t>(in.size())));
    }
  });
}

TEST_P(Messages, TagsAreKeptApartAndOrderedWithin) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  constexpr int kRounds = 20;
  const Tag tags[] = {0, 1, 77, Communicator::kMaxTag};
  world.Run([&](RankContext& c) {
    const auto n = static_cast<uint64_t>(size());
    const auto me = static_cast<uint64_t>(c->rank());
    const auto value = [&](uint64_t from, uint64_t to, Tag tag, int round) {
      return Mix(from * n + to) ^ Mix(tag + static_cast<uint64_t>(round) * 5);
    };
    std::vector<uint64_t> out(n * 4 * kRounds);
    std::vector<uint64_t> in(out.size());
    std::vector<RequestPtr> requests;
    size_t next = 0;
    for (int round = 0; round < kRounds; ++round) {
      for (uint64_t to = 0; to < n; ++to) {
        for (const Tag tag : tags) {
          out[next] = value(me, to, tag, round);
          requests.push_back(Take(c->Isend(static_cast<Rank>(to), tag, {std::as_bytes(std::span(&out[next], 1))})));
          ++next;
        }
      }
    }
    // Posted in another order of peers and tags; within one tag messages come in the order of their sends.
    next = 0;
    std::vector<uint64_t> expected;
    for (size_t t = 4; t-- > 0;) {
      for (uint64_t from = n; from-- > 0;) {
        for (int round = 0; round < kRounds; ++round) {
          requests.push_back(
              Take(c->Irecv(static_cast<Rank>(from), tags[t], {std::as_writable_bytes(std::span(&in[next++], 1))})));
          expected.push_back(value(from, me, tags[t], round));
        }
      }
    }
    for (size_t i = requests.size(); i-- > 0;) ExpectOk(requests[i]->Wait());
    EXPECT_EQ(in, expected);
  });
}

TEST_P(Messages, LateReceivesOfLargeMessages) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const Rank right = (c->rank() + 1) % size();
    const Rank left = (c->rank() + size() - 1) % size();
    std::vector<Bytes> out;
    std::vector<RequestPtr> requests;
    for (uint64_t i = 0; i < 6; ++i) {
      out.push_back(Pattern(static_cast<uint64_t>(c->rank()) * 10 + i, 400000));
    }
    for (uint64_t i = 0; i < 6; ++i) requests.push_back(Take(c->Isend(right, i, {out[i]})));
    ExpectOk(c->Barrier());  // sends that nobody takes do not hold up other tags
    std::vector<Bytes> in(6, Bytes(400000));
    for (uint64_t i = 6; i-- > 0;) ExpectOk(c->Recv(left, i, in[i]).status());
    for (auto& request : requests) ExpectOk(request->Wait());
    for (uint64_t i = 0; i < 6; ++i) EXPECT_EQ(in[i], Pattern(static_cast<uint64_t>(left) * 10 + i, 400000));
  });
}

TEST_P(Messages, OwnersAreLetGoWhenDone) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    auto out = std::make_shared<Bytes>(100000);
    auto in = std::make_shared<Bytes>(100000);
    const std::weak_ptr<Bytes> out_alive = out;
    const std::weak_ptr<Bytes> in_alive = in;
    RequestPtr send = Take(c->Isend((c->rank() + 1) % size(), 3, {ConstBytes(*out)}, out));
    RequestPtr recv = Take(c->Irecv((c->rank() + size() - 1) % size(), 3, {MutableBytes(*in)}, in));
    out.reset();
    in.reset();
    ExpectOk(send->Wait());
    ExpectOk(recv->Wait());
    send.reset();
    recv.reset();
    // The transport lets go after it reports; never later than a later operation's end.
    ExpectOk(c->Barrier());
    for (int i = 0; i < 1000 && !(out_alive.expired() && in_alive.expired()); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(out_alive.expired());
    EXPECT_TRUE(in_alive.expired());
  });
}

TEST_P(Messages, SeveralCollectivesUnderWay) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const auto n = static_cast<uint64_t>(size());
    const auto me = static_cast<uint64_t>(c->rank());
    constexpr size_t kMany = 8;
    for (const int64_t count : {3, 20000}) {
      std::vector<std::vector<int64_t>> sums(kMany, std::vector<int64_t>(static_cast<size_t>(count)));
      std::vector<Bytes> blocks(kMany);
      std::vector<Bytes> gathered(kMany);
      std::vector<Bytes> broadcasts(kMany);
      std::vector<RequestPtr> requests;
      for (size_t i = 0; i < kMany; ++i) {
        std::iota(sums[i].begin(), sums[i].end(), static_cast<int64_t>(me + i));
        const MutableBytes data = std::as_writable_bytes(std::span(sums[i]));
        requests.push_back(Take(c->Iallreduce(data, data, count, {.type = arrow::Type::INT64})));
        blocks[i] = Pattern(me * kMany + i, count);
        gathered[i].resize(blocks[i].size() * n);
        requests.push_back(Take(c->Iallgather(blocks[i], gathered[i])));
        const auto root = static_cast<Rank>(i % n);
        broadcasts[i] = c->rank() == root ? Pattern(i, count) : Bytes(static_cast<size_t>(count));
        requests.push_back(Take(c->Ibroadcast(broadcasts[i], root)));
        requests.push_back(Take(c->Ibarrier()));
      }
      // Waited for from both ends: all move whichever is waited for.
      for (size_t i = 0; i < requests.size(); ++i) {
        c.At("request " + std::to_string(i));
        const size_t at = (me % 2 == 0) ? i : requests.size() - 1 - i;
        ExpectOk(requests[at]->Wait());
        auto again = requests[at]->Test();
        EXPECT_TRUE(again.ok() && *again);
      }
      for (size_t i = 0; i < kMany; ++i) {
        for (int64_t j = 0; j < count; ++j) {
          const auto each = static_cast<int64_t>(i) + j;
          ASSERT_EQ(sums[i][static_cast<size_t>(j)], each * size() + size() * (size() - 1) / 2);
        }
        EXPECT_EQ(broadcasts[i], Pattern(i, count));
        for (uint64_t r = 0; r < n; ++r) {
          const Bytes block = Pattern(r * kMany + i, count);
          EXPECT_TRUE(std::equal(block.begin(), block.end(), gathered[i].begin() + static_cast<int64_t>(r) * count));
        }
      }
    }
  });
}

TEST_P(Messages, ProgressEndsWhenARequestIsDone) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const auto n = static_cast<size_t>(size());
    constexpr int kRounds = 50;
    std::vector<uint64_t> in(n);
    for (int round = 0; round < kRounds; ++round) {
      std::vector<RequestPtr> receives;
      for (size_t from = 0; from < n; ++from) {
        receives.push_back(
            Take(c->Irecv(static_cast<Rank>(from), 5, {std::as_writable_bytes(std::span(&in[from], 1))})));
      }
      const uint64_t value = Mix(static_cast<uint64_t>(c->rank() * kRounds + round));
      std::vector<RequestPtr> sends;
      for (size_t to = 0; to < n; ++to) {
        sends.push_back(Take(c->Isend(static_cast<Rank>(to), 5, {std::as_bytes(std::span(&value, 1))})));
      }
      size_t left = n;
      while (left > 0) {
        size_t done = 0;
        for (RequestPtr& request : receives) {
          if (request == nullptr) continue;
          auto tested = request->Test();
          ExpectOk(tested.status());
          if (!tested.ok()) return;
          if (*tested) {
            request.reset();
            ++done;
          }
        }
        left -= done;
        c.At("round " + std::to_string(round) + ", " + std::to_string(left) + " left");
        // A completion that Progress missed would cost ten seconds here, and the test its bound.
        if (left > 0) ExpectOk(c->Progress(std::chrono::seconds(10)));
      }
      for (auto& send : sends) ExpectOk(send->Wait());
      for (size_t from = 0; from < n; ++from) {
        EXPECT_EQ(in[from], Mix(from * kRounds + static_cast<size_t>(round)));
      }
    }
  });
}

TEST_P(Messages, ProgressWaitsNoLongerThanAsked) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    ExpectOk(c->Progress(Duration::zero()));
    const auto begin = Clock::now();
    ExpectOk(c->Progress(std::chrono::milliseconds(20)));
    EXPECT_LT(Clock::now() - begin, std::chrono::seconds(10));
    ExpectOk(c->Barrier());
  });
}

TEST_P(Messages, LinksCountWhatWasMoved) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    Bytes data(100000);
    Bytes got(data.size());
    const Rank right = (c->rank() + 1) % size();
    const Rank left = (c->rank() + size() - 1) % size();
    RequestPtr send = Take(c->Isend(right, 0, {data}));
    ExpectOk(c->Recv(left, 0, got).status());
    ExpectOk(send->Wait());
    const std::vector<LinkInfo> links = c->links();
    ASSERT_EQ(links.size(), static_cast<size_t>(size()));
    for (Rank r = 0; r < size(); ++r) EXPECT_EQ(links[static_cast<size_t>(r)].peer, r);
    if (size() > 1) {
      EXPECT_GE(links[static_cast<size_t>(right)].bytes_sent, 100000);
      EXPECT_GE(links[static_cast<size_t>(left)].bytes_received, 100000);
    }
    ExpectOk(c->Barrier());
  });
}

WEFT_OVER_WORLDS(Messages, 1, 2, 3, 4, 5, 8);

}  // namespace
}  // namespace weft::testing
