// Messages through memory that two ranks share: order, bounds, refusals, and peers that say anything about it.
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "backends/tcp_world.h"
#include "weft/backends/tcp/frame.h"
#include "weft/backends/tcp/relinker.h"
#include "weft/backends/tcp/shared_memory.h"
#include "weft/backends/tcp/tcp_transport.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// What a rank offers where nothing else is said.
const int64_t kShared = BackendContext{}.shm_bytes;

WorldOptions Plain(bool rank_one_shares = true) {
  WorldOptions options;
  options.encryption = [](Rank) { return "auto"; };
  options.shm = [rank_one_shares](Rank rank) { return rank == 0 || rank_one_shares; };
  return options;
}

/// Sends long messages until memory is shared both ways, or for long enough to know that it is not.
void Warm(Transport& t) {
  const std::string out = Pattern(100'000, 5);
  for (int i = 0; i < 20; ++i) {
    std::string in(out.size(), ' ');
    ASSERT_OK(AwaitAll(t, {Recv(t, 1 - t.rank(), 9, in), Send(t, 1 - t.rank(), 9, out)}));
    ASSERT_TRUE(in == out);
  }
}

int64_t Shared(const Transport& t) { return t.links()[static_cast<size_t>(1 - t.rank())].shared_memory; }

TEST(TcpShared, SizesAroundEveryBoundary) {
  const int64_t all = SharedSize(kShared, 2);
  const int64_t piece = all / 8;
  const std::vector<int64_t> sizes = {0,         1,       16383, 16384,   65536,        262144,    262145,  piece - 1,
                                      piece + 1, all - 1, all,   all + 1, 3 * all + 17, 5 * piece, 64 << 20};
  RunWorld(
      2,
      [&](Transport& t) {
        Warm(t);
        ASSERT_EQ(Shared(t), 2 * all);
        for (const int64_t size : sizes) {
          const auto length = static_cast<size_t>(size);
          const std::string out = Pattern(length, 1 + static_cast<uint64_t>(t.rank()));
          std::string in(length, ' ');
          const auto recv = Recv(t, 1 - t.rank(), 1, in);
          ASSERT_OK(AwaitAll(t, {recv, Send(t, 1 - t.rank(), 1, out)}));
          ASSERT_EQ(recv->bytes(), size);
          ASSERT_TRUE(in == Pattern(length, 2 - static_cast<uint64_t>(t.rank()))) << size;
        }
      },
      Plain());
}

TEST(TcpShared, ManyAtOnceAndLateReceives) {
  RunWorld(
      2,
      [](Transport& t) {
        Warm(t);
        std::mt19937_64 random(7);
        constexpr int kMessages = 300;
        std::vector<std::string> out;
        std::vector<std::string> in;
        std::vector<Tag> tags;
        for (int i = 0; i < kMessages; ++i) {
          const auto size = static_cast<size_t>(random() % (i % 10 == 0 ? 3'000'000 : 200'000));
          tags.push_back(random() % 4);
          out.push_back(Pattern(size, static_cast<uint64_t>(i)));
          in.emplace_back(size, ' ');
        }
        std::vector<OperationPtr> sends;
        for (size_t i = 0; i < out.size(); ++i) sends.push_back(Send(t, 1 - t.rank(), tags[i], out[i]));
        // The peer's have come, or wait, when theirs is the time.
        for (int i = 0; i < 20; ++i) ASSERT_OK(t.Progress(milliseconds(5)));
        std::vector<OperationPtr> receives;
        for (size_t i = 0; i < in.size(); ++i) receives.push_back(Recv(t, 1 - t.rank(), tags[i], in[i]));
        ASSERT_OK(AwaitAll(t, receives));
        ASSERT_OK(AwaitAll(t, sends));
        for (size_t i = 0; i < in.size(); ++i) ASSERT_TRUE(in[i] == out[i]) << i;
      },
      Plain());
}

TEST(TcpShared, ASendIsDoneWhenItsBytesAreInTheMemory) {
  RunWorld(
      2,
      [](Transport& t) {
        Warm(t);
        std::string gate(1, ' ');
        std::string in(100'000, ' ');
        if (t.rank() == 0) {
          std::string out = Pattern(100'000, 3);
          ASSERT_OK(Await(t, Send(t, 1, 1, out)));  // nobody receives it yet
          out.assign(out.size(), 'x');
          ASSERT_OK(Await(t, Send(t, 1, 2, "g")));
        } else {
          ASSERT_OK(Await(t, Recv(t, 0, 2, gate)));
          ASSERT_OK(Await(t, Recv(t, 0, 1, in)));
          ASSERT_TRUE(in == Pattern(100'000, 3));
        }
      },
      Plain());
}

TEST(TcpShared, AReceiveCancelledUnderWayLeavesItsMemoryAloneAndTheNextIsWhole) {
  RunWorld(
      2,
      [](Transport& t) {
        Warm(t);
        const std::string out = Pattern(32 << 20, 3);
        std::string next(200'000, ' ');
        if (t.rank() == 0) {
          ASSERT_OK(AwaitAll(t, {Send(t, 1, 1, out), Send(t, 1, 1, out.substr(0, next.size()))}));
        } else {
          std::string in(out.size(), ' ');
          const auto receive = Recv(t, 0, 1, in);
          // Under way: it has taken the first message. Cancelled sooner, it would leave that to the next receive.
          const auto begun = [&] { return std::string_view(in).substr(0, 64) == out.substr(0, 64); };
          while (!begun() && !receive->done()) ASSERT_OK(t.Progress(milliseconds(1)));
          t.Cancel(receive);
          const std::string before = in;
          ASSERT_OK(Await(t, Recv(t, 0, 1, next)));
          EXPECT_TRUE(receive->status().ok() || in == before);
          EXPECT_TRUE(next == out.substr(0, next.size()));
        }
      },
      Plain());
}

TEST(TcpShared, AReceiveCancelledBeforeItsMessageLeavesItToTheNext) {
  RunWorld(
      2,
      [](Transport& t) {
        Warm(t);
        const std::string out = Pattern(3 << 20, 3);
        std::string gate(1, ' ');
        if (t.rank() == 0) {
          ASSERT_OK(Await(t, Recv(t, 1, 2, gate)));
          ASSERT_OK(Await(t, Send(t, 1, 1, out)));
        } else {
          std::string in(out.size(), ' ');
          const auto receive = Recv(t, 0, 1, in);
          t.Cancel(receive);
          EXPECT_FALSE(receive->status().ok());
          ASSERT_OK(Await(t, Send(t, 0, 2, "g")));
          std::string next(out.size(), ' ');
          ASSERT_OK(Await(t, Recv(t, 0, 1, next)));
          EXPECT_TRUE(next == out);
          EXPECT_TRUE(in == std::string(out.size(), ' '));
        }
      },
      Plain());
}

TEST(TcpShared, NotWhereOneOfThemDoesNotWantIt) {
  RunWorld(
      2,
      [](Transport& t) {
        Warm(t);
        // Rank 1 refuses rank 0's, and offers none.
        EXPECT_EQ(Shared(t), 0);
      },
      Plain(false));
}

TEST(TcpShared, NotWhereTheLinkIsEncrypted) {
  WorldOptions options;
  options.encryption = [](Rank) { return "on"; };
  RunWorld(
      2,
      [](Transport& t) {
        Warm(t);
        EXPECT_EQ(Shared(t), 0);
      },
      options);
}

int Descriptors() {
  int count = 0;
  DIR* const directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

bool Mapped() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:weft") != std::string::npos) return true;
  }
  return false;
}

TEST(TcpShared, NothingIsLeft) {
  RunWorld(2, [](Transport& t) { Warm(t); }, Plain());  // what stays of the first world of a process
  const int before = Descriptors();
  RunWorld(
      2,
      [](Transport& t) {
        Warm(t);
        EXPECT_TRUE(Mapped());
      },
      Plain());
  EXPECT_FALSE(Mapped());
  EXPECT_EQ(Descriptors(), before);
}

TEST(TcpShared, SizeIsBoundedForARank) {
  for (const int world : {2, 3, 5, 8, 17, 64, 65}) {
    for (const int64_t all : {kShared, int64_t{64} << 20})
      EXPECT_LE(SharedSize(all, world) * (world - 1), all) << world;
    EXPECT_GE(SharedSize(kShared, world), 256 << 10) << world;
  }
  EXPECT_EQ(SharedSize(kShared, 1000), 256 << 10);
  EXPECT_EQ(SharedSize(int64_t{6} << 20, 4), 2 << 20);
  EXPECT_EQ(SharedSize(1, 2), 256 << 10);
}

TEST(SharedMemory, TakesNoMemoryThatCouldGoAway) {
  const auto open = [](unsigned flags, off_t size, int seals, uint64_t claimed) {
    Descriptor memory(::memfd_create("test", MFD_CLOEXEC | flags));
    EXPECT_EQ(::ftruncate(memory.get(), size), 0);
    EXPECT_TRUE(seals == 0 || ::fcntl(memory.get(), F_ADD_SEALS, seals) == 0);
    return SharedIn::Open(std::move(memory), claimed).status();
  };
  EXPECT_TRUE(open(MFD_ALLOW_SEALING, 1 << 20, F_SEAL_SHRINK, 1 << 20).ok());
  EXPECT_TRUE(open(MFD_ALLOW_SEALING, 1 << 20, F_SEAL_GROW, 1 << 20).IsInvalid());  // may become shorter
  EXPECT_TRUE(open(0, 1 << 20, 0, 1 << 20).IsInvalid());
  EXPECT_TRUE(open(MFD_ALLOW_SEALING, 4096, F_SEAL_SHRINK, 1 << 20).IsInvalid());  // shorter than it says
  EXPECT_TRUE(open(MFD_ALLOW_SEALING, 1 << 20, F_SEAL_SHRINK, 0).IsInvalid());
  EXPECT_TRUE(open(MFD_ALLOW_SEALING, 1 << 20, F_SEAL_SHRINK, UINT64_MAX).IsInvalid());
  EXPECT_TRUE(SharedIn::Open(Descriptor(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), 4096).status().IsInvalid());
  EXPECT_TRUE(SharedIn::Open(Descriptor(), 4096).status().IsInvalid());
}

TEST(Mailbox, TakesWhatComesWithItsToken) {
  const auto mailbox = Mailbox::Open().ValueOrDie();
  const std::string address = mailbox->address();
  EXPECT_FALSE(mailbox->Take().valid());
  const Descriptor sent(::memfd_create("test", MFD_CLOEXEC));
  std::string wrong = address;
  wrong.back() = static_cast<char>(wrong.back() ^ 1);
  ASSERT_OK(Mailbox::Post(wrong, sent.get()));  // arrives, and counts for nothing
  ASSERT_OK(Mailbox::Post(address, sent.get()));
  EXPECT_TRUE(mailbox->Take().valid());
  EXPECT_FALSE(mailbox->Take().valid());
  std::string nobody = address;
  nobody.front() = static_cast<char>(nobody.front() ^ 1);
  EXPECT_FALSE(Mailbox::Post(nobody, sent.get()).ok());
  EXPECT_FALSE(Mailbox::Post("short", sent.get()).ok());
}

/// A transport of rank 0 whose peer, over loopback, is the test itself, past the handshake.
class HostileSharer : public ::testing::Test {
 protected:
  void SetUp() override {
    Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    peer_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(peer_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    std::vector<LinkedPeer> peers(2);
    peers[1].info.peer = 1;
    peers[1].stream = MakeSocketStream(Descriptor(::accept(listener.get(), nullptr, nullptr)));
    transport_ = *TcpTransport::Make(0, std::move(peers), nullptr, kShared);
    Say({FrameType::kResume, 0, 0, 0, 0, 0, kCredit, 0});
  }

  void Say(const FrameHeader& header, std::string_view payload = {}) {
    const HeaderBytes head = EncodeHeader(header);
    std::string bytes(reinterpret_cast<const char*>(head.data()), head.size());
    bytes.append(payload);
    ASSERT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  /// The next frame of this type from the transport, which is driven meanwhile; its payload in `payload_`.
  FrameHeader Hear(FrameType type) {
    for (;;) {
      HeaderBytes head;
      Read(head.data(), head.size());
      const FrameHeader header = DecodeHeader(head.data()).ValueOrDie();
      payload_.resize(static_cast<size_t>(InStream(header)));
      Read(reinterpret_cast<std::byte*>(payload_.data()), payload_.size());
      if (header.type == type) return header;
    }
  }

  void Read(std::byte* to, size_t size) {
    const Deadline deadline = Deadline::After(seconds(10));
    while (size > 0) {
      const ssize_t got = ::recv(peer_.get(), to, size, MSG_DONTWAIT);
      if (got > 0) {
        to += got;
        size -= static_cast<size_t>(got);
        continue;
      }
      ASSERT_FALSE(deadline.Passed());
      (void)transport_->Progress(milliseconds(1));
    }
  }

  void ExpectFailure(const std::string& words) {
    std::string in(100'000, ' ');
    const arrow::Status status = Await(*transport_, Recv(*transport_, 1, 1, in), seconds(3));
    EXPECT_NE(status.message().find(words), std::string::npos) << status;
  }

  /// The peer asks for a mailbox and sends `size` bytes of memory there, or nothing.
  void Give(uint64_t size, bool sends = true) {
    Say({FrameType::kMemory, 0, 0, 0, 0, 0, kCredit, 0});
    Hear(FrameType::kMemory);
    ASSERT_EQ(payload_.size(), Mailbox::kAddressSize);
    memory_ = SharedOut::Make(1 << 20).ValueOrDie();
    if (sends) {
      ASSERT_OK(Mailbox::Post(payload_, memory_->descriptor()));
    }
    Say({FrameType::kMemory, kFlagGiven, 0, 0, 0, 0, kCredit, size});
    taken_ = Hear(FrameType::kMemory).size;
  }

  /// A message for which the transport asks where its memory can go.
  OperationPtr SendLong() {
    auto send = Send(*transport_, 1, 1, long_);
    Hear(FrameType::kMemory);
    return send;
  }

  static constexpr uint64_t kCredit = 4 << 20;
  const std::string long_ = Pattern(100'000, 1);
  Descriptor peer_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<SharedOut> memory_;
  std::string payload_;
  uint64_t taken_ = 0;
};

TEST_F(HostileSharer, PayloadsAreTakenInTheirOrder) {
  Give(1 << 20);
  ASSERT_EQ(taken_, 1 << 20);
  const std::string first = Pattern(100, 1);
  const std::string second = Pattern(50'000, 2);
  for (const std::string& text : {first, second}) {
    const std::vector<ConstBytes> parts = {Bytes(text)};
    PartCursor<ConstBytes> cursor(&parts);
    memory_->Put(&cursor, static_cast<int64_t>(text.size()));
  }
  const FrameHeader one{FrameType::kEager, kFlagShared, 100, 1, 1, 0, kCredit, 100};
  Say(one);
  Say(one);  // twice: counts once, its bytes too
  Say({FrameType::kEager, kFlagShared, 50'000, 1, 2, 0, kCredit, 50'000});
  std::string in(50'000, ' ');
  ASSERT_OK(Await(*transport_, transport_->Recv(1, 1, {Bytes(in).first(100)}, nullptr).ValueOrDie()));
  EXPECT_EQ(in.substr(0, 100), first);
  ASSERT_OK(Await(*transport_, transport_->Recv(1, 1, {Bytes(in)}, nullptr).ValueOrDie()));
  EXPECT_TRUE(in == second);
}

TEST_F(HostileSharer, NothingCameWithTheToken) {
  Give(1 << 20, /*sends=*/false);
  EXPECT_EQ(taken_, 0);
  std::string in(5, ' ');
  Say({FrameType::kEager, 0, 5, 1, 1, 0, kCredit, 5}, "still");
  ASSERT_OK(Await(*transport_, transport_->Recv(1, 1, {Bytes(in)}, nullptr).ValueOrDie()));
}

TEST_F(HostileSharer, LessMemoryThanItSays) {
  Give(2 << 20);
  EXPECT_EQ(taken_, 0);
  Say({FrameType::kEager, kFlagShared, 100, 1, 1, 0, kCredit, 100});
  ExpectFailure("memory that it does not share");
}

TEST_F(HostileSharer, DataThroughMemoryThatThereIsNot) {
  Say({FrameType::kEager, kFlagShared, 100, 1, 1, 0, kCredit, 100});
  ExpectFailure("memory that it does not share");
}

TEST_F(HostileSharer, MoreThanTheMemoryHolds) {
  Give(64 << 10);
  ASSERT_EQ(taken_, 64 << 10);
  Say({FrameType::kEager, kFlagShared, 100'000, 1, 1, 0, kCredit, 100'000});
  ExpectFailure("memory that it does not share");
}

TEST_F(HostileSharer, GivesWithoutBeingTold) {
  Say({FrameType::kMemory, kFlagGiven, 0, 0, 0, 0, kCredit, 1 << 20});
  ExpectFailure("makes no sense about shared memory");
}

TEST_F(HostileSharer, TellsWhereUnasked) {
  Say({FrameType::kMemory, kFlagWhere, 64, 0, 0, 0, kCredit, 0}, std::string(64, 'w'));
  ExpectFailure("makes no sense about shared memory");
}

TEST_F(HostileSharer, TakesWhatWasNotGiven) {
  Say({FrameType::kMemory, kFlagTaken, 0, 0, 0, 0, kCredit, 1 << 20});
  ExpectFailure("makes no sense about shared memory");
}

TEST_F(HostileSharer, TakesMoreThanWasGiven) {
  const auto send = SendLong();
  const auto mailbox = Mailbox::Open().ValueOrDie();
  Say({FrameType::kMemory, kFlagWhere, 64, 0, 0, 0, kCredit, 0}, mailbox->address());
  EXPECT_EQ(Hear(FrameType::kMemory).size, static_cast<uint64_t>(SharedSize(kShared, 2)));
  EXPECT_TRUE(mailbox->Take().valid());
  Say({FrameType::kMemory, kFlagTaken, 0, 0, 0, 0, kCredit, 1 << 30});
  ExpectFailure("makes no sense about shared memory");
}

TEST_F(HostileSharer, AMailboxThatNobodyHas) {
  const auto send = SendLong();
  Say({FrameType::kMemory, kFlagWhere, 64, 0, 0, 0, kCredit, 0}, std::string(64, 'w'));
  std::string in(5, ' ');
  Say({FrameType::kEager, 0, 5, 1, 1, 0, kCredit, 5}, "still");
  ASSERT_OK(Await(*transport_, transport_->Recv(1, 1, {Bytes(in)}, nullptr).ValueOrDie()));
  EXPECT_EQ(transport_->links()[1].shared_memory, 0);
}

}  // namespace
}  // namespace weft::tcp
