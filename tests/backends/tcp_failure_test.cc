// How transports fail and end: peers that leave, abort, lie or are forked away.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/tcp_world.h"
#include "weft/backends/tcp/frame.h"
#include "weft/backends/tcp/tcp_transport.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool IsFailure(const arrow::Status& status, CommunicationFailure failure, Rank peer) {
  return IsCommunicationError(status, failure) && GetCommunicationError(status)->peer == peer;
}

TEST(TcpFailure, CancelledOperationsEndAndOthersGoOn) {
  RunWorld(2, [](Transport& t) {
    std::string never(1000, ' ');
    if (t.rank() == 0) {
      const auto receive = Recv(t, 1, 99, never);
      const std::string large = Pattern(1 << 20, 1);
      const auto send = Send(t, 1, 98, large);
      t.Cancel(receive);
      t.Cancel(send);
      ASSERT_TRUE(receive->done() && send->done());
      EXPECT_TRUE(IsFailure(receive->status(), CommunicationFailure::kCancelled, 1));
      EXPECT_TRUE(IsFailure(send->status(), CommunicationFailure::kCancelled, 1));
      ASSERT_OK(Await(t, Send(t, 1, 1, "after")));
    } else {
      std::string in(5, ' ');
      ASSERT_OK(Await(t, Recv(t, 0, 1, in)));
      ASSERT_EQ(in, "after");
    }
  });
}

TEST(TcpFailure, AReceiveCancelledUnderWayLeavesItsMemoryAlone) {
  RunWorld(2, [](Transport& t) {
    const std::string large = Pattern(64 << 20, 1);
    if (t.rank() == 0) {
      const auto send = Send(t, 1, 1, large);
      ASSERT_OK(Await(t, Send(t, 1, 2, "go")));
      ASSERT_OK(Await(t, send));
    } else {
      std::string go(2, ' ');
      ASSERT_OK(Await(t, Recv(t, 0, 2, go)));
      std::string in(large.size(), '\0');
      const auto receive = Recv(t, 0, 1, in);
      for (int i = 0; i < 3; ++i) ASSERT_OK(t.Progress(milliseconds(0)));
      t.Cancel(receive);
      const std::string before = in;
      ASSERT_OK(t.Progress(milliseconds(100)));
      ASSERT_OK(t.Progress(milliseconds(100)));
      EXPECT_TRUE(in == before);
    }
  });
}

TEST(TcpFailure, AbortReachesAllAndNamesItsRank) {
  RunThreads(4, [options = WorldOptions{}](Rank rank) {
    auto transport = *JoinWorld(options, rank, 4);
    std::string in(4, ' ');
    const auto receive = Recv(*transport, (rank + 1) % 4, 1, in);
    if (rank == 2) {
      std::this_thread::sleep_for(milliseconds(50));
      transport->Abort(arrow::Status::Invalid("the moon is full"));
      EXPECT_TRUE(receive->done());
      EXPECT_TRUE(receive->status().IsInvalid());
      EXPECT_TRUE(transport->failure().IsInvalid());
      EXPECT_TRUE(transport->Send(0, 1, {}, nullptr).status().IsInvalid());
      transport->Abort(arrow::Status::Invalid("again"));  // only the first counts
      EXPECT_NE(transport->failure().message().find("moon"), std::string::npos);
    } else {
      const auto began = Clock::now();
      const arrow::Status status = Await(*transport, receive);
      EXPECT_TRUE(IsFailure(status, CommunicationFailure::kAborted, 2)) << status;
      EXPECT_NE(status.message().find("the moon is full"), std::string::npos) << status;
      EXPECT_LT(Clock::now() - began, seconds(5));
      EXPECT_FALSE(transport->Progress(milliseconds(0)).ok());
    }
    ASSERT_OK(transport->Close(Deadline::After(seconds(1))));
  });
}

TEST(TcpFailure, AbortGetsOutBehindAMessageThatIsHalfWritten) {
  RunThreads(2, [options = WorldOptions{}](Rank rank) {
    auto transport = *JoinWorld(options, rank, 2);
    const std::string large = Pattern(64 << 20, 1);
    std::string in(large.size(), ' ');
    if (rank == 0) {
      const auto send = Send(*transport, 1, 1, large);
      while (transport->links()[1].bytes_sent < (1 << 20)) ASSERT_OK(transport->Progress(milliseconds(10)));
      transport->Abort(arrow::Status::IOError("enough"));
      EXPECT_TRUE(send->done());
    } else {
      const arrow::Status status = Await(*transport, Recv(*transport, 0, 1, in));
      // The message is aborted unless it was all there already.
      EXPECT_TRUE(IsFailure(status, CommunicationFailure::kAborted, 0)) << status;
    }
    ASSERT_OK(transport->Close(Deadline::After(seconds(1))));
  });
}

TEST(TcpFailure, APeerThatLeavesWhileOthersWaitForItIsLost) {
  RunThreads(2, [options = WorldOptions{}](Rank rank) {
    auto transport = *JoinWorld(options, rank, 2);
    if (rank == 0) {
      ASSERT_OK(Await(*transport, Send(*transport, 1, 1, "last words")));
      ASSERT_OK(transport->Close(Deadline::After(seconds(5))));
      EXPECT_TRUE(transport->Send(1, 1, {}, nullptr).status().IsInvalid());
      EXPECT_TRUE(transport->Progress(milliseconds(0)).IsInvalid());
    } else {
      std::string in(10, ' ');
      std::this_thread::sleep_for(milliseconds(100));  // what was sent before the goodbye is still received
      ASSERT_OK(Await(*transport, Recv(*transport, 0, 1, in)));
      ASSERT_EQ(in, "last words");
      ASSERT_OK(transport->Progress(milliseconds(0)));
      const arrow::Status status = Await(*transport, Recv(*transport, 0, 1, in));
      EXPECT_TRUE(IsFailure(status, CommunicationFailure::kPeerLost, 0)) << status;
      EXPECT_NE(status.message().find("has left"), std::string::npos) << status;
    }
  });
}

TEST(TcpFailure, DestructionWithoutCloseCompletesOperations) {
  RunThreads(2, [options = WorldOptions{}](Rank rank) {
    auto transport = *JoinWorld(options, rank, 2);
    std::string in(10, ' ');
    const auto receive = Recv(*transport, 1 - rank, 1, in);
    transport.reset();
    EXPECT_TRUE(receive->done());
    EXPECT_FALSE(receive->status().ok());
  });
}

TEST(TcpFailure, CloseDoesNotWaitForAPeerThatStays) {
  RunThreads(2, [options = WorldOptions{}](Rank rank) {
    auto transport = *JoinWorld(options, rank, 2);
    const auto began = Clock::now();
    if (rank == 0) std::this_thread::sleep_for(seconds(1));
    const auto closing = Clock::now();
    ASSERT_OK(transport->Close(Deadline::After(seconds(20))));
    ASSERT_OK(transport->Close(Deadline::After(seconds(20))));
    EXPECT_LT(Clock::now() - closing, seconds(5));
    EXPECT_LT(Clock::now() - began, seconds(8));
  });
}

TEST(TcpFailure, HeartbeatsAreHeardAndTheirCheckFailsAllRanks) {
  RunThreads(3, [options = WorldOptions{}](Rank rank) {
    auto transport = *JoinWorld(options, rank, 3);
    std::atomic<int> heard{0};
    transport->SetHeartbeat([rank] { return rank == 1 ? "gather" : "barrier"; },
                            [&](Rank peer, std::string_view text) {
                              ++heard;
                              if (rank != 0 || text != "gather") return arrow::Status::OK();
                              return MakeCommunicationError(
                                  {.failure = CommunicationFailure::kMismatch, .rank = 0, .peer = peer}, "gather?");
                            });
    std::string in(4, ' ');
    const arrow::Status status = Await(*transport, Recv(*transport, (rank + 1) % 3, 1, in), seconds(10));
    // Rank 1 is told of its own mistake as an abort and passes that on; rank 2 may hear it from either of the others.
    const bool mismatch = IsCommunicationError(status, CommunicationFailure::kMismatch);
    const bool aborted = IsCommunicationError(status, CommunicationFailure::kAborted);
    EXPECT_TRUE(rank == 0 ? mismatch : rank == 1 ? aborted : mismatch || aborted) << rank << ": " << status;
    EXPECT_NE(status.ToString().find("gather?"), std::string::npos) << rank << ": " << status;
    if (rank == 0) {
      EXPECT_GE(heard, 1);
    }
  });
}

TEST(TcpFailure, APeerThatComputesLongIsNotLost) {
  RunWorld(2, [](Transport& t) {
    std::string in(4, ' ');
    if (t.rank() == 0) {
      std::this_thread::sleep_for(seconds(7));  // without a call to the transport
      ASSERT_OK(Await(t, Send(t, 1, 1, "late")));
    } else {
      ASSERT_OK(Await(t, Recv(t, 0, 1, in)));
      ASSERT_EQ(in, "late");
      EXPECT_GT(t.links()[0].round_trip_seconds, 0);
    }
  });
}

TEST(TcpFailure, AForkedChildIsToldSoAndHarmsNothing) {
  RunWorld(2, [](Transport& t) {
    if (t.rank() == 0) {
      const pid_t child = ::fork();
      if (child == 0) {
        const bool refused = t.Send(1, 1, {}, nullptr).status().IsInvalid() && t.Progress(seconds(1)).IsInvalid() &&
                             t.Close(Deadline::After(seconds(1))).IsInvalid();
        t.~Transport();
        ::_exit(refused ? 0 : 1);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    std::string in(4, ' ');
    const auto receive = Recv(t, 1 - t.rank(), 1, in);
    ASSERT_OK(AwaitAll(t, {receive, Send(t, 1 - t.rank(), 1, "fine")}));
  });
}

std::string Joined(const HeaderBytes& head, const std::string& payload) {
  std::string frame(reinterpret_cast<const char*>(head.data()), head.size());
  frame.append(payload);
  return frame;
}

/// A transport of rank 0 in a world of 2 whose peer is the test itself, past the handshake.
class HostilePeer : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    peer_ = Descriptor(ends[1]);
    std::vector<LinkedPeer> peers(2);
    peers[1].info.peer = 1;
    peers[1].stream = MakeSocketStream(Descriptor(ends[0]));
    transport_ = *TcpTransport::Make(0, std::move(peers));
    if (says_first_) Say({FrameType::kResume, 0, 0, 0, 0, 0, kCredit, 0});
  }

  void Say(const FrameHeader& header, const std::string& payload = {}) {
    const HeaderBytes head = EncodeHeader(header);
    Say(Joined(head, payload));
  }
  void Say(const std::string& bytes) {
    ASSERT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// A receive of 100 bytes of tag 1 must fail, and not by waiting.
  void ExpectFailure(const std::string& words) {
    std::string in(100, ' ');
    const arrow::Status status = Await(*transport_, Recv(*transport_, 1, 1, in), seconds(3));
    ASSERT_TRUE(GetCommunicationError(status) != nullptr) << status;
    EXPECT_EQ(GetCommunicationError(status)->peer, 1);
    EXPECT_NE(status.message().find(words), std::string::npos) << status;
  }

  static constexpr uint64_t kCredit = 4 << 20;
  bool says_first_ = true;
  Descriptor peer_;
  std::unique_ptr<Transport> transport_;
};

/// One that does not begin as a stream must.
class RudePeer : public HostilePeer {
 protected:
  RudePeer() { says_first_ = false; }
};

TEST_F(RudePeer, DoesNotSayWhatItHas) {
  Say({FrameType::kEager, 0, 0, 1, 1, 0, kCredit, 0});
  ExpectFailure("did not say first");
}

TEST_F(RudePeer, HasWhatWasNeverSent) {
  Say({FrameType::kResume, 0, 0, 0, 0, 3, kCredit, 0});
  ExpectFailure("not sent");
}

TEST_F(RudePeer, HasAPartOfNothing) {
  Say({FrameType::kResume, 0, 0, 0, 0, 0, kCredit, 100});
  ExpectFailure("a link that is new");
}

TEST_F(HostilePeer, SaysTwiceWhatItHas) {
  Say({FrameType::kResume, 0, 0, 0, 0, 0, kCredit, 0});
  ExpectFailure("said again");
}

TEST_F(HostilePeer, DuplicatesCountOnce) {
  std::string first(5, ' ');
  std::string second(5, ' ');
  for (int i = 0; i < 3; ++i) Say({FrameType::kEager, 0, 5, 1, 1, 0, kCredit, 5}, "first");
  Say({FrameType::kEager, 0, 6, 1, 2, 0, kCredit, 6}, "second");
  second.resize(6);
  ASSERT_OK(Await(*transport_, transport_->Recv(1, 1, {Bytes(first)}, nullptr).ValueOrDie()));
  ASSERT_OK(Await(*transport_, transport_->Recv(1, 1, {Bytes(second)}, nullptr).ValueOrDie()));
  EXPECT_EQ(first, "first");
  EXPECT_EQ(second, "second");
  EXPECT_EQ(transport_->links()[1].messages_received, 2);
}

TEST_F(HostilePeer, UnknownType) {
  Say(std::string(48, '\x77'));
  ExpectFailure("unknown frame type");
}

TEST_F(HostilePeer, HugeLengths) {
  FrameHeader header{FrameType::kEager, 0, UINT32_MAX, 1, 1, 0, kCredit, 0};
  Say(header);
  ExpectFailure("announces 4294967295 bytes");
}

TEST_F(HostilePeer, AnnouncementBeyond63Bits) {
  Say({FrameType::kRequestToSend, 0, 0, 1, 1, 0, kCredit, UINT64_MAX});
  ExpectFailure("impossible length");
}

TEST_F(HostilePeer, AnnouncementOfMoreThanTheReceiveTakesNoMemory) {
  Say({FrameType::kRequestToSend, 0, 0, 1, 1, 0, kCredit, uint64_t{1} << 62});
  ExpectFailure("for a receive of 100 bytes");
}

TEST_F(HostilePeer, FramesOutOfOrder) {
  Say({FrameType::kEager, 0, 0, 1, 2, 0, kCredit, 0});
  ExpectFailure("out of order");
}

TEST_F(HostilePeer, AcknowledgementOfWhatWasNotSent) {
  Say({FrameType::kAcknowledge, 0, 0, 0, 0, 17, kCredit, 0});
  ExpectFailure("not sent");
}

TEST_F(HostilePeer, CreditTakenBack) {
  Say({FrameType::kAcknowledge, 0, 0, 0, 0, 0, 5, 0});
  ExpectFailure("credit back");
}

TEST_F(HostilePeer, DataThatNobodyAskedFor) {
  Say({FrameType::kData, 0, 10, 1, 1, 0, kCredit, 0}, std::string(10, 'x'));
  ExpectFailure("nobody asked for");
}

TEST_F(HostilePeer, DataBesideItsMessage) {
  std::string in(100, ' ');
  const auto receive = transport_->Recv(1, 5, {Bytes(in)}, nullptr).ValueOrDie();
  Say({FrameType::kRequestToSend, 0, 0, 5, 1, 0, kCredit, 50});
  Say({FrameType::kData, 0, 60, 1, 2, 0, kCredit, 0}, std::string(60, 'x'));
  ExpectFailure("beside its message");
  EXPECT_EQ(in, std::string(100, ' '));
}

TEST_F(HostilePeer, AskingForWhatWasNotAnnounced) {
  Say({FrameType::kClearToSend, 0, 0, 9, 1, 0, kCredit, 10});
  ExpectFailure("was not announced");
}

TEST_F(HostilePeer, MoreThanTheCredit) {
  const std::string payload(kMaxEagerPayload, 'x');
  std::thread flood([&] {
    for (uint64_t i = 1; i < 200; ++i) {
      const HeaderBytes head =
          EncodeHeader({FrameType::kEager, 0, kMaxEagerPayload, 7, i, 0, kCredit, kMaxEagerPayload});
      const std::string frame = Joined(head, payload);
      if (::send(peer_.get(), frame.data(), frame.size(), MSG_NOSIGNAL) < 0) return;
    }
  });
  ExpectFailure("credit for");
  transport_.reset();
  flood.join();
}

TEST_F(HostilePeer, FramesAfterItsGoodbye) {
  Say({FrameType::kBye, 0, 0, 0, 1, 0, kCredit, 0});
  Say({FrameType::kEager, 0, 0, 1, 2, 0, kCredit, 0});
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_FALSE(transport_->failure().ok());
}

TEST_F(HostilePeer, AnAbortThatMakesNoSense) {
  Say({FrameType::kAbort, 0, 3, 0, 0, 0, kCredit, 0}, "xyz");
  ExpectFailure("rank 1 has failed");
}

TEST_F(HostilePeer, AByteAtATime) {
  const HeaderBytes head = EncodeHeader({FrameType::kEager, 0, 5, 1, 1, 0, kCredit, 5});
  const std::string frame = Joined(head, "hello");
  std::string in(5, ' ');
  const auto receive = transport_->Recv(1, 1, {Bytes(in)}, nullptr).ValueOrDie();
  for (const char byte : frame) {
    Say(std::string(1, byte));
    ASSERT_OK(transport_->Progress(milliseconds(1)));
  }
  ASSERT_OK(Await(*transport_, receive));
  EXPECT_EQ(in, "hello");
}

TEST_F(HostilePeer, TheEndWithoutAGoodbye) {
  std::string in(100, ' ');
  const auto receive = transport_->Recv(1, 1, {Bytes(in)}, nullptr).ValueOrDie();
  peer_.Reset();
  const arrow::Status status = Await(*transport_, receive, seconds(5));
  EXPECT_TRUE(IsFailure(status, CommunicationFailure::kPeerLost, 1)) << status;
}

TEST_F(HostilePeer, Silence) {
  std::string in(100, ' ');
  const auto began = Clock::now();
  const arrow::Status status = Await(*transport_, Recv(*transport_, 1, 1, in), seconds(20));
  EXPECT_TRUE(IsFailure(status, CommunicationFailure::kPeerLost, 1)) << status;
  EXPECT_GT(Clock::now() - began, seconds(4));
  EXPECT_LT(Clock::now() - began, seconds(10));
}

}  // namespace
}  // namespace weft::tcp
