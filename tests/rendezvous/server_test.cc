#include "weft/rendezvous/server.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "rendezvous/raw_client.h"
#include "weft/rendezvous/client.h"

namespace weft {
namespace {

using rendezvous::Eventually;
using rendezvous::Frame;
using rendezvous::GetRequest;
using rendezvous::kHang;
using rendezvous::MessageType;
using rendezvous::RawClient;
using rendezvous::ReadReply;
using rendezvous::RefusalCode;
using rendezvous::ReplyCode;
using rendezvous::SetRequest;
using rendezvous::WaitRequest;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLong = std::chrono::hours(1);

std::unique_ptr<RendezvousServer> Start(const RendezvousServerOptions& options = {}) {
  auto server = RendezvousServer::Start(options);
  EXPECT_TRUE(server.ok()) << server.status().ToString();
  return server.ok() ? *std::move(server) : nullptr;
}

std::unique_ptr<RendezvousClient> Connect(const RendezvousServer& server, const std::string& key = "") {
  RendezvousClientOptions options;
  options.key = key;
  auto client = RendezvousClient::Connect(*ParseEndpoint(server.address()), options);
  EXPECT_TRUE(client.ok()) << client.status().ToString();
  return client.ok() ? *std::move(client) : nullptr;
}

/// An honest client is served, whatever others do.
void ExpectServes(const RendezvousServer& server, const std::string& key = "") {
  const auto client = Connect(server, key);
  ASSERT_NE(client, nullptr);
  ASSERT_TRUE(client->Set("honest", "yes", kLong).ok());
  EXPECT_EQ(*client->Get("honest"), "yes");
}

TEST(Server, SaysWhereItListens) {
  const auto server = Start();
  EXPECT_GT(server->port(), 0);
  EXPECT_EQ(server->address(), "127.0.0.1:" + std::to_string(server->port()));
  ExpectServes(*server);
  // The address is taken now.
  const auto second = RendezvousServer::Start({.host = "127.0.0.1", .port = server->port(), .key = {}, .limits = {}});
  EXPECT_TRUE(second.status().IsIOError());
  EXPECT_NE(second.status().message().find(server->address()), std::string::npos) << second.status().ToString();
  EXPECT_TRUE(RendezvousServer::Start({.host = "no.such.host.invalid", .key = {}, .limits = {}}).status().IsIOError());
}

TEST(Server, ListensOnAllAddressesAndOnIpv6) {
  auto options = RendezvousServerOptions{.host = "::1", .key = {}, .limits = {}};
  auto server = RendezvousServer::Start(options);
  if (!server.ok()) GTEST_SKIP() << "no IPv6 here: " << server.status().ToString();
  ExpectServes(**server);
  const auto everywhere = Start({.host = "::", .key = "k", .limits = {}});
  RendezvousClientOptions client;
  client.key = "k";
  // Both kinds of addresses reach it, and it says how it sees the client in the form that the client would use.
  const auto four = RendezvousClient::Connect({"127.0.0.1", everywhere->port()}, client);
  ASSERT_TRUE(four.ok()) << four.status().ToString();
  EXPECT_EQ((*four)->observed()->host, "127.0.0.1");
  EXPECT_GT((*four)->observed()->port, 0);
  const auto six = RendezvousClient::Connect({"::1", everywhere->port()}, client);
  ASSERT_TRUE(six.ok()) << six.status().ToString();
  EXPECT_EQ((*six)->observed()->host, "::1");
}

TEST(Server, IsOpenOnlyWhereThatIsMeant) {
  const auto refused = RendezvousServer::Start({.host = "0.0.0.0", .key = {}, .limits = {}});
  EXPECT_TRUE(refused.status().IsInvalid());
  EXPECT_NE(refused.status().message().find("--key-file"), std::string::npos) << refused.status().ToString();
  ExpectServes(*Start({.host = "0.0.0.0", .key = {}, .open = true, .limits = {}}));
  ExpectServes(*Start({.host = "0.0.0.0", .key = "secret", .limits = {}}), "secret");
}

TEST(Server, AdmitsByKeyAlone) {
  const auto server = Start({.key = "right", .limits = {}});
  ExpectServes(*server, "right");
  RawClient wrong(server->port());
  const auto answer = wrong.Greet("wrong");
  ASSERT_TRUE(answer.has_value());
  ASSERT_EQ(answer->type, MessageType::kRefusal);
  EXPECT_EQ(rendezvous::DecodeRefusal(answer->body)->code, RefusalCode::kNotAdmitted);
  EXPECT_TRUE(wrong.Ends());
  // A proof that was heard on another connection is worth nothing: the server's nonce differs.
  rendezvous::Nonce nonce{};
  RawClient first(server->port());
  first.Send(Encode(rendezvous::Hello{.version = rendezvous::kVersion, .nonce = nonce}));
  const auto challenge = rendezvous::DecodeChallenge(first.Receive()->body);
  ASSERT_TRUE(challenge.ok());
  EXPECT_TRUE(challenge->wants_key);
  const auto proof = *MakeProof(rendezvous::Side::kClient, "right", nonce, challenge->nonce);
  RawClient replay(server->port());
  replay.Send(Encode(rendezvous::Hello{.version = rendezvous::kVersion, .nonce = nonce}));
  ASSERT_TRUE(replay.Receive().has_value());
  replay.Send(rendezvous::EncodeProof(proof));
  EXPECT_EQ(replay.ReceiveRefusal()->code, RefusalCode::kNotAdmitted);
  first.Send(rendezvous::EncodeProof(proof));
  EXPECT_EQ(first.Receive()->type, MessageType::kWelcome);
  // Nothing is done for a client that is not admitted.
  RawClient eager(server->port());
  eager.Send(SetRequest(1, "k", "v"));
  EXPECT_EQ(eager.ReceiveRefusal()->code, RefusalCode::kMalformed);
  EXPECT_EQ(*Connect(*server, "right")->Get("k"), std::nullopt);
}

TEST(Server, NamesTheVersionItSpeaks) {
  const auto server = Start();
  RawClient client(server->port());
  client.Send(Encode(rendezvous::Hello{.version = 9, .nonce = {}}));
  const auto refusal = client.ReceiveRefusal();
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->code, RefusalCode::kVersion);
  EXPECT_NE(refusal->message.find("version 2"), std::string::npos) << refusal->message;
  EXPECT_NE(refusal->message.find("client version 9"), std::string::npos) << refusal->message;
  EXPECT_TRUE(client.Ends());
}

TEST(Server, SurvivesJunk) {
  const auto server = Start();
  std::mt19937 random(3);
  for (int i = 0; i < 60; ++i) {
    RawClient client(server->port());
    // Half of it comes before the greeting, half after.
    if (i % 2 == 1) {
      ASSERT_TRUE(client.Admitted());
    }
    std::string junk(1 + random() % 3000, '\0');
    for (char& c : junk) c = static_cast<char>(random());
    if (i % 3 == 0) junk = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + junk;
    client.Send(junk);
    // What still could be a frame under way ends by the time that a client has to be admitted.
    if (i % 20 == 0) {
      EXPECT_TRUE(client.Ends());
    }
    if (i % 4 == 1) client.Reset();
  }
  ExpectServes(*server);
  EXPECT_TRUE(Eventually([&] { return server->statistics().connections == 0; }));
}

TEST(Server, RefusesHostileLengths) {
  const auto server = Start();
  for (const bool admitted : {false, true}) {
    for (const uint32_t length : {uint32_t{0}, rendezvous::kMaxFrameBytes + 1, UINT32_MAX}) {
      RawClient client(server->port());
      if (admitted) {
        ASSERT_TRUE(client.Admitted());
      }
      client.Send(ByteWriter().Put(length).Take());
      const auto refusal = client.ReceiveRefusal();
      ASSERT_TRUE(refusal.has_value()) << length;
      EXPECT_EQ(refusal->code, RefusalCode::kMalformed);
      EXPECT_TRUE(client.Ends());
    }
  }
  // Before a client is admitted, less is allowed.
  RawClient client(server->port());
  client.Send(ByteWriter().Put(rendezvous::kMaxGreetingBytes + 1).Take());
  EXPECT_EQ(client.ReceiveRefusal()->code, RefusalCode::kMalformed);
  ExpectServes(*server);
}

TEST(Server, DropsHalfOpenAndSilentClients) {
  RendezvousServerOptions options;
  options.limits.authenticate = milliseconds(150);
  options.limits.frame = milliseconds(150);
  const auto server = Start(options);
  RawClient silent(server->port());
  RawClient half(server->port());
  half.Send(Encode(rendezvous::Hello{}));
  RawClient dripping(server->port());
  dripping.Send(std::string("\x2b\0", 2));
  RawClient stuck(server->port());
  ASSERT_TRUE(stuck.Admitted());
  stuck.Send(SetRequest(1, "k", "v").substr(0, 9));
  EXPECT_EQ(silent.ReceiveRefusal()->code, RefusalCode::kTooSlow);
  EXPECT_EQ(half.Receive()->type, MessageType::kChallenge);
  EXPECT_EQ(half.ReceiveRefusal()->code, RefusalCode::kTooSlow);
  EXPECT_EQ(dripping.ReceiveRefusal()->code, RefusalCode::kTooSlow);
  EXPECT_EQ(stuck.ReceiveRefusal()->code, RefusalCode::kTooSlow);
  // Whoever does not even close is closed.
  EXPECT_TRUE(Eventually([&] { return server->statistics().connections == 0; }));
  ExpectServes(*server);
}

TEST(Server, ASlowWriterGetsItsWordIn) {
  const auto server = Start();
  RawClient client(server->port());
  ASSERT_TRUE(client.Admitted());
  for (const char c : SetRequest(7, "k", "value")) {
    client.Send(std::string_view(&c, 1));
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(ReadReply(client.Receive())->id, 7u);
  EXPECT_EQ(*Connect(*server)->Get("k"), "value");
}

TEST(Server, SurvivesResetsUnderWay) {
  const auto server = Start();
  for (int i = 0; i < 50; ++i) {
    RawClient client(server->port());
    ASSERT_TRUE(client.Admitted());
    client.Send(SetRequest(1, "k", std::string(60000, 'v')));
    client.Send(WaitRequest(2, "never", 600000));
    for (uint64_t j = 0; j < 20; ++j) client.Send(GetRequest(3 + j, "k"));
    client.Reset();
  }
  EXPECT_TRUE(Eventually([&] { return server->statistics().connections == 0 && server->statistics().waits == 0; }));
  ExpectServes(*server);
}

TEST(Server, DropsASlowReader) {
  RendezvousServerOptions options;
  options.limits.output_bytes = 256 << 10;
  options.limits.write = milliseconds(300);
  const auto server = Start(options);
  const auto writer = Connect(*server);
  ASSERT_TRUE(writer->Set("big", std::string(64 << 10, 'v'), kLong).ok());
  RawClient slow(server->port(), 4096);
  ASSERT_TRUE(slow.Admitted());
  std::thread flood([&] {
    // It asks for 256 MiB and reads nothing.
    for (uint64_t i = 0; i < 4096; ++i) {
      if (!slow.Send(GetRequest(i, "big"))) break;
    }
  });
  EXPECT_TRUE(Eventually([&] { return server->statistics().connections == 1; }));
  flood.join();
  EXPECT_EQ(*writer->Get("none"), std::nullopt);
  // Answers to waits cannot be held back, so too many of them end the connection.
  RawClient waiting(server->port(), 4096);
  ASSERT_TRUE(waiting.Admitted());
  for (uint64_t i = 0; i < 200; ++i) waiting.Send(WaitRequest(i, "later", 600000));
  EXPECT_TRUE(Eventually([&] { return server->statistics().waits == 200; }));
  ASSERT_TRUE(writer->Set("later", std::string(64 << 10, 'v'), kLong).ok());
  EXPECT_TRUE(Eventually([&] { return server->statistics().connections == 1; }));
}

TEST(Server, APatientPipelinerIsServed) {
  RendezvousServerOptions options;
  options.limits.output_bytes = 512 << 10;
  const auto server = Start(options);
  ASSERT_TRUE(Connect(*server)->Set("big", std::string(64 << 10, 'v'), kLong).ok());
  RawClient client(server->port());
  ASSERT_TRUE(client.Admitted());
  constexpr uint64_t kRequests = 300;
  std::thread writer([&] {
    for (uint64_t i = 0; i < kRequests; ++i) EXPECT_TRUE(client.Send(GetRequest(i, "big")));
  });
  for (uint64_t i = 0; i < kRequests; ++i) {
    const auto reply = ReadReply(client.Receive());
    EXPECT_TRUE(reply.has_value()) << i;
    if (!reply.has_value()) break;
    EXPECT_EQ(reply->id, i);
    EXPECT_EQ(reply->body.size(), (size_t{64} << 10) + 1);
  }
  writer.join();
}

TEST(Server, BoundsConnections) {
  RendezvousServerOptions options;
  options.limits.connections_per_address = 3;
  const auto server = Start(options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->port()));
    ASSERT_TRUE(clients.back()->Admitted());
  }
  RawClient extra(server->port());
  const auto refusal = extra.ReceiveRefusal();
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->code, RefusalCode::kFull);
  EXPECT_NE(refusal->message.find("127.0.0.1"), std::string::npos) << refusal->message;
  EXPECT_EQ(server->statistics().refused_in_all, 1);
  // A client says so, too, when its patience ends.
  RendezvousClientOptions impatient;
  impatient.connect_timeout = milliseconds(100);
  const auto status = RendezvousClient::Connect(*ParseEndpoint(server->address()), impatient).status();
  EXPECT_NE(status.ToString().find("3 connections from 127.0.0.1"), std::string::npos) << status.ToString();
  // Where one leaves, there is room for another.
  clients.pop_back();
  ExpectServes(*server);

  RendezvousServerOptions few;
  few.limits.connections = 1;
  const auto small = Start(few);
  RawClient only(small->port());
  ASSERT_TRUE(only.Admitted());
  EXPECT_EQ(RawClient(small->port()).ReceiveRefusal()->code, RefusalCode::kFull);
}

TEST(Server, BoundsJobs) {
  RendezvousServerOptions options;
  options.limits.table.keys_per_job = 2;
  options.limits.waits_per_connection = 1;
  const auto server = Start(options);
  const auto client = Connect(*server);
  ASSERT_TRUE(client->Set("weft:a:1", "", kLong).ok());
  ASSERT_TRUE(client->Set("weft:a:2", "", kLong).ok());
  const auto full = client->Set("weft:a:3", "", kLong);
  ASSERT_NE(GetCommunicationError(full), nullptr) << full.ToString();
  EXPECT_EQ(GetCommunicationError(full)->phase, "rendezvous");
  EXPECT_NE(full.ToString().find("full"), std::string::npos) << full.ToString();
  EXPECT_NE(full.ToString().find(server->address()), std::string::npos) << full.ToString();
  EXPECT_TRUE(client->Set("weft:b:3", "", kLong).ok());
  RawClient waits(server->port());
  ASSERT_TRUE(waits.Admitted());
  waits.Send(WaitRequest(1, "a", 60000) + WaitRequest(2, "a", 60000));
  const auto reply = ReadReply(waits.Receive());
  EXPECT_EQ(reply->id, 2u);
  EXPECT_EQ(reply->code, ReplyCode::kFull);
  EXPECT_TRUE(Eventually([&] { return server->statistics().keys == 3; }));
}

TEST(Server, ForgetsWhatHasOutlivedItsTime) {
  const auto server = Start();
  const auto client = Connect(*server);
  ASSERT_TRUE(client->Set("stays", "", kLong).ok());
  ASSERT_TRUE(client->Set("k", "v", milliseconds(20)).ok());
  EXPECT_TRUE(Eventually([&] { return server->statistics().keys == 1; }));
  EXPECT_EQ(*client->Get("k"), std::nullopt);
}

TEST(Server, EndsIdleConnectionsButNotWaits) {
  RendezvousServerOptions options;
  options.limits.idle = milliseconds(100);
  const auto server = Start(options);
  RawClient idle(server->port());
  RawClient waiting(server->port());
  ASSERT_TRUE(idle.Admitted());
  ASSERT_TRUE(waiting.Admitted());
  waiting.Send(WaitRequest(1, "k", 600));
  EXPECT_EQ(idle.ReceiveRefusal()->code, RefusalCode::kIdle);
  EXPECT_EQ(ReadReply(waiting.Receive())->code, ReplyCode::kTimedOut);
  EXPECT_EQ(waiting.ReceiveRefusal()->code, RefusalCode::kIdle);
}

TEST(Server, StopsInGoodOrder) {
  const auto server = Start();
  RawClient waiting(server->port());
  ASSERT_TRUE(waiting.Admitted());
  waiting.Send(WaitRequest(1, "k", 600000));
  RawClient greeting(server->port());
  greeting.Send(Encode(rendezvous::Hello{}));
  ASSERT_TRUE(greeting.Receive().has_value());
  const auto begin = Clock::now();
  std::thread other([&] { server->Stop(); });
  server->Stop();
  other.join();
  // Neither client closes, and the server goes all the same.
  EXPECT_LT(Clock::now() - begin, kHang);
  EXPECT_EQ(waiting.ReceiveRefusal()->code, RefusalCode::kStopping);
  EXPECT_EQ(greeting.ReceiveRefusal()->code, RefusalCode::kStopping);
  EXPECT_TRUE(waiting.Ends());
  EXPECT_FALSE(RawClient(server->port()).connected());
  // The port can be had again at once.
  ExpectServes(*Start({.port = server->port(), .key = {}, .limits = {}}));
}

TEST(Server, HonestClientsAreServedAmongHostileOnes) {
  RendezvousServerOptions options;
  options.key = "secret";
  const auto server = Start(options);
  std::atomic<bool> done{false};
  std::vector<std::thread> hostile;
  for (unsigned i = 0; i < 3; ++i) {
    hostile.emplace_back([&, i] {
      std::mt19937 random(i);
      std::vector<std::unique_ptr<RawClient>> held;
      while (!done) {
        auto client = std::make_unique<RawClient>(server->port());
        const auto kind = random() % 4;
        if (kind == 0) client->Send("junk that is no frame at all");
        if (kind == 1) client->Greet("wrong");
        if (kind == 2) client->Reset();
        // The rest say nothing and stay.
        held.push_back(std::move(client));
        if (held.size() > 50) held.erase(held.begin());
      }
    });
  }
  for (int i = 0; i < 20; ++i) ExpectServes(*server, "secret");
  done = true;
  for (auto& thread : hostile) thread.join();
}

}  // namespace
}  // namespace weft
