// A client of the rendezvous server.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "weft/base/communication_error.h"
#include "weft/base/deadline.h"
#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/protocol.h"

namespace weft {

namespace rendezvous {
class ClientConnection;
}

struct RendezvousClientOptions {
  /// Admission key; where one is given, the server must prove that it knows it, too.
  std::string key;
  /// Bound on the first connection, which is tried again with growing pauses.
  Duration connect_timeout = std::chrono::seconds(30);
  /// Bound on each call but Wait, a new connection included.
  Duration call_timeout = std::chrono::seconds(10);
  /// Polled while connecting; its error ends the attempt.
  std::function<arrow::Status()> check_interrupt;
};

/// Blocking, thread-safe; many calls can be under way on the one connection. Failures are communication errors of phase
/// "rendezvous": kAuthenticationFailed where one side does not know the key, kTimedOut where a Wait's deadline passes,
/// kOther where the server cannot be reached, does not answer, is full or stops. What the server finds wrong with a
/// request is Status::Invalid.
///
/// A connection that ended between calls is made anew, once. A call whose connection ends while it is under way is
/// repeated once where that does no harm; CompareAndSet and Add are not, and their error says that they may have been
/// done.
///
/// A forked child must make a client of its own: the parent's is Status::Invalid there, whatever is called.
class RendezvousClient {
 public:
  static arrow::Result<std::unique_ptr<RendezvousClient>> Connect(const Endpoint& server,
                                                                  const RendezvousClientOptions& options);
  ~RendezvousClient();

  arrow::Status Set(const std::string& key, std::string_view value, Duration time_to_live);
  arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                    std::string_view desired, Duration time_to_live);
  arrow::Result<std::optional<std::string>> Get(const std::string& key);
  arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration time_to_live);
  /// See Store::Wait. The server parks the wait; a server that is gone is noticed within twice the call timeout.
  arrow::Result<std::string> Wait(const std::string& key, Deadline deadline,
                                  const std::function<arrow::Status()>& check_interrupt);
  arrow::Status Delete(const std::string& key);

  const Endpoint& server() const { return server_; }
  /// This client's address as the server saw it when the present connection was made.
  arrow::Result<Endpoint> observed();

 private:
  struct Request;

  RendezvousClient(Endpoint server, RendezvousClientOptions options);
  arrow::Status CheckProcess() const;
  arrow::Status FirstConnect();
  arrow::Result<std::shared_ptr<rendezvous::ClientConnection>> Connection(const char* operation, Deadline deadline,
                                                                          Clock::time_point begin);
  arrow::Result<std::string> Call(const Request& request);
  arrow::Status Error(CommunicationFailure failure, const char* operation, const std::string& message,
                      Clock::time_point begin) const;

  const Endpoint server_;
  const RendezvousClientOptions options_;
  const int64_t process_;
  std::mutex mutex_;  // over the next; held while a new connection is made
  std::shared_ptr<rendezvous::ClientConnection> connection_;
};

}  // namespace weft
