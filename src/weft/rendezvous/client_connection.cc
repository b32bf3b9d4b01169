#include "weft/rendezvous/client_connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/base/signals_blocked.h"
#include "weft/rendezvous/socket.h"
#include "weft/rendezvous/tls_tunnel.h"

namespace weft::rendezvous {
namespace {

constexpr Duration kPollInterval = std::chrono::milliseconds(50);
/// For telling the server what it need not answer.
constexpr Duration kTellTime = std::chrono::seconds(1);
const std::function<arrow::Status()> kNoInterrupt;

/// Speaks the greeting over a socket. False where it fails.
bool Greet(int fd, ClientGreeting* greeting, SocketWait* wait, OpenFailure* failure) {
  const auto check = [&](SocketResult result) {
    if (result == SocketResult::kReady) return true;
    failure->cause = wait->cause;
    failure->interrupted = wait->interrupted;
    return false;
  };
  while (greeting->wanted() > 0) {
    if (const std::string output = greeting->TakeOutput(); !output.empty()) {
      const SocketResult sent = SendAll(fd, output, wait);
      // A server that refuses may have closed already; what it said is still there to be read.
      if (sent != SocketResult::kFailed && !check(sent)) return false;
    }
    std::string bytes;
    if (!check(ReceiveExactly(fd, greeting->wanted(), wait, &bytes))) return false;
    greeting->Consume(bytes);
  }
  if (greeting->state() == ClientGreeting::State::kDone) return true;
  *failure = greeting->failure();
  return false;
}

/// What went wrong with TLS says more than that the connection has ended.
void ExplainTls(const TunnelOutcome& outcome, OpenFailure* failure) {
  const auto found = outcome.failure();
  if (!found.has_value() || !failure->interrupted.ok()) return;
  failure->cause = found->cause;
  failure->authentication = found->certificate;
  const bool no_tls = found->cause.find("does not speak TLS") != std::string::npos;
  if (no_tls)
    failure->cause += ": it has no certificate, so name it without rendezvous+tls://, or it is another server";
  if (found->certificate || no_tls) failure->passing = false;
}

}  // namespace

std::shared_ptr<ClientConnection> ClientConnection::Open(const Target& target, Deadline deadline,
                                                         const std::function<arrow::Status()>& check_interrupt,
                                                         OpenFailure* failure) {
  *failure = {};
  SocketWait wait{.deadline = deadline, .check_interrupt = check_interrupt, .cause = {}, .interrupted = {}};
  auto greeting = ClientGreeting::Make(target.key);
  if (!greeting.ok()) {
    failure->cause = greeting.status().message();
    failure->passing = false;
    return nullptr;
  }
  Socket socket;
  if (Connect(target.server, target.local_port, &wait, &socket) != SocketResult::kReady) {
    failure->cause = wait.cause;
    failure->interrupted = wait.interrupted;
    failure->passing = !wait.own;
    return nullptr;
  }
  auto peer = PeerOf(socket.fd());
  TlsTunnel tunnel;
  if (target.tls != nullptr && peer.ok()) {
    auto opened = OpenTlsTunnel(std::move(socket), target.tls, target.server.host);
    if (!opened.ok()) peer = opened.status();
    if (opened.ok()) tunnel = *std::move(opened);
    socket = std::move(tunnel.plain);
  }
  if (!peer.ok()) {
    failure->cause = peer.status().message();
    return nullptr;
  }
  if (!Greet(socket.fd(), &*greeting, &wait, failure)) {
    if (tunnel.outcome != nullptr) ExplainTls(*tunnel.outcome, failure);
    return nullptr;
  }
  return std::shared_ptr<ClientConnection>(
      new ClientConnection(socket.Release(), *std::move(peer), *std::move(greeting), target));
}

ClientConnection::ClientConnection(int fd, Endpoint peer, ClientGreeting greeting, const Target& target)
    : fd_(fd),
      peer_(std::move(peer)),
      greeting_(std::move(greeting)),
      notices_(target.notices),
      on_end_(target.on_end),
      last_used_(Clock::now()) {
  const SignalsBlocked blocked;
  reader_ = std::thread([this] { ReadUntilEnd(); });
}

ClientConnection::~ClientConnection() {
  Break("the client was closed");
  reader_.join();
  ::close(fd_);
}

void ClientConnection::Break(const std::string& cause) {
  const std::lock_guard lock(mutex_);
  if (!ended_) {
    ended_ = true;
    cause_ = cause;
    for (const auto& [id, pending] : pending_) pending->changed.notify_all();
    if (notices_ != nullptr) notices_->Add({.kind = Notice::Kind::kLost, .peer = 0, .go = {}, .reason = {}, .at = {}});
    if (on_end_) on_end_();
  }
  // Wakes the reader, which ends.
  ::shutdown(fd_, SHUT_RDWR);
}

bool ClientConnection::usable() const {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  // Half the server's limit, so that a request never crosses the server's goodbye.
  return welcome().idle_seconds == 0 || !pending_.empty() ||
         Clock::now() - last_used_ < std::chrono::milliseconds(int64_t{500} * welcome().idle_seconds);
}

std::string ClientConnection::cause(bool* refused) const {
  const std::lock_guard lock(mutex_);
  *refused = refused_;
  return cause_;
}

void ClientConnection::ReadUntilEnd() {
  for (;;) {
    SocketWait wait{.deadline = Deadline::Infinite(), .check_interrupt = kNoInterrupt, .cause = {}, .interrupted = {}};
    std::string bytes;
    uint32_t length = 0;
    if (ReceiveExactly(fd_, kLengthBytes, &wait, &bytes) != SocketResult::kReady) return Break(wait.cause);
    std::memcpy(&length, bytes.data(), kLengthBytes);
    if (length == 0 || length > kMaxFrameBytes) return Break("the server sent a frame of a length that is not allowed");
    bytes.clear();
    if (ReceiveExactly(fd_, length, &wait, &bytes) != SocketResult::kReady) return Break(wait.cause);
    OnFrame(bytes);
  }
}

void ClientConnection::OnFrame(std::string_view frame) {
  const auto type = static_cast<MessageType>(frame.front());
  const std::string_view body = frame.substr(1);
  if (type == MessageType::kRefusal) {
    const auto refusal = DecodeRefusal(body);
    {
      const std::lock_guard lock(mutex_);
      refused_ = !refusal.ok() || refusal->code != RefusalCode::kIdle;
    }
    return Break(refusal.ok() ? refusal->message : "the server sent a message that cannot be read");
  }
  if (type == MessageType::kPing) {
    Tell(Frame(MessageType::kPong, ""));
    return;
  }
  if (notices_ != nullptr && notices_->AddFrame(type, body)) return;
  ByteReader reader(body);
  const auto id = reader.Get<uint64_t>();
  const auto code = reader.Get<ReplyCode>();
  // What a later server says besides answers is not for this client.
  if (type != MessageType::kReply || !id.ok() || !code.ok()) return;
  const std::lock_guard lock(mutex_);
  const auto found = pending_.find(*id);
  if (found == pending_.end()) return;
  found->second->answered = true;
  found->second->code = *code;
  found->second->body.assign(body.substr(body.size() - reader.left()));
  found->second->changed.notify_all();
}

bool ClientConnection::SendAll(std::string_view bytes, Deadline deadline) {
  const std::lock_guard lock(send_mutex_);
  SocketWait wait{.deadline = deadline, .check_interrupt = kNoInterrupt, .cause = {}, .interrupted = {}};
  const SocketResult result = rendezvous::SendAll(fd_, bytes, &wait);
  if (result == SocketResult::kReady) return true;
  // Part of the frame may be on its way: nothing can follow it. A refusal that says more may be there to be read, so
  // the reader is the one to see the end, unless the server just does not take what is sent.
  if (result == SocketResult::kTimedOut) Break("the server does not take requests");
  return false;
}

bool ClientConnection::Tell(const std::string& frame) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return false;
    last_used_ = Clock::now();
  }
  return SendAll(frame, Deadline::After(kTellTime));
}

ClientConnection::Answer ClientConnection::Call(MessageType type, std::string_view fields, Deadline deadline,
                                                const std::function<arrow::Status()>& check_interrupt) {
  Pending pending;
  std::unique_lock lock(mutex_);
  if (ended_) return {.outcome = Outcome::kNotSent, .code = {}, .body = {}, .interrupted = {}};
  const uint64_t id = next_id_++;
  pending_.emplace(id, &pending);
  lock.unlock();
  const bool sent = SendAll(Frame(type, ByteWriter().Put(id).PutRaw(fields).Take()), deadline);
  lock.lock();
  Answer answer;
  while (!pending.answered && !ended_ && !deadline.Passed()) {
    if (check_interrupt) {
      lock.unlock();
      answer.interrupted = check_interrupt();
      lock.lock();
      if (!answer.interrupted.ok() || pending.answered || ended_) break;
    }
    const Duration slice = deadline.LeftUpTo(check_interrupt ? kPollInterval : std::chrono::hours(1));
    pending.changed.wait_for(lock, slice);
  }
  pending_.erase(id);
  last_used_ = Clock::now();
  if (pending.answered) {
    return {.outcome = Outcome::kAnswered, .code = pending.code, .body = std::move(pending.body), .interrupted = {}};
  }
  if (!answer.interrupted.ok()) {
    answer.outcome = Outcome::kInterrupted;
  } else if (ended_) {
    answer.outcome = Outcome::kLost;
  } else {
    answer.outcome = Outcome::kNoAnswer;
  }
  const bool cancel = type == MessageType::kWait && !ended_ && sent;
  lock.unlock();
  if (cancel) Tell(Frame(MessageType::kCancel, ByteWriter().Put(id).Take()));
  return answer;
}

}  // namespace weft::rendezvous
