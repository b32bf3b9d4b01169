// TLS over a pair of sockets, with and without somebody in between; and when there is to be TLS.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "backends/tcp_world.h"
#include "weft/backends/tcp/byte_stream.h"
#include "weft/backends/tcp/encryption.h"
#include "weft/backends/tcp/tls_channel.h"

namespace weft::tcp {
namespace {

using Kind = IoResult::Kind;
using Step = TlsChannel::Step;

TlsKey Key(bool server, uint8_t secret = 7, const std::string& identity = "rank 2 to rank 1") {
  TlsKey key;
  key.secret.fill(secret);
  key.identity = identity;
  key.server = server;
  return key;
}

/// The two ends of a connection, whose bytes go by the test's hand: what it carries it may change.
struct Wire {
  Descriptor ends[2];
  Descriptor inner[2];  // the other side of each end

  Wire() {
    for (int i = 0; i < 2; ++i) {
      int pair[2];
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
      ends[i] = Descriptor(pair[0]);
      inner[i] = Descriptor(pair[1]);
    }
  }

  std::string Take(int from) const {
    std::string bytes;
    char buffer[1 << 16];
    for (;;) {
      const ssize_t got = ::recv(inner[from].get(), buffer, sizeof(buffer), 0);
      if (got <= 0) return bytes;
      bytes.append(buffer, static_cast<size_t>(got));
    }
  }
  void Give(int to, std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(inner[to].get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  bool Carry(int from, const std::function<void(std::string&)>& change = {}) const {
    std::string bytes = Take(from);
    if (bytes.empty()) return false;
    if (change) change(bytes);
    Give(1 - from, bytes);
    return true;
  }
};

/// End 0 is the client. The channels over a wire, and the outcome of their handshake.
struct Pair {
  Wire wire;
  std::unique_ptr<TlsChannel> channels[2];
  Step steps[2] = {Step::kWait, Step::kWait};

  explicit Pair(const TlsKey& client = Key(false), const TlsKey& server = Key(true)) {
    channels[0] = *TlsChannel::Open(wire.ends[0].get(), client);
    channels[1] = *TlsChannel::Open(wire.ends[1].get(), server);
  }

  /// `change` sees each flight, with the end that it comes from.
  Pair& Shake(const std::function<void(int, std::string&)>& change = {}) {
    for (int round = 0; round < 8; ++round) {
      for (int end = 0; end < 2; ++end) {
        if (steps[end] == Step::kWait) steps[end] = channels[end]->Handshake();
        wire.Carry(end, [&](std::string& bytes) {
          if (change) change(end, bytes);
        });
      }
    }
    return *this;
  }

  IoResult Write(int end, std::string_view text) const {
    const iovec span = {const_cast<char*>(text.data()), text.size()};
    return channels[end]->Write({&span, 1});
  }
  /// All that can be read, and how it ended.
  std::string Read(int end, IoResult* last) const {
    std::string text;
    std::string buffer(1000, ' ');
    const iovec span = {buffer.data(), buffer.size()};
    for (;;) {
      *last = channels[end]->Read({&span, 1});
      if (last->kind != Kind::kMoved) return text;
      text.append(buffer, 0, static_cast<size_t>(last->bytes));
    }
  }
};

/// The lengths of the TLS records that these bytes are.
std::vector<size_t> Records(std::string_view bytes) {
  std::vector<size_t> lengths;
  while (bytes.size() >= 5) {
    const size_t length =
        5 + static_cast<size_t>(static_cast<unsigned char>(bytes[3]) << 8) + static_cast<unsigned char>(bytes[4]);
    lengths.push_back(length);
    if (length > bytes.size()) break;
    bytes.remove_prefix(length);
  }
  return lengths;
}

TEST(TcpTls, TwoEndsWithOneKey) {
  Pair pair;
  pair.Shake();
  ASSERT_EQ(pair.steps[0], Step::kDone) << pair.channels[0]->cause();
  ASSERT_EQ(pair.steps[1], Step::kDone) << pair.channels[1]->cause();
  EXPECT_EQ(*pair.channels[0]->Export(), *pair.channels[1]->Export());
  EXPECT_NE(pair.channels[0]->cipher().find("TLS_"), std::string::npos);
  EXPECT_EQ(pair.channels[0]->cipher(), pair.channels[1]->cipher());
  for (int end = 0; end < 2; ++end) {
    EXPECT_EQ(pair.Write(end, "hello").bytes, 5);
    const std::string wire = pair.wire.Take(end);
    EXPECT_EQ(wire.find("hello"), std::string::npos);
    pair.wire.Give(1 - end, wire);
    IoResult last;
    EXPECT_EQ(pair.Read(1 - end, &last), "hello");
    EXPECT_EQ(last.kind, Kind::kWouldBlock);
  }
  Pair other;
  other.Shake();
  EXPECT_NE(*pair.channels[0]->Export(), *other.channels[0]->Export());  // the same key, and another exchange
}

TEST(TcpTls, AnotherKeyOrAnotherNameFailsOnBothEnds) {
  Pair keys(Key(false, 7), Key(true, 8));
  keys.Shake();
  EXPECT_EQ(keys.steps[0], Step::kWrongKey) << keys.channels[0]->cause();
  EXPECT_EQ(keys.steps[1], Step::kWrongKey) << keys.channels[1]->cause();
  Pair names(Key(false, 7, "rank 3 to rank 1"), Key(true));
  names.Shake();
  EXPECT_EQ(names.steps[0], Step::kFailed) << names.channels[0]->cause();
  EXPECT_EQ(names.steps[1], Step::kFailed) << names.channels[1]->cause();
  Pair clients(Key(false), Key(false));
  clients.Shake();
  EXPECT_EQ(clients.steps[0], Step::kFailed);
}

TEST(TcpTls, EveryByteOfTheHandshakeCounts) {
  size_t flights[2] = {0, 0};
  Pair().Shake([&](int end, std::string& bytes) { flights[end] += bytes.size(); });
  ASSERT_GT(flights[0], 100u);
  for (int from = 0; from < 2; ++from) {
    for (size_t at = 0; at < flights[from]; ++at) {
      if (at == 2) continue;  // of the first record: a version that RFC 8446, 5.1 has to be ignored
      Pair pair;
      size_t seen = 0;
      pair.Shake([&](int end, std::string& bytes) {
        if (end == from && at >= seen && at - seen < bytes.size()) bytes[at - seen] ^= 0x20;
        if (end == from) seen += bytes.size();
      });
      // The client may be done before what it said last is seen to be wrong; the server never.
      EXPECT_NE(pair.steps[1], Step::kDone) << from << " " << at;
      if (pair.steps[0] == Step::kDone) {
        IoResult last;
        EXPECT_EQ(pair.Read(0, &last), "");
      }
    }
  }
}

/// A server that has a certificate of its own and does not know the key, as a man in the middle has.
TEST(TcpTls, ACertificateIsNoKey) {
  EVP_PKEY* pkey = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, pkey);
  ASSERT_GT(X509_sign(certificate, pkey, EVP_sha256()), 0);
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  ASSERT_EQ(SSL_CTX_use_certificate(context, certificate), 1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey(context, pkey), 1);
  const Wire wire;
  const auto client = *TlsChannel::Open(wire.ends[0].get(), Key(false));
  SSL* server = SSL_new(context);
  SSL_set_fd(server, wire.ends[1].get());
  Step step = Step::kWait;
  for (int round = 0; round < 6; ++round) {
    if (step == Step::kWait) step = client->Handshake();
    wire.Carry(0);
    EXPECT_LE(SSL_accept(server), 0);
    wire.Carry(1);
  }
  EXPECT_EQ(step, Step::kFailed);
  EXPECT_NE(client->cause().find("TLS"), std::string::npos) << client->cause();
  SSL_free(server);
  SSL_CTX_free(context);
  X509_free(certificate);
  EVP_PKEY_free(pkey);
}

/// What clients of other kinds get: TLS 1.2, TLS 1.3 without the key, and a key without an exchange.
TEST(TcpTls, OtherClientsAreRefused) {
  for (const bool old : {true, false}) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    if (old) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    const Wire wire;
    const auto server = *TlsChannel::Open(wire.ends[1].get(), Key(true));
    SSL* client = SSL_new(context);
    SSL_set_fd(client, wire.ends[0].get());
    Step step = Step::kWait;
    for (int round = 0; round < 6; ++round) {
      EXPECT_LE(SSL_connect(client), 0);
      wire.Carry(0);
      if (step == Step::kWait) step = server->Handshake();
      wire.Carry(1);
    }
    EXPECT_EQ(step, Step::kFailed) << old;
    SSL_free(client);
    SSL_CTX_free(context);
  }
}

TEST(TcpTls, WhatIsInTheClearIsSaidToBe) {
  const Wire wire;
  const auto server = *TlsChannel::Open(wire.ends[1].get(), Key(true));
  wire.Give(1, std::string("WEFT\x03\x02\x20\x00", 8) + std::string(32, 'p'));  // a PROOF
  EXPECT_EQ(server->Handshake(), Step::kFailed);
  EXPECT_NE(server->cause().find("in the clear"), std::string::npos) << server->cause();
}

TEST(TcpTls, RecordsAreFullAndFew) {
  Pair pair;
  pair.Shake();
  const int size = 4 << 20;
  ::setsockopt(pair.wire.ends[0].get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  // Three frames: a header and what follows it go into one record, however many places they come from.
  std::string header(48, 'h');
  std::string shorts(100, 's');
  std::string longs(100'000, 'l');
  const iovec spans[] = {{header.data(), 48}, {shorts.data(), 100},    {header.data(), 48},
                         {nullptr, 0},        {longs.data(), 100'000}, {header.data(), 48}};
  const IoResult result = pair.channels[0]->Write(spans);
  EXPECT_EQ(result.bytes, 100'244);
  EXPECT_FALSE(pair.channels[0]->pending());
  const std::vector<size_t> records = Records(pair.wire.Take(0));
  EXPECT_EQ(records.size(), 7u);
  for (size_t i = 0; i + 1 < records.size(); ++i) EXPECT_EQ(records[i], (16u << 10) + 22) << i;
}

/// Everything at once: many spans, sockets that take little, bounds on reading, keys that are taken anew.
TEST(TcpTls, AStreamOfBytesAsItWasWritten) {
  std::mt19937 random(11);
  for (const bool ahead : {false, true}) {
    int sockets[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
    const int small = 20'000;
    for (const int socket : sockets) ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    Descriptor ends[2] = {Descriptor(sockets[0]), Descriptor(sockets[1])};
    const auto client = *TlsChannel::Open(sockets[0], Key(false));
    const auto server = *TlsChannel::Open(sockets[1], Key(true));
    Step steps[2] = {Step::kWait, Step::kWait};
    for (int round = 0; round < 4; ++round) {
      if (steps[0] == Step::kWait) steps[0] = client->Handshake();
      if (steps[1] == Step::kWait) steps[1] = server->Handshake();
    }
    ASSERT_TRUE(steps[0] == Step::kDone && steps[1] == Step::kDone);
    client->SetBytesOfAKey(300'000);
    if (ahead) server->ReadAhead();
    const std::string sent = Pattern(5'000'000, 3);
    std::string got;
    size_t at = 0;
    for (int turns = 0; got.size() < sent.size() && turns < 100'000; ++turns) {
      std::vector<iovec> spans;
      for (size_t from = at; from < sent.size() && spans.size() < 20;) {
        const size_t most = random() % 3 == 0 ? 70'000 : 100;
        const size_t size = std::min(sent.size() - from, random() % most);
        spans.push_back({const_cast<char*>(sent.data()) + from, size});
        from += size;
      }
      const IoResult written = client->Write(spans);
      ASSERT_NE(written.kind, Kind::kFailed) << FailureText(written);
      at += static_cast<size_t>(written.bytes);
      server->Allow(static_cast<int64_t>(random() % 200'000));
      for (;;) {
        char a[777];
        std::vector<char> b(random() % 100'000);
        const iovec into[] = {{a, sizeof(a)}, {b.data(), b.size()}};
        const IoResult read = server->Read(into);
        ASSERT_NE(read.kind, Kind::kFailed) << FailureText(read);
        const auto bytes = static_cast<size_t>(read.bytes);
        got.append(a, std::min(bytes, sizeof(a)));
        if (bytes > sizeof(a)) got.append(b.data(), bytes - sizeof(a));
        if (bytes < sizeof(a) + b.size()) break;
      }
    }
    EXPECT_EQ(got, sent);
    EXPECT_FALSE(client->pending());
  }
}

/// What an attacker between the two can do to bytes on their way: of each case only what came before is read, and then
/// there is an error.
TEST(TcpTls, NothingThatWasChangedIsRead) {
  struct Case {
    const char* name;
    std::function<void(std::string& records, std::vector<std::string>& each)> attack;
  };
  const std::vector<Case> cases = {
      {"altered", [](std::string& all, auto&) { all[all.size() / 2] ^= 1; }},
      {"lost", [](std::string& all, auto& each) { all = each[0] + each[2]; }},
      {"reordered", [](std::string& all, auto& each) { all = each[0] + each[2] + each[1]; }},
      {"doubled", [](std::string& all, auto& each) { all = each[0] + each[0] + each[1] + each[2]; }},
      {"put in",
       [](std::string& all, auto& each) { all = each[0] + std::string("\x17\x03\x03\x00\x20", 5) + each[1]; }},
      {"shortened", [](std::string& all, auto& each) { all = each[0] + each[1].substr(0, 100) + each[2]; }},
      {"in the clear", [](std::string& all, auto& each) { all = each[0] + std::string(500, 'W'); }},
      {"an alert in the clear",
       [](std::string& all, auto& each) { all = each[0] + std::string("\x15\x03\x03\x00\x02\x01\x00", 7); }},
  };
  for (const bool ahead : {false, true}) {
    for (const Case& one : cases) {
      Pair pair;
      pair.Shake();
      if (ahead) pair.channels[1]->ReadAhead();
      std::vector<std::string> each;
      std::string all;
      std::string sent;
      for (uint64_t i = 0; i < 3; ++i) {
        sent += Pattern(1000, i);
        pair.Write(0, Pattern(1000, i));
        each.push_back(pair.wire.Take(0));
        all += each.back();
      }
      one.attack(all, each);
      pair.wire.Give(1, all);
      IoResult last;
      const std::string got = pair.Read(1, &last);
      EXPECT_EQ(last.kind, Kind::kFailed) << one.name;
      EXPECT_NE(FailureText(last).find("TLS"), std::string::npos) << one.name << FailureText(last);
      EXPECT_EQ(got, sent.substr(0, got.size())) << one.name;
      EXPECT_EQ(got.size(), 1000u) << one.name;
      // And it stays so.
      EXPECT_EQ(pair.Read(1, &last), "");
      EXPECT_EQ(last.kind, Kind::kFailed);
      EXPECT_EQ(pair.Write(1, "x").kind, Kind::kFailed);
    }
  }
}

TEST(TcpTls, AGoodbyeIsNotACut) {
  for (const bool goodbye : {true, false}) {
    Pair pair;
    pair.Shake();
    pair.Write(0, "last words");
    if (goodbye) pair.channels[0]->SayGoodbye();
    while (pair.wire.Carry(0)) {
    }
    ::shutdown(pair.wire.inner[1].get(), SHUT_WR);
    IoResult last;
    EXPECT_EQ(pair.Read(1, &last), "last words");
    EXPECT_EQ(last.kind, goodbye ? Kind::kEnd : Kind::kFailed);
    if (goodbye) continue;
    EXPECT_NE(FailureText(last).find("without TLS's goodbye"), std::string::npos) << FailureText(last);
  }
}

/// A read that got something before the error asks to be called again: no poll would tell of it.
TEST(TcpTls, AnErrorBehindBytesIsNotForgotten) {
  Pair pair;
  pair.Shake();
  pair.channels[1]->ReadAhead();
  pair.Write(0, "good");
  pair.Write(0, "bad");
  std::string bytes = pair.wire.Take(0);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  pair.wire.Give(1, bytes);
  std::string buffer(100, ' ');
  const iovec span = {buffer.data(), buffer.size()};
  IoResult result = pair.channels[1]->Read({&span, 1});
  EXPECT_EQ(result.bytes, 4);
  EXPECT_TRUE(result.more);
  result = pair.channels[1]->Read({&span, 1});
  EXPECT_EQ(result.kind, Kind::kFailed);
}

sockaddr_storage Address(const char* text) {
  sockaddr_storage storage = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    EXPECT_EQ(::inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    storage.ss_family = AF_INET6;
  }
  return storage;
}

TEST(TcpEncryption, PrivateAddresses) {
  const auto is_private = [](const char* text) {
    const sockaddr_storage storage = Address(text);
    return IsPrivate(reinterpret_cast<const sockaddr*>(&storage));
  };
  for (const char* text : {"127.0.0.1", "127.255.0.1", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
                           "192.168.0.1", "169.254.1.1", "::1", "fe80::1", "fc00::1", "fdff::1", "::ffff:10.1.2.3"}) {
    EXPECT_TRUE(is_private(text)) << text;
  }
  for (const char* text :
       {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "100.64.0.1",
        "8.8.8.8", "126.0.0.1", "128.0.0.1", "2001:db8::1", "fe00::1", "::ffff:8.8.8.8", "::2"}) {
    EXPECT_FALSE(is_private(text)) << text;
  }
  const sockaddr_storage local = {.ss_family = AF_UNIX, .__ss_padding = {}, .__ss_align = 0};
  EXPECT_FALSE(IsPrivate(reinterpret_cast<const sockaddr*>(&local)));
}

TEST(TcpEncryption, WhichLinks) {
  using enum LinkPath;
  struct Row {
    const char* name;
    bool private_host, public_host, punched, relay;
  };
  for (const Row& row : {Row{"auto", false, true, true, true}, Row{"on", true, true, true, true},
                         Row{"off", false, false, false, true}, Row{"off-even-relayed", false, false, false, false}}) {
    const Encryption encryption = *ParseEncryption(row.name);
    EXPECT_STREQ(EncryptionName(encryption), row.name);
    EXPECT_EQ(NeedsTls(encryption, kHost, false), row.private_host) << row.name;
    EXPECT_EQ(NeedsTls(encryption, kHost, true), row.public_host) << row.name;
    EXPECT_EQ(NeedsTls(encryption, kPunched, true), row.punched) << row.name;
    EXPECT_EQ(NeedsTls(encryption, kRelay, true), row.relay) << row.name;
    EXPECT_EQ(NeedsTls(encryption, kRelay, false), row.relay) << row.name;
  }
  EXPECT_TRUE(ParseEncryption("ON").status().IsInvalid());
  EXPECT_TRUE(ParseEncryption("").status().IsInvalid());
}

}  // namespace
}  // namespace weft::tcp
