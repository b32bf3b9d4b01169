#include "weft/rendezvous/client.h"

#include <unistd.h>

#include <random>
#include <thread>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/rendezvous/client_connection.h"
#include "weft/rendezvous/key_table.h"
#include "weft/rendezvous/socket.h"
#include "weft/rendezvous/tls_tunnel.h"

namespace weft {

using rendezvous::ClientConnection;
using rendezvous::MessageType;
using rendezvous::OpenFailure;
using rendezvous::ReplyCode;

namespace {

/// Pauses between tries to connect: they double, and are drawn from half to the whole so that ranks do not come in
/// step.
constexpr Duration kFirstPause = std::chrono::milliseconds(20);
constexpr Duration kLongestPause = std::chrono::seconds(1);
constexpr Duration kPollInterval = std::chrono::milliseconds(50);
/// A rank in a room says something this often, so that neither the server nor a NAT takes it for gone.
constexpr Duration kLongestSilence = std::chrono::seconds(60);
/// With less time than this left, a wait first asks for the value, so that one that is there is not missed.
constexpr Duration kShortWait = std::chrono::milliseconds(100);

/// Milliseconds, rounded up; the server cuts what is too long.
int64_t Milliseconds(Duration duration) {
  if (duration <= Duration::zero()) return 0;
  return std::chrono::floor<std::chrono::milliseconds>(duration - Duration(1)).count() + 1;
}

arrow::Status Pause(Duration length, Deadline deadline, const std::function<arrow::Status()>& check_interrupt) {
  const Deadline end = Earlier(deadline, Deadline::After(length));
  while (!end.Passed()) {
    if (check_interrupt) ARROW_RETURN_NOT_OK(check_interrupt());
    std::this_thread::sleep_for(end.LeftUpTo(kPollInterval));
  }
  return arrow::Status::OK();
}

}  // namespace

struct RendezvousClient::Request {
  const char* operation;
  MessageType type;
  std::string fields;
  bool repeatable;  // doing it twice does no harm
};

RendezvousClient::RendezvousClient(Endpoint server, RendezvousClientOptions options)
    : server_(std::move(server)), options_(std::move(options)), process_(::getpid()) {}

RendezvousClient::~RendezvousClient() {
  if (process_ == ::getpid()) {
    closing_ = true;
    std::unique_ptr<rendezvous::RoomKeeper> keeper;
    {
      const std::lock_guard lock(keeper_mutex_);
      keeper.swap(keeper_);
    }
    keeper = nullptr;
    connection_ = nullptr;  // while there is a mutex for what it says at its end
    return;
  }
  // Its thread is the parent's.
  [[maybe_unused]] auto* keeper = keeper_.release();
  if (connection_ == nullptr) return;
  // In a forked child: the connection's thread is the parent's, and so are its locks. The memory is left as it is.
  ::close(connection_->fd());
  [[maybe_unused]] auto* leaked = new std::shared_ptr<ClientConnection>(std::move(connection_));
}

arrow::Status RendezvousClient::CheckProcess() const {
  if (process_ == ::getpid()) return arrow::Status::OK();
  return arrow::Status::Invalid("the rendezvous client was made by process ", process_,
                                " and cannot be used in its forked child: open the store anew there");
}

arrow::Status RendezvousClient::Error(CommunicationFailure failure, const char* operation, const std::string& message,
                                      Clock::time_point begin) const {
  return MakeCommunicationError(
      {.failure = failure, .operation = operation, .phase = "rendezvous", .elapsed = Clock::now() - begin},
      "rendezvous server " + server_.ToString() + ": " + message);
}

arrow::Result<std::unique_ptr<RendezvousClient>> RendezvousClient::Connect(const Endpoint& server,
                                                                           const RendezvousClientOptions& options) {
  std::unique_ptr<RendezvousClient> client(new RendezvousClient(server, options));
  if (options.tls) {
    ARROW_ASSIGN_OR_RAISE(client->tls_, rendezvous::TlsContext::ForClient(options.ca));
  } else if (!options.ca.empty()) {
    return arrow::Status::Invalid("a CA for the rendezvous server (WEFT_RENDEZVOUS_CA) is given, but its address '",
                                  server.ToString(), "' is without TLS: write rendezvous+tls://", server.ToString());
  }
  ARROW_RETURN_NOT_OK(client->FirstConnect());
  return client;
}

ClientConnection::Target RendezvousClient::Target() {
  const auto on_end = [this] {
    const std::lock_guard lock(keeper_mutex_);
    if (keeper_ != nullptr) keeper_->Lost();
  };
  return {server_, options_.key, options_.local_port, notices_, tls_, on_end};
}

arrow::Status RendezvousClient::FirstConnect() {
  const auto begin = Clock::now();
  const Deadline deadline = Deadline::After(options_.connect_timeout);
  std::minstd_rand random(std::random_device{}());
  Duration pause = kFirstPause;
  for (int tries = 1;; ++tries) {
    OpenFailure failure;
    // A try that hangs, for example at a full backlog, does not use up the time of all.
    const Deadline bound = Earlier(deadline, Deadline::After(options_.call_timeout));
    connection_ = ClientConnection::Open(Target(), bound, options_.check_interrupt, &failure);
    if (connection_ != nullptr) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(failure.interrupted);
    if (!failure.passing) {
      const auto kind =
          failure.authentication ? CommunicationFailure::kAuthenticationFailed : CommunicationFailure::kOther;
      return Error(kind, "connect", failure.cause, begin);
    }
    const Duration part = pause / 1000 * std::uniform_int_distribution<int>(500, 1000)(random);
    if (deadline.Left() <= part) {
      return Error(CommunicationFailure::kOther, "connect",
                   "no connection in " + std::to_string(tries) + " tries: " + failure.cause +
                       ": is it running, is this its address, and does a firewall stand between?",
                   begin);
    }
    ARROW_RETURN_NOT_OK(Pause(part, deadline, options_.check_interrupt));
    pause = std::min(2 * pause, kLongestPause);
  }
}

arrow::Result<std::shared_ptr<ClientConnection>> RendezvousClient::Connection(const char* operation, Deadline deadline,
                                                                              Clock::time_point begin) {
  const auto usable = [this] {
    const std::lock_guard lock(mutex_);
    return connection_ != nullptr && connection_->usable() ? connection_ : nullptr;
  };
  if (auto present = usable(); present != nullptr) return present;
  const std::lock_guard making(making_mutex_);
  if (auto present = usable(); present != nullptr) return present;
  std::shared_ptr<ClientConnection> old;
  {
    const std::lock_guard lock(mutex_);
    old.swap(connection_);
  }
  old = nullptr;
  OpenFailure failure;
  const auto closing = [this] {
    return closing_ ? arrow::Status::Cancelled("the client is being closed") : arrow::Status::OK();
  };
  auto connection = ClientConnection::Open(Target(), deadline, closing, &failure);
  if (connection == nullptr) {
    const auto kind =
        failure.authentication ? CommunicationFailure::kAuthenticationFailed : CommunicationFailure::kOther;
    return Error(kind, operation, "the connection was lost and could not be made anew: " + failure.cause, begin);
  }
  std::optional<Place> place;
  {
    const std::lock_guard lock(mutex_);
    place = place_;
  }
  if (place.has_value()) ARROW_RETURN_NOT_OK(EnterOn(connection.get(), *place, deadline, begin));
  {
    const std::lock_guard lock(mutex_);
    connection_ = connection;
  }
  // Only now, so that what is asked for in answer goes to the new connection.
  if (place.has_value()) {
    notices_->Add({.kind = rendezvous::Notice::Kind::kEntered, .peer = 0, .go = {}, .reason = {}, .at = {}});
  }
  return connection;
}

arrow::Status RendezvousClient::EnterOn(ClientConnection* connection, const Place& place, Deadline deadline,
                                        Clock::time_point begin) {
  ARROW_ASSIGN_OR_RAISE(const rendezvous::RoomClaim claim,
                        place.room.Claim(rendezvous::RoomUse::kEnter, place.rank, place.world_size,
                                         connection->client_nonce(), connection->server_nonce()));
  const auto answer = connection->Call(MessageType::kEnter, rendezvous::Encode(claim), deadline, {});
  if (answer.outcome == ClientConnection::Outcome::kAnswered) {
    if (answer.code == ReplyCode::kInvalid) return arrow::Status::Invalid(answer.body);
    if (answer.code != ReplyCode::kOk) return Error(CommunicationFailure::kOther, "enter", answer.body, begin);
    return arrow::Status::OK();
  }
  bool refused = false;
  const std::string cause = connection->cause(&refused);
  return Error(CommunicationFailure::kOther, "enter", cause.empty() ? "it did not answer" : cause, begin);
}

arrow::Status RendezvousClient::Enter(const rendezvous::RoomKey& room, int rank, int world_size) {
  ARROW_RETURN_NOT_OK(CheckProcess());
  const auto begin = Clock::now();
  const Deadline deadline = Deadline::After(options_.call_timeout);
  const Place place{room, static_cast<uint32_t>(rank), static_cast<uint32_t>(world_size)};
  ARROW_ASSIGN_OR_RAISE(const auto connection, Connection("enter", deadline, begin));
  ARROW_RETURN_NOT_OK(EnterOn(connection.get(), place, deadline, begin));
  {
    const std::lock_guard lock(mutex_);
    place_ = place;
  }
  Keep(connection->welcome().idle_seconds);
  return arrow::Status::OK();
}

void RendezvousClient::Keep(uint32_t idle_seconds) {
  const Duration idle = idle_seconds == 0 ? kLongestSilence : std::chrono::milliseconds(int64_t{333} * idle_seconds);
  const auto say_alive = [this] {
    if (const auto connection = Present(); connection != nullptr) {
      connection->Tell(rendezvous::Frame(MessageType::kPong, ""));
    }
  };
  const std::lock_guard lock(keeper_mutex_);
  if (keeper_ != nullptr) return;
  keeper_ = std::make_unique<rendezvous::RoomKeeper>([this] { return Reconnect(); }, say_alive,
                                                     std::min<Duration>(idle, kLongestSilence));
}

std::shared_ptr<ClientConnection> RendezvousClient::Present() {
  if (process_ != ::getpid()) return nullptr;
  const std::lock_guard lock(mutex_);
  return connection_;
}

void RendezvousClient::Ask(const std::vector<uint32_t>& peers) {
  if (const auto connection = Present(); connection != nullptr) connection->Tell(rendezvous::EncodeAsk(peers));
}

void RendezvousClient::Rest() {
  if (const auto connection = Present(); connection != nullptr)
    connection->Tell(rendezvous::Frame(MessageType::kRest, ""));
}

arrow::Status RendezvousClient::Reconnect(Duration within) {
  ARROW_RETURN_NOT_OK(CheckProcess());
  return Connection("reconnect", Deadline::After(std::min(within, options_.call_timeout)), Clock::now()).status();
}

arrow::Result<std::string> RendezvousClient::Call(const Request& request) {
  ARROW_RETURN_NOT_OK(CheckProcess());
  const auto begin = Clock::now();
  const Deadline deadline = Deadline::After(options_.call_timeout);
  for (int tries = 1;; ++tries) {
    ARROW_ASSIGN_OR_RAISE(const auto connection, Connection(request.operation, deadline, begin));
    const auto answer = connection->Call(request.type, request.fields, deadline, {});
    using Outcome = ClientConnection::Outcome;
    if (answer.outcome == Outcome::kAnswered) {
      if (answer.code == ReplyCode::kOk) return answer.body;
      if (answer.code == ReplyCode::kInvalid) return arrow::Status::Invalid(answer.body);
      return Error(CommunicationFailure::kOther, request.operation, answer.body, begin);
    }
    if (answer.outcome == Outcome::kNoAnswer) {
      connection->Break("it did not answer a call in time");
      return Error(CommunicationFailure::kOther, request.operation,
                   "it did not answer: its host or the way to it is down, or it is overloaded", begin);
    }
    bool refused = false;
    const std::string cause = connection->cause(&refused);
    const bool again = answer.outcome == Outcome::kNotSent || (request.repeatable && !refused);
    if (again && tries == 1) continue;
    const std::string doubt = request.repeatable || answer.outcome == Outcome::kNotSent
                                  ? ""
                                  : ", and whether this call was done is not known";
    return Error(CommunicationFailure::kOther, request.operation, "the connection ended: " + cause + doubt, begin);
  }
}

arrow::Status RendezvousClient::Set(const std::string& key, std::string_view value, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckStoreValue(key, value));
  ByteWriter fields;
  fields.PutString(key).PutString(value).Put(Milliseconds(time_to_live));
  return Call({"set", MessageType::kSet, fields.Take(), true}).status();
}

arrow::Result<bool> RendezvousClient::CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                                    std::string_view desired, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_RETURN_NOT_OK(CheckStoreValue(key, desired));
  // A value that long is in no store.
  if (expected.has_value() && expected->size() > kStoreMaxValueBytes) return false;
  ByteWriter fields;
  fields.PutString(key).Put(static_cast<uint8_t>(expected.has_value())).PutString(expected.value_or(""));
  fields.PutString(desired).Put(Milliseconds(time_to_live));
  ARROW_ASSIGN_OR_RAISE(const std::string body,
                        Call({"compare-and-set", MessageType::kCompareAndSet, fields.Take(), false}));
  return body == std::string_view("\1", 1);
}

arrow::Result<std::optional<std::string>> RendezvousClient::Get(const std::string& key) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ARROW_ASSIGN_OR_RAISE(const std::string body,
                        Call({"get", MessageType::kGet, ByteWriter().PutString(key).Take(), true}));
  if (body.empty()) return arrow::Status::Invalid("rendezvous server ", server_.ToString(), ": an answer is cut short");
  if (body.front() == '\0') return std::nullopt;
  return std::optional(body.substr(1));
}

arrow::Result<int64_t> RendezvousClient::Add(const std::string& key, int64_t delta, Duration time_to_live) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  ByteWriter fields;
  fields.PutString(key).Put(delta).Put(Milliseconds(time_to_live));
  ARROW_ASSIGN_OR_RAISE(const std::string body, Call({"add", MessageType::kAdd, fields.Take(), false}));
  return ByteReader(body).Get<int64_t>();
}

arrow::Status RendezvousClient::Delete(const std::string& key) {
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  return Call({"delete", MessageType::kDelete, ByteWriter().PutString(key).Take(), true}).status();
}

arrow::Result<std::string> RendezvousClient::Wait(const std::string& key, Deadline deadline,
                                                  const std::function<arrow::Status()>& check_interrupt) {
  ARROW_RETURN_NOT_OK(CheckProcess());
  ARROW_RETURN_NOT_OK(CheckStoreKey(key));
  const auto begin = Clock::now();
  if (deadline.Left() <= kShortWait) {
    ARROW_ASSIGN_OR_RAISE(auto value, Get(key));
    if (value.has_value()) return *std::move(value);
  }
  for (bool repeated = false; !deadline.Passed();) {
    ARROW_ASSIGN_OR_RAISE(const auto connection, Connection("wait", Deadline::After(options_.call_timeout), begin));
    // The server answers each slice, so that one that is gone is noticed.
    const Duration slice = deadline.LeftUpTo(options_.call_timeout);
    const Deadline bound = Earlier(deadline, Deadline::After(slice + options_.call_timeout));
    ByteWriter fields;
    fields.PutString(key).Put(static_cast<uint32_t>(std::min<int64_t>(Milliseconds(slice), UINT32_MAX)));
    const auto answer = connection->Call(MessageType::kWait, fields.bytes(), bound, check_interrupt);
    using Outcome = ClientConnection::Outcome;
    if (answer.outcome == Outcome::kInterrupted) return answer.interrupted;
    if (answer.outcome == Outcome::kAnswered) {
      if (answer.code == ReplyCode::kOk) return answer.body;
      if (answer.code == ReplyCode::kInvalid) return arrow::Status::Invalid(answer.body);
      if (answer.code == ReplyCode::kFull) return Error(CommunicationFailure::kOther, "wait", answer.body, begin);
      repeated = false;
      continue;
    }
    if (answer.outcome == Outcome::kNoAnswer) {
      if (deadline.Passed()) break;
      connection->Break("it did not answer a call in time");
      return Error(CommunicationFailure::kOther, "wait", "it does not answer: its host or the way to it is down",
                   begin);
    }
    bool refused = false;
    const std::string cause = connection->cause(&refused);
    if (refused || repeated)
      return Error(CommunicationFailure::kOther, "wait", "the connection ended: " + cause, begin);
    repeated = true;
  }
  return Error(CommunicationFailure::kTimedOut, "wait", "no one wrote '" + key + "' in time", begin);
}

arrow::Result<Endpoint> RendezvousClient::server_address() {
  const auto connection = Present();
  if (connection == nullptr) return arrow::Status::IOError("no connection to the rendezvous server");
  return connection->peer();
}

arrow::Result<int> RendezvousClient::DialThroughTls() {
  ARROW_ASSIGN_OR_RAISE(const Endpoint server, server_address());
  ARROW_ASSIGN_OR_RAISE(auto socket, rendezvous::BeginConnect(server));
  ARROW_ASSIGN_OR_RAISE(auto tunnel, rendezvous::OpenTlsTunnel(std::move(socket), tls_, server_.host));
  return tunnel.plain.Release();
}

arrow::Result<Endpoint> RendezvousClient::observed() {
  ARROW_RETURN_NOT_OK(CheckProcess());
  const auto begin = Clock::now();
  ARROW_ASSIGN_OR_RAISE(const auto connection, Connection("observe", Deadline::After(options_.call_timeout), begin));
  return Endpoint{connection->welcome().observed_host, connection->welcome().observed_port};
}

}  // namespace weft
