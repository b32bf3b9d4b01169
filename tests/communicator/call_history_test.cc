#include "weft/communicator/call_history.h"

#include <gtest/gtest.h>

#include "weft/base/communication_error.h"

namespace weft {
namespace {

const CollectiveCall kBarrier{.collective = Collective::kBarrier};
const CollectiveCall kBroadcast{.collective = Collective::kBroadcast, .root = 2, .count = 8};

struct Side {
  explicit Side(Rank rank) : calls(std::make_shared<CallHistory>(rank, std::vector<Rank>{0, 1, 4})) {
    all.Add(3, calls);
  }
  CallHistories all;
  std::shared_ptr<CallHistory> calls;
};

TEST(CallHistory, TheSameCallIsNoMismatch) {
  Side a(0);
  Side b(1);
  a.calls->Begin(5, kBroadcast);
  b.calls->Begin(5, kBroadcast);
  EXPECT_FALSE(a.all.MakeHeartbeat().empty());
  EXPECT_TRUE(b.all.CheckHeartbeat(0, a.all.MakeHeartbeat()).ok());
}

TEST(CallHistory, AnotherCallUnderTheSameNumberIs) {
  Side a(0);
  Side b(1);
  a.calls->Begin(5, kBroadcast);
  b.calls->Begin(5, kBarrier);
  b.calls->End(5);  // this rank is through already, and on to the next
  b.calls->Begin(6, kBroadcast);
  const arrow::Status status = b.all.CheckHeartbeat(0, a.all.MakeHeartbeat());
  EXPECT_TRUE(IsCommunicationError(status, CommunicationFailure::kMismatch)) << status.ToString();
  EXPECT_NE(status.ToString().find("as number 5 rank 1 called barrier, rank 0 called broadcast of 8 bytes with root 2"),
            std::string::npos)
      << status.ToString();
}

TEST(CallHistory, BeingBehindOrLongPastIsNot) {
  Side a(0);
  Side b(1);
  a.calls->Begin(5, kBroadcast);
  EXPECT_TRUE(b.all.CheckHeartbeat(0, a.all.MakeHeartbeat()).ok());  // has not come to number 5
  for (uint32_t number = 0; number < 400; ++number) {
    b.calls->Begin(number, kBarrier);
    b.calls->End(number);
  }
  EXPECT_TRUE(b.all.CheckHeartbeat(0, a.all.MakeHeartbeat()).ok());  // has forgotten number 5
  EXPECT_TRUE(b.all.MakeHeartbeat().empty());
}

TEST(CallHistory, OtherCommunicatorsAndOutsidersAreNotLookedAt) {
  Side a(0);
  Side b(1);
  a.calls->Begin(5, kBroadcast);
  b.calls->Begin(5, kBarrier);
  EXPECT_TRUE(b.all.CheckHeartbeat(2, a.all.MakeHeartbeat()).ok());  // rank 2 is no member
  b.all.Remove(3);
  EXPECT_TRUE(b.all.CheckHeartbeat(0, a.all.MakeHeartbeat()).ok());
}

TEST(CallHistory, JunkIsRefused) {
  Side b(1);
  EXPECT_TRUE(b.all.CheckHeartbeat(0, "short").IsInvalid());
  EXPECT_TRUE(b.all.CheckHeartbeat(0, std::string(400, '\xff')).ok());  // of a communicator that is not here
}

TEST(CallHistory, CallsAreDescribed) {
  CollectiveCall call{.collective = Collective::kReduce, .root = 1, .count = 5};
  call.SetReduction({.type = arrow::Type::DOUBLE, .op = ReduceOp::kMax}, 8);
  EXPECT_EQ(call.Describe(), "reduce of 5 double by max with root 1");
}

}  // namespace
}  // namespace weft
