// Wrong arguments, and ranks that fail, stop, leave, or call something else.
#include "conformance/worlds.h"
#include "weft/base/communication_error.h"
#include "weft/communicator/agreement.h"
#include "weft/communicator/call_history.h"

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::byte>;

const Reduction kSumOfInts{.type = arrow::Type::INT64};

void ExpectOk(const arrow::Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

template <typename ResultOrStatus>
void ExpectInvalid(const ResultOrStatus& result) {
  const arrow::Status status = arrow::ToStatus(result);
  EXPECT_TRUE(status.IsInvalid()) << status.ToString();
}

void ExpectFailure(const arrow::Status& status, CommunicationFailure failure) {
  EXPECT_TRUE(IsCommunicationError(status, failure))
      << "expected " << CommunicationFailureName(failure) << ", got " << status.ToString();
}

/// What a rank gets that waits while another fails: told by that rank, or seen to be gone.
void ExpectToldBy(const arrow::Status& status, Rank who) {
  EXPECT_TRUE(IsCommunicationError(status, CommunicationFailure::kAborted)) << status.ToString();
  EXPECT_NE(status.ToString().find("rank " + std::to_string(who)), std::string::npos) << status.ToString();
}

class Arguments : public OverWorlds {};

TEST_P(Arguments, WrongOnesAreRefusedAndCostNothing) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const auto n = static_cast<size_t>(size());
    Bytes block(8);
    Bytes all(8 * n);
    const std::vector<int64_t> counts(n, 8);
    ExpectInvalid(c->Broadcast(block, -1));
    ExpectInvalid(c->Broadcast(block, size()));
    ExpectInvalid(c->Gather(block, all, size()));
    ExpectInvalid(c->Scatter(all, block, -2));
    ExpectInvalid(c->Reduce(block, block, 1, kSumOfInts, size()));
    ExpectInvalid(c->Gather(block, MutableBytes(all).first(all.size() - 1), c->rank()));
    ExpectInvalid(c->Allgather(block, MutableBytes(all).first(all.size() - 1)));
    ExpectInvalid(c->Allgatherv(block, all, std::vector<int64_t>(n + 1, 1), {}));
    ExpectInvalid(c->Allgatherv(block, all, counts, std::vector<int64_t>(n + 1, 0)));
    ExpectInvalid(c->Allgatherv(block, all, std::vector<int64_t>(n, -8), {}));
    ExpectInvalid(c->Allgatherv(block, all, counts, std::vector<int64_t>(n, -1)));
    ExpectInvalid(c->Allgatherv(block, all, std::vector<int64_t>(n, INT64_MAX), {}));
    ExpectInvalid(c->Allgatherv(ConstBytes(block).first(7), all, counts, {}));
    ExpectInvalid(c->Scatterv(all, counts, {}, MutableBytes(block).first(7), c->rank()));
    ExpectInvalid(c->Alltoall(all, MutableBytes(all).first(all.size() - 1)));
    ExpectInvalid(c->Alltoallv(all, counts, {}, MutableBytes(all).first(0), counts, {}));
    ExpectInvalid(c->Allreduce(block, all, 2, kSumOfInts));
    ExpectInvalid(c->Allreduce(all, MutableBytes(block).first(7), 1, kSumOfInts));
    ExpectInvalid(c->Allreduce(block, block, -1, kSumOfInts));
    ExpectInvalid(c->Allreduce(block, block, INT64_MAX, kSumOfInts));
    ExpectInvalid(c->Scan(block, block, 1, {.type = arrow::Type::STRING}));
    ExpectInvalid(c->Allreduce(block, block, 1, {.type = arrow::Type::DOUBLE, .op = ReduceOp::kBitOr}));
    ExpectInvalid(c->Allreduce(block, block, 1, {.type = arrow::Type::FLOAT, .op = ReduceOp::kBitAnd}));
    ExpectInvalid(c->Allreduce(block, block, 1,
                               {.type = arrow::Type::INT64, .function = [](auto...) { return arrow::Status::OK(); }}));
    ExpectInvalid(c->ReduceScatter(all, block, std::vector<int64_t>(n, 2), kSumOfInts));
    ExpectInvalid(c->ReduceScatter(all, block, std::vector<int64_t>(n, INT64_MAX / 2 + 1), kSumOfInts));
    ExpectInvalid(c->Allreduce(MutableBytes(all).first(7), MutableBytes(all).subspan(1), 7,
                               {.type = arrow::Type::INT8, .op = ReduceOp::kMax}));
    ExpectInvalid(c->Send(size(), 0, block));
    ExpectInvalid(c->Send(-1, 0, block));
    ExpectInvalid(c->Isend(0, Communicator::kMaxTag + 1, {block}));
    ExpectInvalid(c->Recv(size(), 0, block));
    EXPECT_TRUE(c->failure().ok());
    ExpectOk(c->Allgather(block, all));
    ExpectOk(c->Barrier());
  });
}

TEST_P(Arguments, ClosedIsClosed) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    ExpectOk(c->Barrier());
    ExpectOk(c->Close());
    ExpectOk(c->Close());
    ExpectInvalid(c->Barrier());
    ExpectInvalid(c->Send(0, 0, {}));
    ExpectInvalid(c->Progress(Duration::zero()));
    ExpectInvalid(c->Dup());
  });
}

WEFT_OVER_WORLDS(Arguments, 1, 2, 5);

class Failures : public OverWorlds {
 protected:
  static CommunicatorOptions Checked() {
    CommunicatorOptions options = Options();
    options.check_collectives = true;
    return options;
  }
};

TEST_P(Failures, CheckedCollectivesAgreeWhenTheyDo) {
  World world = Make(Checked());
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    int64_t value = c->rank();
    const MutableBytes data = std::as_writable_bytes(std::span(&value, 1));
    std::vector<int64_t> all(static_cast<size_t>(size()));
    ExpectOk(c->Barrier());
    ExpectOk(c->Allreduce(data, data, 1, kSumOfInts));
    EXPECT_EQ(value, size() * (size() - 1) / 2);
    ExpectOk(c->Gather(data, c->rank() == 1 ? std::as_writable_bytes(std::span(all)) : MutableBytes(), 1));
    ExpectOk(c->Broadcast(data, 1));
    ExpectOk(c->Alltoall(std::as_bytes(std::span(all)), std::as_writable_bytes(std::span(all))));
    ExpectOk(c->Scan(data, data, 1, kSumOfInts));
    EXPECT_TRUE(c->Dup().ok());
  });
}

TEST_P(Failures, CheckedCollectivesThatDifferAreNamedOnAllRanks) {
  struct Difference {
    const char* name;
    std::function<arrow::Status(Communicator&, bool odd, MutableBytes data)> call;
    std::string one;
    std::string other;
  };
  const Difference differences[] = {
      {"operation",
       [](Communicator& c, bool odd, MutableBytes data) { return odd ? c.Barrier() : c.Broadcast(data, 0); },
       "rank 1 calls barrier", "broadcast of 16 bytes with root 0"},
      {"root", [](Communicator& c, bool odd, MutableBytes data) { return c.Broadcast(data, odd ? 1 : 0); },
       "with root 1", "with root 0"},
      {"count",
       [](Communicator& c, bool odd, MutableBytes data) { return c.Allreduce(data, data, odd ? 1 : 2, kSumOfInts); },
       "allreduce of 1 int64 by sum", "allreduce of 2 int64 by sum"},
      {"op",
       [](Communicator& c, bool odd, MutableBytes data) {
         return c.Allreduce(data, data, 2, {.type = arrow::Type::INT64, .op = odd ? ReduceOp::kMin : ReduceOp::kMax});
       },
       "by min", "by max"},
      {"type",
       [](Communicator& c, bool odd, MutableBytes data) {
         return c.Allreduce(data, data, 2, {.type = odd ? arrow::Type::DOUBLE : arrow::Type::INT64});
       },
       "double", "int64"},
  };
  for (const Difference& difference : differences) {
    World world = Make(Checked());
    ASSERT_TRUE(world.ok());
    world.Run([&](RankContext& c) {
      c.At(difference.name);
      Bytes data(16);
      const arrow::Status status = difference.call(*c, c->rank() == 1, data);
      ExpectFailure(status, CommunicationFailure::kMismatch);
      EXPECT_NE(status.ToString().find(difference.one), std::string::npos) << status.ToString();
      EXPECT_NE(status.ToString().find(difference.other), std::string::npos) << status.ToString();
      ExpectFailure(c->failure(), CommunicationFailure::kMismatch);
      ExpectFailure(c->Barrier(), CommunicationFailure::kMismatch);
    });
  }
}

TEST_P(Failures, UncheckedCollectivesThatDifferAreFoundByHeartbeats) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  std::atomic<int>& named = SharedNumber();
  Gate gate(size());
  Gate end(size());
  world.Run([&](RankContext& c) {
    ExpectOk(c->Barrier());
    gate.Pass();
    int64_t value = 0;
    const MutableBytes data = std::as_writable_bytes(std::span(&value, 1));
    // The last rank waits for a broadcast; the others for its part of a reduction.
    const bool last = c->rank() == size() - 1;
    const arrow::Status status = last ? c->Broadcast(data, 0) : c->Allreduce(data, data, 1, kSumOfInts);
    if (status.ok()) {
      // A rank that needed nothing from the one that differs may be through; it learns of it next.
      ExpectFailure(c->Barrier(), CommunicationFailure::kMismatch);
    } else {
      ExpectFailure(status, CommunicationFailure::kMismatch);
      const std::string text = status.ToString();
      if (text.find("broadcast") != std::string::npos && text.find("allreduce") != std::string::npos) ++named;
    }
    end.Pass();
  });
  EXPECT_GE(named.load(), 1);
}

TEST_P(Failures, ACollectiveBesideAnOperationOfMessagesIsAMismatch) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  std::atomic<int>& named = SharedNumber();
  Gate end(size());
  world.Run([&](RankContext& c) {
    ExpectOk(c->Barrier());
    arrow::Status status;
    if (c->rank() == 0) {
      const auto mark = c->Enter({.collective = Collective::kGatherRows, .root = 0});
      Bytes data(10);
      status = c->Recv(1, 0, data).status();
    } else {
      status = c->Barrier();
    }
    EXPECT_FALSE(status.ok());
    const std::string text = status.ToString();
    if (text.find("gather of rows with root 0") != std::string::npos && text.find("barrier") != std::string::npos) {
      ++named;
    }
    end.Pass();
  });
  EXPECT_GE(named.load(), 1);
}

TEST_P(Failures, AnOperationOfMessagesHasItsNumber) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    for (int i = 0; i < 3; ++i) {
      const auto mark = c->Enter({.collective = Collective::kShuffleRows});
      ExpectOk(c->Barrier());
    }
    ExpectOk(c->Barrier());
  });
}

TEST_P(Failures, LagIsNoMismatch) {
  if (size() != 3 && !Soak()) GTEST_SKIP() << "takes seconds: once is enough by default";
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    // For more than two heartbeats the others wait in the second collective, or the first.
    ExpectOk(c->Barrier());
    if (c->rank() == 0) std::this_thread::sleep_for(2500ms);
    int64_t value = 1;
    const MutableBytes data = std::as_writable_bytes(std::span(&value, 1));
    ExpectOk(c->Allreduce(data, data, 1, kSumOfInts));
    ExpectOk(c->Broadcast(data, 0));
    EXPECT_EQ(value, size());
  });
}

TEST_P(Failures, LengthsThatDifferAreAMismatch) {
  if (factory().name == "ucc") GTEST_SKIP() << "UCC does not tell; check_collectives does";
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    Bytes data(c->rank() == 0 ? 100 : 60);
    const arrow::Status status = c->Broadcast(data, 0);
    if (c->rank() == 0) {
      // The root may be done before the others see it.
      if (status.ok()) {
        EXPECT_FALSE(c->Barrier().ok());
      }
      return;
    }
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.ToString().find("100"), std::string::npos) << status.ToString();
  });
}

TEST_P(Failures, MessageLongerThanItsReceive) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    Bytes data(200000);
    if (c->rank() == 0) {
      [[maybe_unused]] const arrow::Status sent = c->Send(1, 0, data);
      EXPECT_FALSE(c->Barrier().ok());
    } else if (c->rank() == 1) {
      auto received = c->Recv(0, 0, MutableBytes(data).first(199999));
      ExpectFailure(received.status(), CommunicationFailure::kMismatch);
      ExpectFailure(c->Barrier(), CommunicationFailure::kMismatch);
    } else {
      EXPECT_FALSE(c->Barrier().ok());
    }
  });
}

TEST_P(Failures, AbortEndsTheOthersWaits) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  Gate gate(size());
  world.Run([&](RankContext& c) {
    ExpectOk(c->Barrier());
    gate.Pass();
    if (c->rank() == 1) {
      std::this_thread::sleep_for(50ms);
      c->Abort(arrow::Status::KeyError("column 'price' is missing"));
      EXPECT_TRUE(c->failure().IsKeyError()) << c->failure().ToString();
      EXPECT_TRUE(c->Barrier().IsKeyError());
      return;
    }
    const arrow::Status status = c->Barrier();
    ExpectToldBy(status, 1);
    EXPECT_NE(status.ToString().find("column 'price' is missing"), std::string::npos) << status.ToString();
    const CommunicationError* error = GetCommunicationError(status);
    ASSERT_NE(error, nullptr);
    EXPECT_TRUE(error->operation.empty() || error->operation == "barrier") << error->operation;
    EXPECT_EQ(error->rank, c->rank());
    EXPECT_EQ(error->peer, 1);
    ExpectToldBy(c->failure(), 1);
    ExpectToldBy(c->Send(0, 0, {}), 1);
  });
}

TEST_P(Failures, AbortFromAnotherThread) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    std::thread other;
    if (c->rank() == 0) {
      other = std::thread([&] {
        std::this_thread::sleep_for(50ms);
        c->Abort(arrow::Status::Cancelled("the user said so"));
      });
    }
    Bytes data(8);
    const arrow::Status status = c->Recv((c->rank() + 1) % size(), 0, data).status();
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.ToString().find("the user said so"), std::string::npos) << status.ToString();
    if (other.joinable()) other.join();
  });
}

TEST_P(Failures, CancelAndDroppedRequests) {
  for (const bool drop : {false, true}) {
    World world = Make();
    ASSERT_TRUE(world.ok());
    Gate gate(size());
    world.Run([&](RankContext& c) {
      ExpectOk(c->Barrier());
      gate.Pass();
      if (c->rank() != 0) {
        ExpectToldBy(c->Barrier(), 0);
        return;
      }
      auto owner = std::make_shared<Bytes>(100);
      const std::weak_ptr<Bytes> alive = owner;
      auto request = c->Irecv(1, 0, {MutableBytes(*owner)}, owner);
      ASSERT_TRUE(request.ok());
      owner.reset();
      if (drop) {
        request->reset();
      } else {
        ExpectOk((*request)->Cancel());
        ExpectFailure((*request)->Wait(), CommunicationFailure::kCancelled);
        ExpectFailure((*request)->Test().status(), CommunicationFailure::kCancelled);
      }
      ExpectFailure(c->failure(), CommunicationFailure::kCancelled);
      ExpectFailure(c->Barrier(), CommunicationFailure::kCancelled);
      if (!drop) request->reset();
      EXPECT_TRUE(c->Close().ok());
      EXPECT_TRUE(alive.expired());
    });
  }
}

TEST_P(Failures, TimeoutNamesTheRankThatDidNotCome) {
  CommunicatorOptions options = Options();
  options.timeout = 300ms;
  World world = Make(options);
  ASSERT_TRUE(world.ok());
  std::atomic<int>& timed_out = SharedNumber();
  Gate gate(size());
  Gate end(size());
  world.Run([&](RankContext& c) {
    ExpectOk(c->Barrier());
    gate.Pass();
    if (c->rank() == 1) {
      std::this_thread::sleep_for(900ms);
      EXPECT_FALSE(c->Barrier().ok());
      return end.Pass();
    }
    Bytes data(8);
    const arrow::Status status = c->Recv(1, 3, data).status();
    EXPECT_FALSE(status.ok());
    // Or told by one that timed out first.
    if (IsCommunicationError(status, CommunicationFailure::kTimedOut)) ++timed_out;
    end.Pass();
    if (!IsCommunicationError(status, CommunicationFailure::kTimedOut)) return;
    const CommunicationError* error = GetCommunicationError(status);
    EXPECT_EQ(error->operation, "recv");
    EXPECT_EQ(error->phase, "wait");
    EXPECT_EQ(error->peer, 1);
    EXPECT_GE(error->elapsed, 290ms);
    EXPECT_NE(status.ToString().find("rank 1"), std::string::npos) << status.ToString();
  });
  EXPECT_GE(timed_out.load(), 1);
}

TEST_P(Failures, ProgressAndTestTimeOutToo) {
  CommunicatorOptions options = Options();
  options.timeout = 300ms;
  World world = Make(options);
  ASSERT_TRUE(world.ok());
  Gate gate(size());
  world.Run([&](RankContext& c) {
    ExpectOk(c->Barrier());
    gate.Pass();
    if (c->rank() == 1) return std::this_thread::sleep_for(900ms);
    Bytes data(8);
    auto request = c->Irecv(1, 3, {data});
    ASSERT_TRUE(request.ok());
    arrow::Status status;
    while (status.ok()) {
      auto tested = (*request)->Test();
      status = tested.status();
      if (status.ok()) status = c->Progress(20ms);
    }
    if (size() == 2) {
      ExpectFailure(status, CommunicationFailure::kTimedOut);
      EXPECT_EQ(GetCommunicationError(status)->peer, 1);
    }
  });
}

TEST_P(Failures, InterruptEndsAWaitWithItsOwnError) {
  std::atomic<int>& interrupt = SharedNumber();
  CommunicatorOptions options = Options();
  options.check_interrupt = [&] {
    return interrupt.load() != 0 ? arrow::Status::Cancelled("Ctrl-C") : arrow::Status::OK();
  };
  World world = Make(options);
  ASSERT_TRUE(world.ok());
  std::atomic<int>& interrupted = SharedNumber();
  Gate gate(size());
  Gate end(size());
  world.Run([&](RankContext& c) {
    ExpectOk(c->Barrier());
    gate.Pass();
    if (c->rank() == 1) {
      std::this_thread::sleep_for(100ms);
      interrupt = 1;
      std::this_thread::sleep_for(400ms);
      EXPECT_FALSE(c->Barrier().ok());
      return end.Pass();
    }
    const arrow::Status status = c->Barrier();
    EXPECT_FALSE(status.ok());
    if (status.IsCancelled()) ++interrupted;
    end.Pass();
    if (!status.IsCancelled()) return ExpectFailure(status, CommunicationFailure::kAborted);
    ExpectFailure(c->failure(), CommunicationFailure::kCancelled);
  });
  EXPECT_GE(interrupted.load(), 1);
}

TEST_P(Failures, ClosingWhileAnotherWaits) {
  for (const bool destroy : {false, true}) {
    World world = Make();
    ASSERT_TRUE(world.ok());
    Gate gate(size());
    world.Run([&](RankContext& c) {
      ExpectOk(c->Barrier());
      gate.Pass();
      if (c->rank() == 1) {
        std::this_thread::sleep_for(50ms);
        if (destroy) return world.Drop(1);
        ExpectOk(c->Close(200ms));
        return;
      }
      Bytes data(8);
      const auto begin = Clock::now();
      const arrow::Status status = c->Recv(1, 0, data).status();
      EXPECT_FALSE(status.ok());
      EXPECT_LT(Clock::now() - begin, 10s);
      if (size() > 2 && !IsCommunicationError(status, CommunicationFailure::kPeerLost)) {
        ExpectFailure(status, CommunicationFailure::kAborted);  // told by one that saw it first
        return;
      }
      ExpectFailure(status, CommunicationFailure::kPeerLost);
      EXPECT_EQ(GetCommunicationError(status)->peer, 1);
    });
  }
}

TEST_P(Failures, WhatWasSentBeforeClosingArrives) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  world.Run([&](RankContext& c) {
    const Bytes expected = Pattern(5, 3000);
    if (c->rank() == 1) {
      for (Rank to = 0; to < size(); ++to) {
        if (to != 1) ExpectOk(c->Send(to, 7, expected));
      }
      ExpectOk(c->Close());
      return;
    }
    std::this_thread::sleep_for(100ms);
    Bytes got(expected.size());
    ExpectOk(c->Recv(1, 7, got).status());
    EXPECT_EQ(got, expected);
  });
}

TEST_P(Failures, OneThreadAtATime) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  std::atomic<int>& refused = SharedNumber();
  world.Run([&](RankContext& c) {
    if (c->rank() != 0) {
      while (refused == 0) std::this_thread::sleep_for(1ms);
      ExpectOk(c->Barrier());
      return;
    }
    std::thread waits([&] {
      arrow::Status status;
      do {
        status = c->Barrier();  // may itself be the second thread
      } while (status.IsInvalid());
      ExpectOk(status);
    });
    while (refused == 0) {
      const arrow::Status status = c->Progress(Duration::zero());
      if (!status.ok()) {
        ExpectInvalid(status);
        refused = 1;
      }
    }
    waits.join();
  });
}

WEFT_OVER_WORLDS(Failures, 2, 3, 5);

}  // namespace
}  // namespace weft::testing
