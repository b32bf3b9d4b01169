// Linking up with a rendezvous server at hand, on one host. What lies behind NATs is tests/netlab's.
#include "backends/tcp_world.h"
#include "weft/bootstrap/meeting.h"
#include "weft/rendezvous/client.h"
#include "weft/rendezvous/listener.h"
#include "weft/rendezvous/room.h"
#include "weft/rendezvous/server.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TcpRendezvous : public ::testing::Test {
 protected:
  /// A rank's transport over the server's pairing and an in-process store.
  arrow::Result<std::unique_ptr<Transport>> Join(Rank rank, int world_size, const std::string& secret = kTestSecret) {
    ARROW_ASSIGN_OR_RAISE(Meeting meeting, OpenMeeting("inprocess://" + job_, server_->address(), {}));
    ARROW_ASSIGN_OR_RAISE(const auto membership, Membership::Join(meeting.store, {job_, 0, world_size, rank}));
    BackendContext context;
    context.membership = membership.get();
    context.secret = secret;
    context.encryption = ChosenEncryption();
    context.connect_timeout = seconds(30);
    context.listener = meeting.listener;
    context.rendezvous = meeting.rendezvous;
    return MakeTransport(context);
  }

  const std::string job_ = FreshJob();
  const std::unique_ptr<RendezvousServer> server_ = *RendezvousServer::Start({.key = {}, .limits = {}});
};

TEST_F(TcpRendezvous, RanksOfOneHostNeedNoPairing) {
  RunThreads(6, [&](Rank rank) {
    const auto transport = Join(rank, 6);
    ASSERT_OK(transport.status());
    for (const LinkInfo& link : (*transport)->links()) {
      EXPECT_EQ(link.path, link.peer == rank ? "self" : "host");
    }
    ASSERT_OK((*transport)->Close(Deadline::After(seconds(10))));
  });
  EXPECT_EQ(server_->statistics().gos, 0);
}

TEST_F(TcpRendezvous, TheConnectionToTheServerComesFromThePortThatListens) {
  const Meeting meeting = *OpenMeeting("", server_->address(), {});
  EXPECT_EQ(meeting.rendezvous->observed()->port, meeting.listener->port());
  // The store is on the same connection.
  EXPECT_TRUE(meeting.store->Set("k", "v", seconds(10)).ok());
  EXPECT_EQ(server_->statistics().accepted_in_all, 1);
}

TEST_F(TcpRendezvous, ARankThatLeavesTheRoomBeforeItPublishedIsLost) {
  const auto began = Clock::now();
  RunThreads(3, [&](Rank rank) {
    if (rank == 1) {
      const Meeting meeting = *OpenMeeting("inprocess://" + job_, server_->address(), {});
      const auto membership = *Membership::Join(meeting.store, {job_, 0, 3, rank});
      ASSERT_OK(meeting.rendezvous->Enter(*rendezvous::RoomKey::Derive(kTestSecret, job_, 0), rank, 3));
      std::this_thread::sleep_for(milliseconds(200));
      return;
    }
    const auto transport = Join(rank, 3);
    ASSERT_TRUE(IsCommunicationError(transport.status(), CommunicationFailure::kPeerLost)) << transport.status();
    EXPECT_EQ(GetCommunicationError(transport.status())->peer, 1);
  });
  EXPECT_LT(Clock::now() - began, seconds(5));
}

TEST_F(TcpRendezvous, AnotherSecretIsSeenBeforeAnythingIsDialed) {
  const auto began = Clock::now();
  RunThreads(3, [&](Rank rank) {
    const auto transport = Join(rank, 3, rank == 2 ? std::string(32, 'x') : kTestSecret);
    ASSERT_TRUE(IsCommunicationError(transport.status(), CommunicationFailure::kAuthenticationFailed))
        << transport.status();
    EXPECT_EQ(GetCommunicationError(transport.status())->peer, rank == 2 ? 0 : 2);
  });
  EXPECT_LT(Clock::now() - began, seconds(5));
}

TEST_F(TcpRendezvous, ALostServerDoesNotKeepAHostFromLinking) {
  RunThreads(3, [&](Rank rank) {
    if (rank == 2) {
      std::this_thread::sleep_for(milliseconds(300));
      const auto membership = *Membership::Join(TestStore(job_), {job_, 0, 3, rank});
      server_->Stop();
      BackendContext context;
      context.membership = membership.get();
      context.secret = kTestSecret;
      context.encryption = ChosenEncryption();
      const auto transport = MakeTransport(context);
      ASSERT_OK(transport.status());
      ASSERT_OK((*transport)->Close(Deadline::After(seconds(10))));
      return;
    }
    const auto transport = Join(rank, 3);
    ASSERT_OK(transport.status());
    ASSERT_OK((*transport)->Close(Deadline::After(seconds(10))));
  });
}

}  // namespace
}  // namespace weft::tcp
