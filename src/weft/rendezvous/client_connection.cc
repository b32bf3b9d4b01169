#include "weft/rendezvous/client_connection.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/rendezvous/socket.h"

namespace weft::rendezvous {
namespace {

constexpr Duration kPollInterval = std::chrono::milliseconds(50);
/// For telling the server that a wait was given up.
constexpr Duration kCancelTime = std::chrono::seconds(1);
const std::function<arrow::Status()> kNoInterrupt;

/// A message of the greeting.
struct Greeting {
  MessageType type = MessageType::kRefusal;
  std::string body;
};

/// The client's half of the greeting, see docs/protocol.md. Each step returns false where it fails.
class Greeter {
 public:
  Greeter(int fd, const std::string& key, SocketWait* wait, OpenFailure* failure)
      : fd_(fd), key_(key), wait_(wait), failure_(failure) {}

  bool Run(Welcome* welcome) {
    const auto nonce = MakeNonce();
    if (!nonce.ok()) return Fail(nonce.status().message(), false);
    std::string body;
    if (!Send(Encode(Hello{.version = kVersion, .nonce = *nonce}))) return false;
    if (!Receive(MessageType::kChallenge, &body)) return false;
    const auto challenge = DecodeChallenge(body);
    if (!challenge.ok()) return NotWeft();
    if (challenge->wants_key && key_.empty()) {
      return Refused("it asks for an admission key and none was given: set WEFT_RENDEZVOUS_KEY or _KEY_FILE");
    }
    if (!challenge->wants_key && !key_.empty()) {
      return Refused("it admits anyone, but an admission key was given: this is not the server that knows it");
    }
    const auto proof = MakeProof(Side::kClient, key_, *nonce, challenge->nonce);
    const auto expected = MakeProof(Side::kServer, key_, *nonce, challenge->nonce);
    if (!proof.ok() || !expected.ok()) return Fail("OpenSSL could not make an HMAC-SHA256", false);
    if (!Send(EncodeProof(*proof)) || !Receive(MessageType::kWelcome, &body)) return false;
    auto welcomed = DecodeWelcome(body);
    if (!welcomed.ok()) return NotWeft();
    if (!key_.empty() && !SameProof(welcomed->proof, *expected)) {
      return Refused("it does not know the admission key: it is not the server it is taken for");
    }
    *welcome = *std::move(welcomed);
    return true;
  }

 private:
  bool Fail(const std::string& cause, bool passing) {
    failure_->cause = cause;
    failure_->passing = passing;
    return false;
  }
  bool Refused(const std::string& cause) {
    failure_->authentication = true;
    return Fail(cause, false);
  }
  bool NotWeft() { return Fail("what answers there is no Weft rendezvous server", false); }

  bool Check(SocketResult result) {
    if (result == SocketResult::kReady) return true;
    failure_->interrupted = wait_->interrupted;
    return Fail(wait_->cause, true);
  }

  bool Send(const std::string& frame) {
    const SocketResult result = SendAll(fd_, frame, wait_);
    // A server that refuses may have closed already; what it said is still there to be read.
    return result == SocketResult::kFailed ? true : Check(result);
  }

  bool Receive(MessageType type, std::string* body) {
    std::string head;
    if (!Check(ReceiveExactly(fd_, kLengthBytes, wait_, &head))) return false;
    uint32_t length = 0;
    std::memcpy(&length, head.data(), kLengthBytes);
    if (length == 0 || length > kMaxGreetingBytes) return NotWeft();
    std::string frame;
    if (!Check(ReceiveExactly(fd_, length, wait_, &frame))) return false;
    *body = frame.substr(1);
    const auto got = static_cast<MessageType>(frame.front());
    if (got == type) return true;
    if (got != MessageType::kRefusal) return NotWeft();
    const auto refusal = DecodeRefusal(*body);
    if (!refusal.ok()) return NotWeft();
    if (refusal->code == RefusalCode::kNotAdmitted) {
      return Refused("it refused this client, which does not know its admission key: check WEFT_RENDEZVOUS_KEY");
    }
    const bool passing = refusal->code == RefusalCode::kFull || refusal->code == RefusalCode::kTooSlow ||
                         refusal->code == RefusalCode::kStopping;
    return Fail("it refused this client: " + refusal->message, passing);
  }

  const int fd_;
  const std::string& key_;
  SocketWait* const wait_;
  OpenFailure* const failure_;
};

}  // namespace

std::shared_ptr<ClientConnection> ClientConnection::Open(const Endpoint& server, const std::string& key,
                                                         Deadline deadline,
                                                         const std::function<arrow::Status()>& check_interrupt,
                                                         OpenFailure* failure) {
  *failure = {};
  SocketWait wait{.deadline = deadline, .check_interrupt = check_interrupt, .cause = {}, .interrupted = {}};
  Socket socket;
  if (Connect(server, &wait, &socket) != SocketResult::kReady) {
    failure->cause = wait.cause;
    failure->interrupted = wait.interrupted;
    return nullptr;
  }
  Welcome welcome;
  if (!Greeter(socket.fd(), key, &wait, failure).Run(&welcome)) return nullptr;
  return std::shared_ptr<ClientConnection>(new ClientConnection(socket.Release(), std::move(welcome)));
}

ClientConnection::ClientConnection(int fd, Welcome welcome)
    : fd_(fd), welcome_(std::move(welcome)), last_used_(Clock::now()) {
  // Signals are the program's: Ctrl-C must reach its main thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  reader_ = std::thread([this] { ReadUntilEnd(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
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
  }
  // Wakes the reader, which ends.
  ::shutdown(fd_, SHUT_RDWR);
}

bool ClientConnection::usable() const {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  // Half the server's limit, so that a request never crosses the server's goodbye.
  return welcome_.idle_seconds == 0 || !pending_.empty() ||
         Clock::now() - last_used_ < std::chrono::milliseconds(int64_t{500} * welcome_.idle_seconds);
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
  if (cancel) SendAll(Frame(MessageType::kCancel, ByteWriter().Put(id).Take()), Deadline::After(kCancelTime));
  return answer;
}

}  // namespace weft::rendezvous
