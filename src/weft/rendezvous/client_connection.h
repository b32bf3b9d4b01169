// One connection of a client to the rendezvous server: a socket, the greeting, and the answers to its requests.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "weft/base/deadline.h"
#include "weft/rendezvous/client_greeting.h"
#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/notices.h"
#include "weft/rendezvous/protocol.h"
#include "weft/rendezvous/tls_engine.h"

namespace weft::rendezvous {

/// Thread-safe. A thread of its own reads answers until the connection ends.
class ClientConnection {
 public:
  struct Target {
    Endpoint server;
    std::string key;
    uint16_t local_port = 0;  // of a Listener to dial from, or 0
    std::shared_ptr<Notices> notices;
    std::shared_ptr<const TlsContext> tls;  // nullptr: without TLS
    std::function<void()> on_end;           // called once, when the connection has ended; may be empty
  };

  /// Connects and proves to the server, and lets the server prove, that both know the key. On failure nullptr, and
  /// `failure` says why.
  static std::shared_ptr<ClientConnection> Open(const Target& target, Deadline deadline,
                                                const std::function<arrow::Status()>& check_interrupt,
                                                OpenFailure* failure);
  ~ClientConnection();

  enum class Outcome {
    kAnswered,
    kNotSent,      // the connection had ended before
    kLost,         // the connection ended after the request was sent, or partly
    kNoAnswer,     // the deadline passed
    kInterrupted,  // by check_interrupt
  };
  struct Answer {
    Outcome outcome = Outcome::kNotSent;
    ReplyCode code = ReplyCode::kOk;
    std::string body;
    arrow::Status interrupted;
  };

  /// Sends a request of this type (`fields` is what comes after the id) and waits for its answer. Where the wait is
  /// given up, a request kWait is cancelled at the server, too.
  Answer Call(MessageType type, std::string_view fields, Deadline deadline,
              const std::function<arrow::Status()>& check_interrupt);

  /// Sends a frame that has no answer. False where the connection has ended, or does not take it in time.
  bool Tell(const std::string& frame);

  /// False where the connection has ended, or the server is about to end it because it was idle.
  bool usable() const;
  /// Why the connection ended; `refused` becomes true where the server said so and will not be asked again.
  std::string cause(bool* refused) const;
  /// Ends it; calls under way are kLost.
  void Break(const std::string& cause);

  const Welcome& welcome() const { return greeting_.welcome(); }
  const Nonce& client_nonce() const { return greeting_.client_nonce(); }
  const Nonce& server_nonce() const { return greeting_.server_nonce(); }
  int fd() const { return fd_; }
  /// Numeric address and port of the server.
  const Endpoint& peer() const { return peer_; }

 private:
  struct Pending {
    std::condition_variable changed;
    bool answered = false;
    ReplyCode code = ReplyCode::kOk;
    std::string body;
  };

  ClientConnection(int fd, Endpoint peer, ClientGreeting greeting, const Target& target);
  void ReadUntilEnd();
  void OnFrame(std::string_view frame);
  bool SendAll(std::string_view bytes, Deadline deadline);

  const int fd_;
  const Endpoint peer_;
  const ClientGreeting greeting_;
  const std::shared_ptr<Notices> notices_;
  const std::function<void()> on_end_;
  std::mutex send_mutex_;  // taken before mutex_ where both are
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, Pending*> pending_;
  uint64_t next_id_ = 1;
  bool ended_ = false;
  bool refused_ = false;
  std::string cause_;
  Clock::time_point last_used_;
  std::thread reader_;
};

}  // namespace weft::rendezvous
