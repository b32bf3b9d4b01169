// A client of the rendezvous server that says whatever a test wants it to say.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "weft/base/byte_codec.h"
#include "weft/base/deadline.h"
#include "weft/rendezvous/protocol.h"

namespace weft::rendezvous {

/// A generous bound on what must happen at once.
inline constexpr Duration kHang = std::chrono::seconds(30);

struct Message {
  MessageType type;
  std::string body;
};

class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  /// Closes with a reset.
  void Reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Close();
  }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  /// The next message, or nothing where the connection ends or the bound passes.
  std::optional<Message> Receive(Duration bound = kHang) {
    const Deadline deadline = Deadline::After(bound);
    std::string head;
    if (!ReceiveExactly(kLengthBytes, deadline, &head)) return std::nullopt;
    uint32_t length = 0;
    std::memcpy(&length, head.data(), sizeof(length));
    std::string frame;
    if (length == 0 || !ReceiveExactly(length, deadline, &frame)) return std::nullopt;
    return Message{static_cast<MessageType>(frame.front()), frame.substr(1)};
  }

  /// Bytes of a stream that has no frames; fewer where it ends or the bound passes.
  std::string ReceiveRaw(size_t bytes, Duration bound = kHang) {
    std::string received;
    ReceiveExactly(bytes, Deadline::After(bound), &received);
    return received;
  }
  int fd() const { return fd_; }

  /// Whether the server closes this connection within the bound; what it still says is dropped.
  bool Ends(Duration bound = kHang) {
    const Deadline deadline = Deadline::After(bound);
    char buffer[4096];
    while (!deadline.Passed()) {
      if (!Readable(deadline)) return false;
      if (::recv(fd_, buffer, sizeof(buffer), 0) <= 0) return true;
    }
    return false;
  }

  /// Says hello and proves to know `key`; returns the last answer.
  std::optional<Message> Greet(const std::string& key = "") {
    const Nonce nonce = *MakeNonce();
    Send(Encode(Hello{.version = kVersion, .nonce = nonce}));
    auto answer = Receive();
    if (!answer.has_value() || answer->type != MessageType::kChallenge) return answer;
    const auto challenge = DecodeChallenge(answer->body);
    if (!challenge.ok()) return std::nullopt;
    client_nonce_ = nonce;
    server_nonce_ = challenge->nonce;
    Send(EncodeProof(*MakeProof(Side::kClient, key, nonce, challenge->nonce)));
    return Receive();
  }
  /// Of the greeting, for claims of rooms.
  const Nonce& client_nonce() const { return client_nonce_; }
  const Nonce& server_nonce() const { return server_nonce_; }
  bool Admitted(const std::string& key = "") {
    const auto answer = Greet(key);
    return answer.has_value() && answer->type == MessageType::kWelcome;
  }

  /// The refusal that comes next, or nothing where something else does.
  std::optional<Refusal> ReceiveRefusal() {
    const auto message = Receive();
    if (!message.has_value() || message->type != MessageType::kRefusal) return std::nullopt;
    auto refusal = DecodeRefusal(message->body);
    return refusal.ok() ? std::optional(*refusal) : std::nullopt;
  }

 private:
  bool Readable(Deadline deadline) {
    pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.LeftUpTo(std::chrono::hours(1))).count();
    return ::poll(&entry, 1, static_cast<int>(left)) > 0;
  }
  bool ReceiveExactly(size_t bytes, Deadline deadline, std::string* out) {
    while (out->size() < bytes) {
      char buffer[4096];
      if (!Readable(deadline)) return false;
      const ssize_t got = ::recv(fd_, buffer, std::min(sizeof(buffer), bytes - out->size()), 0);
      if (got <= 0) return false;
      out->append(buffer, static_cast<size_t>(got));
    }
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  Nonce client_nonce_{};
  Nonce server_nonce_{};
};

/// Requests as frames.
inline std::string SetRequest(uint64_t id, const std::string& key, const std::string& value, int64_t ttl_ms = 60000) {
  return Frame(MessageType::kSet, ByteWriter().Put(id).PutString(key).PutString(value).Put(ttl_ms).Take());
}
inline std::string GetRequest(uint64_t id, const std::string& key) {
  return Frame(MessageType::kGet, ByteWriter().Put(id).PutString(key).Take());
}
inline std::string WaitRequest(uint64_t id, const std::string& key, uint32_t timeout_ms) {
  return Frame(MessageType::kWait, ByteWriter().Put(id).PutString(key).Put(timeout_ms).Take());
}
inline std::string CancelRequest(uint64_t id) { return Frame(MessageType::kCancel, ByteWriter().Put(id).Take()); }

/// What a reply says.
struct Reply {
  uint64_t id = 0;
  ReplyCode code = ReplyCode::kOk;
  std::string body;
};
inline std::optional<Reply> ReadReply(const std::optional<Message>& message) {
  if (!message.has_value() || message->type != MessageType::kReply) return std::nullopt;
  ByteReader reader(message->body);
  const auto id = reader.Get<uint64_t>();
  const auto code = reader.Get<ReplyCode>();
  if (!id.ok() || !code.ok()) return std::nullopt;
  return Reply{*id, *code, std::string(*reader.GetRaw(reader.left()))};
}

/// Waits until `condition` holds.
template <typename Condition>
bool Eventually(const Condition& condition, Duration bound = kHang) {
  const Deadline deadline = Deadline::After(bound);
  while (!condition()) {
    if (deadline.Passed()) return false;
    ::usleep(2000);
  }
  return true;
}

}  // namespace weft::rendezvous
