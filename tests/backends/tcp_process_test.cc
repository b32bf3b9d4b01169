// Ranks as processes: killed and stopped ones.
//
// The test starts itself again, once for each rank, with WEFT_TEST_RANK set; then only the "test" TcpProcess.Rank runs.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "backends/tcp_world.h"
#include "weft/backends/tcp/byte_stream.h"
#include "weft/rendezvous/server.h"

extern char** environ;

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kWorld = 3;
constexpr int kLargeWorld = 64;
constexpr size_t kSmall = 1024;
/// A child writes lines to this descriptor.
constexpr int kReport = 200;

void Report(const std::string& line) {
  [[maybe_unused]] const ssize_t written = ::write(kReport, (line + "\n").data(), line.size() + 1);
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// One all-to-all: the first `size` bytes of `out` to every rank, and as many from each.
arrow::Status Exchange(Transport& t, const std::string& out, size_t size, std::vector<std::string>& in) {
  std::vector<OperationPtr> operations;
  for (Rank peer = 0; peer < t.world_size(); ++peer) {
    ARROW_ASSIGN_OR_RAISE(auto receive, t.Recv(peer, 1, {Bytes(in[static_cast<size_t>(peer)]).first(size)}, nullptr));
    ARROW_ASSIGN_OR_RAISE(auto send, t.Send(peer, 1, {Bytes(out).first(size)}, nullptr));
    operations.push_back(std::move(receive));
    operations.push_back(std::move(send));
  }
  return AwaitAll(t, operations);
}

/// All-to-alls of many sizes until something fails.
arrow::Status ExchangeForever(Transport& t) {
  std::mt19937 random(static_cast<unsigned>(::getpid()));
  const std::string out = Pattern(3 << 20, 1);
  std::vector<std::string> in(kWorld, std::string(3 << 20, ' '));
  for (int round = 0;; ++round) {
    const std::vector<size_t> sizes = {0, 100, 60'000, 300'000, 3 << 20};
    const size_t size = sizes[static_cast<size_t>(round) % sizes.size()];
    if (random() % 4 == 0) std::this_thread::sleep_for(milliseconds(random() % 10));
    ARROW_RETURN_NOT_OK(Exchange(t, out, size, in));
  }
}

/// One rank. Reports "linked", then "failed KIND PEER TEXT".
TEST(TcpProcess, Rank) {
  if (Environment("WEFT_TEST_RANK").empty()) GTEST_SKIP() << "this is what the other tests start";
  const auto failed = [](const arrow::Status& status) {
    const CommunicationError* error = GetCommunicationError(status);
    Report("failed " + std::string(error == nullptr ? "other" : CommunicationFailureName(error->failure)) + "|" +
           std::to_string(error == nullptr ? -2 : error->peer) + "|" + status.ToString());
  };
  const int world = std::stoi(Environment("WEFT_TEST_WORLD"));
  JobIdentity identity{Environment("WEFT_TEST_JOB"), 0, world, std::stoi(Environment("WEFT_TEST_RANK"))};
  const auto store = OpenStore("rendezvous://" + Environment("WEFT_TEST_SERVER"), StoreOptions{});
  if (!store.ok()) return failed(store.status());
  const auto membership = Membership::Join(*store, identity);
  if (!membership.ok()) return failed(membership.status());
  BackendContext context;
  context.membership = membership->get();
  context.secret = kTestSecret;
  context.encryption = ChosenEncryption();
  context.connect_timeout = seconds(std::stoi(Environment("WEFT_TEST_TIMEOUT")));
  Report("linking");
  const auto transport = MakeTransport(context);
  if (!transport.ok()) return failed(transport.status());
  Report("linked");
  if (world == kWorld) return failed(ExchangeForever(**transport));
  // Otherwise one exchange of what tells the two ranks, in good order.
  std::vector<std::string> in(static_cast<size_t>(world), std::string(kSmall, ' '));
  const arrow::Status status = Exchange(**transport, Pattern(kSmall, static_cast<uint64_t>(identity.rank)), kSmall, in);
  if (!status.ok()) return failed(status);
  for (Rank peer = 0; peer < world; ++peer) {
    if (in[static_cast<size_t>(peer)] != Pattern(kSmall, static_cast<uint64_t>(peer))) return Report("failed wrong");
  }
  Report("exchanged");
  const arrow::Status closed = (*transport)->Close(Deadline::After(seconds(10)));
  if (!closed.ok()) return failed(closed);
  Report("closed");
}

class Child {
 public:
  Child(const std::string& server, const std::string& job, Rank rank, int world, int timeout) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    std::vector<std::string> variables;
    for (char** at = environ; *at != nullptr; ++at) variables.emplace_back(*at);
    variables.push_back("WEFT_TEST_RANK=" + std::to_string(rank));
    variables.push_back("WEFT_TEST_WORLD=" + std::to_string(world));
    variables.push_back("WEFT_TEST_JOB=" + job);
    variables.push_back("WEFT_TEST_SERVER=" + server);
    variables.push_back("WEFT_TEST_TIMEOUT=" + std::to_string(timeout));
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string program = "/proc/self/exe";
    std::string filter = "--gtest_filter=TcpProcess.Rank";
    char* arguments[] = {program.data(), filter.data(), nullptr};
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], kReport);
      const int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, STDOUT_FILENO);
      ::execve(program.c_str(), arguments, environment.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    report_ = Descriptor(ends[0]);
  }
  ~Child() {
    Signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void Signal(int signal) const { ::kill(pid_, signal); }

  /// The next line, or an empty one where none comes before the deadline.
  std::string Line(Deadline deadline) {
    while (true) {
      const size_t end = text_.find('\n');
      if (end != std::string::npos) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return line;
      }
      pollfd polled = {report_.get(), POLLIN, 0};
      const auto left = std::chrono::ceil<milliseconds>(deadline.Left()).count();
      if (left <= 0 || ::poll(&polled, 1, static_cast<int>(left)) <= 0) return {};
      char buffer[4096];
      const ssize_t got = ::read(report_.get(), buffer, sizeof(buffer));
      if (got <= 0) return {};
      text_.append(buffer, static_cast<size_t>(got));
    }
  }

  /// Lines until one that starts with `word`.
  std::string Until(const std::string& word, Deadline deadline) {
    while (true) {
      std::string line = Line(deadline);
      if (line.empty() || line.rfind(word, 0) == 0) return line;
    }
  }

 private:
  pid_t pid_ = -1;
  Descriptor report_;
  std::string text_;
};

class TcpProcesses : public ::testing::Test {
 protected:
  void SetUp() override { server_ = *RendezvousServer::Start({}); }

  std::vector<std::unique_ptr<Child>> Start(int timeout = 30, int world = kWorld) {
    const std::string job = "process-" + std::to_string(number_++);
    std::vector<std::unique_ptr<Child>> children;
    for (Rank rank = 0; rank < world; ++rank) {
      children.push_back(std::make_unique<Child>(server_->address(), job, rank, world, timeout));
    }
    return children;
  }

  /// Each survivor reports within `bound` that rank `gone` is lost.
  static void ExpectLost(std::vector<std::unique_ptr<Child>>& children, Rank gone, Duration bound) {
    const auto began = Clock::now();
    for (Rank rank = 0; rank < kWorld; ++rank) {
      if (rank == gone) continue;
      const std::string line =
          children[static_cast<size_t>(rank)]->Until("failed", Deadline::After(bound + seconds(5)));
      EXPECT_EQ(line.rfind("failed peer lost|" + std::to_string(gone) + "|", 0), 0u) << "rank " << rank << ": " << line;
      EXPECT_LT(Clock::now() - began, bound) << "rank " << rank;
    }
  }

  std::unique_ptr<RendezvousServer> server_;
  int number_ = 0;
};

TEST_F(TcpProcesses, KilledAtRandomMoments) {
  const int rounds = std::getenv("WEFT_SOAK") != nullptr ? 50 : 8;
  std::mt19937 random(11);
  for (int round = 0; round < rounds; ++round) {
    auto children = Start();
    for (auto& child : children) ASSERT_EQ(child->Until("linked", Deadline::After(seconds(30))), "linked");
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 150'000));
    const auto gone = static_cast<Rank>(random() % kWorld);
    children[static_cast<size_t>(gone)]->Signal(SIGKILL);
    ExpectLost(children, gone, seconds(5));
    if (HasFailure()) return;
  }
}

TEST_F(TcpProcesses, KilledWhileLinking) {
  // At some moment between the first word to the store and the last link.
  for (Rank gone = 0; gone < kWorld; ++gone) {
    auto children = Start(4);
    ASSERT_EQ(children[static_cast<size_t>(gone)]->Until("linking", Deadline::After(seconds(30))), "linking");
    children[static_cast<size_t>(gone)]->Signal(SIGKILL);
    for (Rank rank = 0; rank < kWorld; ++rank) {
      if (rank == gone) continue;
      const std::string line = children[static_cast<size_t>(rank)]->Until("failed", Deadline::After(seconds(25)));
      // Before it has published its address it is one that never came; after, one that is lost.
      EXPECT_NE(line.find("|" + std::to_string(gone) + "|"), std::string::npos) << "rank " << rank << ": " << line;
    }
    if (std::getenv("WEFT_SOAK") == nullptr) break;
  }
}

TEST_F(TcpProcesses, StoppedOneIsLost) {
  auto children = Start();
  for (auto& child : children) ASSERT_EQ(child->Until("linked", Deadline::After(seconds(30))), "linked");
  children[1]->Signal(SIGSTOP);
  ExpectLost(children, 1, seconds(10));
}

TEST_F(TcpProcesses, SixtyFourRanksExchange) {
  const auto began = Clock::now();
  auto children = Start(60, kLargeWorld);
  for (auto& child : children) ASSERT_EQ(child->Line(Deadline::After(seconds(60))), "linking");
  const auto started = Clock::now();
  for (auto& child : children) ASSERT_EQ(child->Until("linked", Deadline::After(seconds(60))), "linked");
  for (auto& child : children) ASSERT_EQ(child->Line(Deadline::After(seconds(60))), "exchanged");
  const auto exchanged = Clock::now();
  for (auto& child : children) ASSERT_EQ(child->Line(Deadline::After(seconds(60))), "closed");
  const auto ms = [](Duration duration) { return std::chrono::duration_cast<milliseconds>(duration).count(); };
  RecordProperty("started_ms", std::to_string(ms(started - began)));
  RecordProperty("exchanged_ms", std::to_string(ms(exchanged - began)));
  std::printf("64 processes: all in main and joined after %lld ms, all exchanged after %lld ms\n",
              static_cast<long long>(ms(started - began)), static_cast<long long>(ms(exchanged - began)));
}

}  // namespace
}  // namespace weft::tcp
