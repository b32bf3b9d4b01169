// What the conformance suite cannot see of the local transport.
#include <gtest/gtest.h>

#include "weft/backends/local/local_backend.h"
#include "weft/base/communication_error.h"
#include "weft/bootstrap/in_process_store.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::byte>;

std::vector<std::unique_ptr<Transport>> Make(int size) {
  auto made = local::MakeTransports(size);
  EXPECT_TRUE(made.ok());
  return *std::move(made);
}

TEST(LocalTransport, SmallSendsAreDoneAtOnceLargeOnesWhenTaken) {
  auto world = Make(2);
  Bytes small(8 * 1024, std::byte{1});
  Bytes large(8 * 1024 + 1, std::byte{2});
  auto first = world[0]->Send(1, 0, {small}, {});
  auto second = world[0]->Send(1, 0, {large}, {});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE((*first)->done());
  EXPECT_FALSE((*second)->done());
  small.assign(small.size(), std::byte{9});  // no longer needed by the send
  Bytes got(large.size());
  auto received = world[1]->Recv(0, 0, {got}, {});
  ASSERT_TRUE((*received)->done());
  EXPECT_EQ((*received)->bytes(), 8 * 1024);
  EXPECT_EQ(got[5], std::byte{1});
  received = world[1]->Recv(0, 0, {got}, {});
  ASSERT_TRUE((*received)->done());
  EXPECT_TRUE((*second)->done());
  EXPECT_EQ(got, large);
}

TEST(LocalTransport, CopiesOfSmallMessagesAreBounded) {
  auto world = Make(2);
  const Bytes data(8 * 1024);
  OperationPtr last;
  int done = 0;
  for (; done < 10000; ++done) {
    last = *world[0]->Send(1, 0, {data}, {});
    if (!last->done()) break;
  }
  EXPECT_LT(done, 10000);
  Bytes got(data.size());
  for (int i = 0; i <= done; ++i) EXPECT_TRUE((*world[1]->Recv(0, 0, {got}, {}))->done());
  EXPECT_TRUE(last->done());
}

TEST(LocalTransport, ProgressReturnsForACompletionSinceTheLastCall) {
  auto world = Make(2);
  Bytes got(4);
  auto received = world[1]->Recv(0, 0, {got}, {});
  ASSERT_TRUE(world[0]->Send(1, 0, {Bytes(4)}, {}).ok());
  EXPECT_TRUE((*received)->done());
  const auto begin = Clock::now();
  EXPECT_TRUE(world[1]->Progress(20s).ok());
  EXPECT_LT(Clock::now() - begin, 10s);
}

TEST(LocalTransport, CancelTakesBackWhatIsNotMatched) {
  auto world = Make(2);
  Bytes got(4);
  auto owner = std::make_shared<int>(1);
  auto receive = *world[1]->Recv(0, 0, {got}, owner);
  const Bytes large(100000);
  auto send = *world[1]->Send(0, 0, {large}, owner);
  world[1]->Cancel(receive);
  world[1]->Cancel(send);
  EXPECT_TRUE(IsCommunicationError(receive->status(), CommunicationFailure::kCancelled));
  EXPECT_TRUE(IsCommunicationError(send->status(), CommunicationFailure::kCancelled));
  EXPECT_EQ(owner.use_count(), 1);
  world[1]->Cancel(send);  // done already
}

TEST(LocalTransport, OnlyTheFirstAbortCounts) {
  auto world = Make(3);
  Bytes got(4);
  auto receive = *world[1]->Recv(0, 0, {got}, {});
  world[2]->Abort(arrow::Status::Invalid("first"));
  world[2]->Abort(arrow::Status::Invalid("second"));
  EXPECT_EQ(world[2]->failure().message(), "first");
  EXPECT_TRUE(receive->done());
  EXPECT_TRUE(IsCommunicationError(receive->status(), CommunicationFailure::kAborted));
  EXPECT_NE(receive->status().ToString().find("first"), std::string::npos);
  EXPECT_FALSE(world[0]->Send(1, 0, {}, {}).ok());
  EXPECT_FALSE(world[0]->Progress(Duration::zero()).ok());
}

TEST(LocalTransport, HeartbeatsReachThePeerOfAWaitingRank) {
  auto world = Make(2);
  std::string heard;
  world[0]->SetHeartbeat([] { return std::string("barrier"); }, [](Rank, std::string_view) { return arrow::Status(); });
  world[1]->SetHeartbeat([] { return std::string(); },
                         [&](Rank peer, std::string_view text) {
                           heard = std::to_string(peer) + std::string(text);
                           return arrow::Status::Invalid("not what I called");
                         });
  Bytes got(4);
  auto receive = *world[0]->Recv(1, 0, {got}, {});
  const auto begin = Clock::now();
  while (!receive->done() && Clock::now() - begin < 20s) {
    [[maybe_unused]] const arrow::Status status = world[0]->Progress(100ms);
  }
  EXPECT_EQ(heard, "0barrier");
  EXPECT_TRUE(IsCommunicationError(receive->status(), CommunicationFailure::kAborted)) << receive->status().ToString();
  EXPECT_TRUE(world[1]->failure().IsInvalid());
}

TEST(LocalBackend, IsForAWorldOfOne) {
  auto store = std::make_shared<InProcessStore>();
  BackendContext context;
  auto one = Membership::Join(store, {.job = "one", .epoch = 0, .world_size = 1, .rank = 0});
  ASSERT_TRUE(one.ok());
  context.membership = one->get();
  auto made = MakeCommunicator("local", context);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ((*made)->world_size(), 1);
  EXPECT_EQ((*made)->backend(), "local");
  EXPECT_TRUE((*made)->Barrier().ok());
  auto two = Membership::Join(store, {.job = "two", .epoch = 0, .world_size = 2, .rank = 0});
  ASSERT_TRUE(two.ok());
  context.membership = two->get();
  const arrow::Status refused = MakeCommunicator("local", context).status();
  EXPECT_TRUE(refused.IsInvalid());
  EXPECT_NE(refused.ToString().find("2 ranks"), std::string::npos) << refused.ToString();
}

}  // namespace
}  // namespace weft
