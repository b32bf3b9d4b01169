// A client of the rendezvous server.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/communication_error.h"
#include "weft/base/deadline.h"
#include "weft/rendezvous/client_connection.h"
#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/notices.h"
#include "weft/rendezvous/protocol.h"
#include "weft/rendezvous/room.h"
#include "weft/rendezvous/room_keeper.h"
#include "weft/rendezvous/tls_engine.h"

namespace weft {

struct RendezvousClientOptions {
  /// Admission key; where one is given, the server must prove that it knows it, too.
  std::string key;
  /// Bound on the first connection, which is tried again with growing pauses.
  Duration connect_timeout = std::chrono::seconds(30);
  /// Bound on each call but Wait, a new connection included.
  Duration call_timeout = std::chrono::seconds(10);
  /// Polled while connecting; its error ends the attempt.
  std::function<arrow::Status()> check_interrupt;
  /// Port of a Listener to dial from; 0: any.
  uint16_t local_port = 0;
  /// The server speaks TLS, and must show a certificate that is good for its host and signed by one in the PEM file
  /// `ca` (empty: one that the system trusts); another one is kAuthenticationFailed.
  bool tls = false;
  std::string ca;
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

  /// Enters a room as a rank of a world, now and on each later connection; one that ends is made anew in the background
  /// from then on, for as long as it takes. Not collective. Status::Invalid where the server does not want it.
  arrow::Status Enter(const rendezvous::RoomKey& room, int rank, int world_size);
  /// Asks to be paired with these ranks of the room; the answers are notices. Does not wait; nothing is sent where the
  /// connection is gone.
  void Ask(const std::vector<uint32_t>& peers);
  /// Tells that this rank is linked: the server need not look after it any more.
  void Rest();
  /// Makes a new connection where the old one has ended, within this time and the call timeout.
  arrow::Status Reconnect(Duration within = std::chrono::hours(1));
  rendezvous::Notices& notices() { return *notices_; }
  /// Numeric address and port of the server on the present connection.
  arrow::Result<Endpoint> server_address();
  const std::string& admission_key() const { return options_.key; }
  bool tls() const { return tls_ != nullptr; }
  /// Another connection to the server, for a relayed stream, through TLS. Returns at once a non-blocking socket that is
  /// the caller's and on which the stream is plain; it ends where the connection cannot be made.
  arrow::Result<int> DialThroughTls();

 private:
  struct Place {
    rendezvous::RoomKey room;
    uint32_t rank = 0;
    uint32_t world_size = 0;
  };

  struct Request;

  RendezvousClient(Endpoint server, RendezvousClientOptions options);
  rendezvous::ClientConnection::Target Target();
  void Keep(uint32_t idle_seconds);
  arrow::Status CheckProcess() const;
  arrow::Status FirstConnect();
  arrow::Result<std::shared_ptr<rendezvous::ClientConnection>> Connection(const char* operation, Deadline deadline,
                                                                          Clock::time_point begin);
  arrow::Result<std::string> Call(const Request& request);
  arrow::Status EnterOn(rendezvous::ClientConnection* connection, const Place& place, Deadline deadline,
                        Clock::time_point begin);
  std::shared_ptr<rendezvous::ClientConnection> Present();
  arrow::Status Error(CommunicationFailure failure, const char* operation, const std::string& message,
                      Clock::time_point begin) const;

  const Endpoint server_;
  const RendezvousClientOptions options_;
  const int64_t process_;
  std::mutex making_mutex_;  // held while a new connection is made; taken before mutex_
  std::mutex mutex_;         // over the next two; held for no longer than it takes to copy them
  std::shared_ptr<rendezvous::ClientConnection> connection_;
  std::optional<Place> place_;
  std::shared_ptr<const rendezvous::TlsContext> tls_;  // set once, before the first connection
  std::atomic<bool> closing_{false};
  std::mutex keeper_mutex_;  // over keeper_; taken last
  std::unique_ptr<rendezvous::RoomKeeper> keeper_;
  const std::shared_ptr<rendezvous::Notices> notices_ = std::make_shared<rendezvous::Notices>();
};

}  // namespace weft
