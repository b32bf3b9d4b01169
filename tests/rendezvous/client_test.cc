#include "weft/rendezvous/client.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <thread>

#include "rendezvous/raw_client.h"
#include "weft/bootstrap/membership.h"
#include "weft/bootstrap/rendezvous_store.h"
#include "weft/rendezvous/server.h"

namespace weft {
namespace {

using rendezvous::Encode;
using rendezvous::kHang;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLong = std::chrono::hours(1);

std::unique_ptr<RendezvousServer> Start(const RendezvousServerOptions& options = {}) {
  auto server = RendezvousServer::Start(options);
  EXPECT_TRUE(server.ok()) << server.status().ToString();
  return server.ok() ? *std::move(server) : nullptr;
}

RendezvousClientOptions Impatient() {
  RendezvousClientOptions options;
  options.connect_timeout = milliseconds(300);
  options.call_timeout = milliseconds(300);
  return options;
}

arrow::Result<std::unique_ptr<RendezvousClient>> Connect(uint16_t port, const RendezvousClientOptions& options = {}) {
  return RendezvousClient::Connect({"127.0.0.1", port}, options);
}

void ExpectError(const arrow::Status& status, CommunicationFailure failure, const std::string& text) {
  EXPECT_TRUE(IsCommunicationError(status, failure)) << status.ToString();
  EXPECT_NE(status.ToString().find(text), std::string::npos) << status.ToString();
  ASSERT_NE(GetCommunicationError(status), nullptr);
  EXPECT_EQ(GetCommunicationError(status)->phase, "rendezvous");
  EXPECT_NE(status.ToString().find("127.0.0.1:"), std::string::npos) << status.ToString();
}

/// Listens, and plays a server that is not one: `play` is given each connection.
class Impostor {
 public:
  explicit Impostor(std::function<void(int)> play) : play_(std::move(play)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (;;) {
        const int connection = ::accept(fd_, nullptr, nullptr);
        if (connection < 0) return;
        play_(connection);
        ::close(connection);
      }
    });
  }
  ~Impostor() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  uint16_t port() const { return port_; }

 private:
  std::function<void(int)> play_;
  int fd_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

void Say(int fd, const std::string& bytes) {
  [[maybe_unused]] const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}
/// Reads until the client is gone.
void Listen(int fd) {
  char buffer[1024];
  while (::recv(fd, buffer, sizeof(buffer), 0) > 0) {
  }
}

TEST(Client, WaitsForAServerToCome) {
  // A port that was free a moment ago.
  const uint16_t port = Start()->port();
  std::unique_ptr<RendezvousServer> server;
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(150));
    server = Start({.port = port, .key = {}, .limits = {}});
  });
  const auto client = Connect(port);
  late.join();
  EXPECT_TRUE(client.ok()) << client.status().ToString();
}

TEST(Client, NamesAServerThatIsNotThere) {
  const uint16_t port = Start()->port();
  const auto status = Connect(port, Impatient()).status();
  ExpectError(status, CommunicationFailure::kOther, "refused");
  EXPECT_NE(status.ToString().find("is it running"), std::string::npos) << status.ToString();
  const auto unknown = RendezvousClient::Connect({"no.such.host.invalid", 1}, Impatient()).status();
  EXPECT_NE(unknown.ToString().find("does not resolve"), std::string::npos) << unknown.ToString();
}

TEST(Client, ConnectingIsInterrupted) {
  auto options = Impatient();
  options.connect_timeout = kLong;
  int polls = 0;
  options.check_interrupt = [&] { return ++polls < 3 ? arrow::Status::OK() : arrow::Status::Cancelled("Ctrl-C"); };
  const uint16_t port = Start()->port();
  EXPECT_TRUE(Connect(port, options).status().IsCancelled());
  polls = 0;
  options.call_timeout = kLong;
  const Impostor mute(&Listen);
  EXPECT_TRUE(Connect(mute.port(), options).status().IsCancelled());
}

TEST(Client, BothSidesProveTheKey) {
  const auto server = Start({.key = "right", .limits = {}});
  RendezvousClientOptions options;
  options.key = "right";
  EXPECT_TRUE(Connect(server->port(), options).ok());
  options.key = "wrong";
  ExpectError(Connect(server->port(), options).status(), CommunicationFailure::kAuthenticationFailed,
              "does not know its admission key");
  options.key = "";
  ExpectError(Connect(server->port(), options).status(), CommunicationFailure::kAuthenticationFailed,
              "WEFT_RENDEZVOUS_KEY");
  // An open server is not the one that a client with a key looks for.
  const auto open = Start();
  options.key = "right";
  ExpectError(Connect(open->port(), options).status(), CommunicationFailure::kAuthenticationFailed, "admits anyone");
  // A server that asks for a proof and has none to give, or gives the client's own back.
  for (const bool reflect : {false, true}) {
    const Impostor thief([reflect](int fd) {
      char hello[64];
      const ssize_t got = ::recv(fd, hello, sizeof(hello), 0);
      if (got < 47) return;
      rendezvous::Challenge challenge{.wants_key = true, .nonce = {}};
      if (reflect) std::memcpy(challenge.nonce.data(), hello + 15, challenge.nonce.size());
      Say(fd, Encode(challenge));
      char proof[64];
      if (::recv(fd, proof, sizeof(proof), 0) < 37) return;
      rendezvous::Welcome welcome;
      welcome.server_version = "x";
      std::memcpy(welcome.proof.data(), proof + 5, welcome.proof.size());
      Say(fd, Encode(welcome));
      Listen(fd);
    });
    ExpectError(Connect(thief.port(), options).status(), CommunicationFailure::kAuthenticationFailed,
                "does not know the admission key");
  }
}

TEST(Client, KnowsWhatIsNoServer) {
  const Impostor web([](int fd) {
    Say(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    Listen(fd);
  });
  ExpectError(Connect(web.port()).status(), CommunicationFailure::kOther, "no Weft rendezvous server");
  const Impostor later([](int fd) {
    Say(fd, Encode(rendezvous::Refusal{rendezvous::RefusalCode::kVersion, "the server speaks version 9"}));
    Listen(fd);
  });
  ExpectError(Connect(later.port()).status(), CommunicationFailure::kOther, "version 9");
  const Impostor mute(&Listen);
  ExpectError(Connect(mute.port(), Impatient()).status(), CommunicationFailure::kOther, "no answer in time");
  const Impostor rude([](int /*fd*/) {});
  ExpectError(Connect(rude.port(), Impatient()).status(), CommunicationFailure::kOther, "no connection");
}

/// Greets like a server without a key, and says nothing more.
void GreetAndFallSilent(int fd) {
  char bytes[128];
  if (::recv(fd, bytes, sizeof(bytes), 0) <= 0) return;
  Say(fd, Encode(rendezvous::Challenge{}));
  if (::recv(fd, bytes, sizeof(bytes), 0) <= 0) return;
  Say(fd, Encode(rendezvous::Welcome{}));
  Listen(fd);
}

TEST(Client, NoCallOutlivesItsTimeout) {
  const Impostor silent(&GreetAndFallSilent);
  const auto client = *Connect(silent.port(), Impatient());
  const auto begin = Clock::now();
  ExpectError(client->Set("k", "v", kLong), CommunicationFailure::kOther, "did not answer");
  ExpectError(client->Add("k", 1, kLong).status(), CommunicationFailure::kOther, "did not answer");
  ExpectError(client->Wait("k", Deadline::Infinite(), {}).status(), CommunicationFailure::kOther, "does not answer");
  EXPECT_LT(Clock::now() - begin, kHang);
  // Where the deadline comes first, it is what the error says.
  ExpectError(client->Wait("k", Deadline::After(milliseconds(200)), {}).status(), CommunicationFailure::kTimedOut,
              "no one wrote 'k'");
}

TEST(Client, ReconnectsAfterTheServerCameBack) {
  auto server = Start();
  const uint16_t port = server->port();
  const auto client = *Connect(port);
  ASSERT_TRUE(client->Set("k", "v", kLong).ok());
  server.reset();
  ExpectError(client->Set("k", "v", kLong), CommunicationFailure::kOther, "could not be made anew");
  server = Start({.port = port, .key = {}, .limits = {}});
  EXPECT_EQ(*client->Get("k"), std::nullopt);
  EXPECT_TRUE(client->Set("k", "v", kLong).ok());
  EXPECT_EQ(*client->Add("n", 1, kLong), 1);
}

TEST(Client, OutlivesTheServersIdleLimit) {
  RendezvousServerOptions options;
  options.limits.idle = seconds(1);
  const auto server = Start(options);
  const auto client = *Connect(server->port());
  ASSERT_TRUE(client->Set("k", "v", kLong).ok());
  ASSERT_TRUE(rendezvous::Eventually([&] { return server->statistics().connections == 0; }));
  EXPECT_TRUE(*client->CompareAndSet("k", "v", "w", kLong));
  EXPECT_EQ(server->statistics().accepted_in_all, 2);
}

TEST(Client, AStopEndsAWait) {
  auto server = Start();
  const auto client = *Connect(server->port());
  arrow::Status status;
  std::thread waiter([&] { status = client->Wait("never", Deadline::Infinite(), {}).status(); });
  ASSERT_TRUE(rendezvous::Eventually([&] { return server->statistics().waits == 1; }));
  const auto begin = Clock::now();
  server->Stop();
  waiter.join();
  EXPECT_LT(Clock::now() - begin, kHang);
  ExpectError(status, CommunicationFailure::kOther, "being stopped");
}

TEST(Client, AStopEndsAnExchange) {
  auto server = Start();
  StoreOptions options;
  auto store = *OpenStore("rendezvous://" + server->address(), options);
  auto member = *Membership::Join(store, {.job = "j", .epoch = 0, .world_size = 2, .rank = 0});
  arrow::Status status;
  std::thread waiter([&] { status = member->ExchangeAll("x", "", Deadline::Infinite()).status(); });
  ASSERT_TRUE(rendezvous::Eventually([&] { return server->statistics().waits == 1; }));
  server->Stop();
  waiter.join();
  EXPECT_NE(GetCommunicationError(status), nullptr) << status.ToString();
  EXPECT_FALSE(IsCommunicationError(status, CommunicationFailure::kTimedOut)) << status.ToString();
  // Leaving a store that is gone takes no time worth a mention.
  const auto begin = Clock::now();
  member.reset();
  EXPECT_LT(Clock::now() - begin, kHang);
}

TEST(Client, ARepeatableCallIsRepeatedOnceAndOthersAreNot) {
  // The first connection ends at the first request, the second is good for one answer.
  std::atomic<int> requests{0};
  const Impostor flaky([&](int fd) {
    char bytes[512];
    if (::recv(fd, bytes, sizeof(bytes), 0) <= 0) return;
    Say(fd, Encode(rendezvous::Challenge{}));
    if (::recv(fd, bytes, sizeof(bytes), 0) <= 0) return;
    Say(fd, Encode(rendezvous::Welcome{}));
    const ssize_t got = ::recv(fd, bytes, sizeof(bytes), 0);
    if (got <= 0 || ++requests % 2 == 1) return;
    uint64_t id = 0;
    std::memcpy(&id, bytes + 5, sizeof(id));
    Say(fd, rendezvous::EncodeReply(id, rendezvous::ReplyCode::kOk, std::string("\1found")));
    Listen(fd);
  });
  auto client = *Connect(flaky.port());
  EXPECT_EQ(*client->Get("k"), "found");
  EXPECT_EQ(requests.load(), 2);
  client = nullptr;
  client = *Connect(flaky.port());
  ExpectError(client->Add("k", 1, kLong).status(), CommunicationFailure::kOther, "is not known");
  EXPECT_EQ(requests.load(), 3);
}

TEST(Client, ManyCallsShareOneConnection) {
  const auto server = Start();
  const auto client = *Connect(server->port());
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      const std::string mine = "k" + std::to_string(i);
      const std::string next = "k" + std::to_string((i + 1) % 16);
      for (int round = 0; round < 20; ++round) {
        const std::string suffix = "/" + std::to_string(round);
        ASSERT_TRUE(client->Set(mine + suffix, mine, kLong).ok());
        EXPECT_EQ(*client->Wait(next + suffix, Deadline::After(kHang), {}), next);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(server->statistics().accepted_in_all, 1);
  EXPECT_EQ(client->observed()->host, "127.0.0.1");
}

TEST(Client, AForkedChildIsToldSo) {
  const auto server = Start();
  auto client = *Connect(server->port());
  ASSERT_TRUE(client->Set("k", "v", kLong).ok());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool told = client->Set("k", "w", kLong).IsInvalid() && client->Get("k").status().IsInvalid() &&
                      client->Wait("k", Deadline::Infinite(), {}).status().IsInvalid();
    client.reset();
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  // The parent's connection is as it was.
  EXPECT_EQ(*client->Get("k"), "v");
  EXPECT_EQ(server->statistics().accepted_in_all, 1);
}

}  // namespace
}  // namespace weft
