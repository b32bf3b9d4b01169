// The server's side of up to four connections: greeting, store, rooms, pairs, relay. No sockets; the server's own
// clock.
#include <array>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "fuzz/input.h"
#include "weft/base/byte_codec.h"
#include "weft/base/logging.h"
#include "weft/rendezvous/server_session.h"

namespace weft::rendezvous {
namespace {

using fuzz::Input;
using fuzz::Require;

/// More of them reach nothing that these do not, and cost as much each.
constexpr int kMostSteps = 40;

/// Calls that are due once nobody is on the stack.
using Later = std::deque<std::function<void()>>;

class MemoryStream : public ServerStream {
 public:
  explicit MemoryStream(Later* later) : later_(later) {}

  void Read(asio::mutable_buffer into, Done done) override {
    Require(read_done_ == nullptr);
    if (closed_) return Refuse(std::move(done));
    into_ = into;
    read_done_ = std::move(done);
    Serve();
  }
  void Write(std::vector<asio::const_buffer> from, Done done) override {
    Require(write_done_ == nullptr);
    if (closed_) return Refuse(std::move(done));
    write_done_ = std::move(done);
    written_ = 0;
    for (const auto& piece : from) {
      said_.append(static_cast<const char*>(piece.data()), piece.size());
      written_ += piece.size();
    }
    // Only the greeting is looked at.
    if (said_.size() > 4096) said_.resize(4096);
    if (!stalled) FinishWrite();
  }
  void CancelRead() override { read_done_ = nullptr; }
  void ShutdownSend() override {}
  void Close() override {
    closed_ = true;
    read_done_ = write_done_ = nullptr;
  }
  arrow::Result<Endpoint> Remote() const override { return Endpoint{"192.0.2.7", 4711}; }
  Duration RoundTrip() const override { return std::chrono::milliseconds(3); }

  void Feed(std::string_view bytes) {
    heard_.append(bytes);
    Serve();
  }
  void End() {
    ended_ = true;
    Serve();
  }
  void FinishWrite() {
    if (write_done_ == nullptr) return;
    later_->push_back([done = std::exchange(write_done_, nullptr), size = written_] { done({}, size); });
  }
  const std::string& said() const { return said_; }
  bool closed() const { return closed_; }
  bool stalled = false;

 private:
  void Refuse(Done done) {
    later_->push_back([done = std::move(done)] { done(asio::error::bad_descriptor, 0); });
  }
  void Serve() {
    if (read_done_ == nullptr || (heard_.empty() && !ended_)) return;
    const size_t size = std::min(heard_.size(), into_.size());
    std::memcpy(into_.data(), heard_.data(), size);
    heard_.erase(0, size);
    const asio::error_code error = size == 0 ? asio::error_code(asio::error::eof) : asio::error_code();
    later_->push_back([done = std::exchange(read_done_, nullptr), error, size] { done(error, size); });
  }

  Later* const later_;
  asio::mutable_buffer into_;
  Done read_done_;
  Done write_done_;
  size_t written_ = 0;
  std::string said_;
  std::string heard_;
  bool ended_ = false;
  bool closed_ = false;
};

RendezvousLimits SmallLimits() {
  RendezvousLimits limits;
  limits.output_bytes = int64_t{1} << 20;
  limits.waits_per_connection = 8;
  limits.table = {.jobs = 4, .keys_per_job = 16, .bytes_per_job = 1 << 16, .bytes = 1 << 17};
  limits.rooms = 4;
  limits.rooms_per_address = 3;
  limits.world = 64;
  limits.relay = {.pairs = 4, .pairs_per_room = 2, .bytes_per_room = 1 << 16, .buffer_bytes = 1 << 10};
  return limits;
}

class Server : public SessionHost {
 public:
  Server() : relay_(&io_, limits_.relay) {}

  void OnAdmitted(ServerSession* /*session*/) override {}
  void OnClosed(ServerSession* session) override {
    for (Client& client : clients_) {
      if (client.session.get() != session) continue;
      closed_.push_back(std::move(client.session));
      client = {};
    }
  }

  void Step(Input* input) {
    const uint8_t step = input->Byte();
    Client& client = clients_[step % clients_.size()];
    if (client.session == nullptr) Connect(&client);
    MemoryStream& stream = *client.stream;
    switch (step / clients_.size() % 10) {
      case 0:
      case 1:
        stream.Feed(input->Chunk());
        break;
      case 2:
        stream.Feed(Encode(Hello{.version = kVersion, .nonce = client.nonce}) + EncodeProof(Proof{}));
        break;
      case 3:
        stream.Feed(Claim(client, RoomUse::kEnter, MessageType::kEnter, input));
        break;
      case 4:
        stream.Feed(Claim(client, RoomUse::kRelay, MessageType::kRelay, input));
        break;
      case 5: {
        const auto type = static_cast<MessageType>(16 + input->Byte() % 16);
        const std::string_view fields = input->Chunk();
        stream.Feed(Frame(type, ByteWriter().Put(uint64_t{input->Byte()}).PutRaw(fields).Take()));
        break;
      }
      case 6:
        skipped_ += std::chrono::milliseconds(input->Number<uint16_t>());
        break;
      case 7:
        stream.stalled = !stream.stalled;
        if (!stream.stalled) stream.FinishWrite();
        break;
      case 8:
        stream.End();
        break;
      case 9:
        client.session->Refuse(RefusalCode::kStopping, "stopping");
        break;
    }
    Settle();
  }

  void Settle() {
    for (int i = 0; i < 1000 && !later_.empty(); ++i) {
      const auto call = std::move(later_.front());
      later_.pop_front();
      call();
      RunTimers();
    }
    const auto now = Clock::now() + skipped_;
    service_.Tick(now);
    pairing_.Tick(now);
    relay_.Tick(now);
    for (const Client& client : clients_) {
      const auto session = client.session;
      if (session != nullptr) session->Tick(now);
    }
    closed_.clear();
    Require(service_.table().bytes() <= limits_.table.bytes);
    Require(pairing_.rooms() <= static_cast<size_t>(limits_.rooms));
    Require(relay_.counts().pairs <= limits_.relay.pairs);
  }

  void CloseAll() {
    for (const Client& client : clients_) {
      const auto session = client.session;
      if (session != nullptr) session->Close();
    }
    later_.clear();
    Settle();
    RunTimers();
    Require(service_.waits() == 0 && pairing_.rooms() == 0 && pairing_.counts().members == 0);
  }

 private:
  struct Client {
    std::shared_ptr<MemoryStream> stream;
    std::shared_ptr<ServerSession> session;
    Nonce nonce{};
  };

  /// Of the relay; those that were cancelled, too.
  static void RunTimers() {
    io_.restart();
    io_.poll();
  }

  void Connect(Client* client) {
    client->stream = std::make_shared<MemoryStream>(&later_);
    client->session = std::make_shared<ServerSession>(
        client->stream, this, Services{&service_, &pairing_, &relay_, &counters_, &keys_, &limits_}, "192.0.2.7");
    client->nonce.fill('n');
    client->session->Start();
  }

  /// A good claim, of one of three rooms.
  static std::string Claim(const Client& client, RoomUse use, MessageType type, Input* input) {
    static const std::array<RoomKey, 3> rooms = {*RoomKey::Derive(std::string(32, 's'), "a", 0),
                                                 *RoomKey::Derive(std::string(32, 's'), "b", 0),
                                                 *RoomKey::Derive(std::string(32, 's'), "c", 0)};
    Nonce server{};
    // Behind length, type, version and the word whether a key is wanted.
    constexpr size_t kNonceAt = kLengthBytes + 1 + sizeof(uint16_t) + 1;
    if (client.stream->said().size() >= kNonceAt + server.size()) {
      std::memcpy(server.data(), client.stream->said().data() + kNonceAt, server.size());
    }
    const RoomKey& room = rooms[input->Byte() % rooms.size()];
    const uint8_t numbers = input->Byte();
    const auto claim = room.Claim(use, numbers & 3, numbers >> 4, client.nonce, server);
    return Frame(type, ByteWriter().Put(uint64_t{1}).PutRaw(Encode(*claim)).Take());
  }

  const RendezvousLimits limits_ = SmallLimits();
  // A context is three system calls to make and as many to end: all inputs have one.
  inline static asio::io_context io_{1};
  Later later_;
  const AdmissionKeys keys_;
  ServerCounters counters_;
  StoreService service_{{.table = limits_.table, .waits_per_client = 8}};
  Pairing pairing_{{.rooms = 4, .rooms_per_address = 3, .world = 64}};
  Relay relay_;
  std::array<Client, 4> clients_;
  std::vector<std::shared_ptr<ServerSession>> closed_;
  Duration skipped_ = Duration::zero();
};

}  // namespace
}  // namespace weft::rendezvous

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::set_log_level(weft::LogLevel::kOff);
  weft::fuzz::Input input(data, size);
  weft::rendezvous::Server server;
  for (int steps = 0; steps < weft::rendezvous::kMostSteps && !input.empty(); ++steps) server.Step(&input);
  server.CloseAll();
  return 0;
}
