// The rendezvous server: the one address that all ranks can reach. It keeps a store for them, tells pairs of them when
// to open their links, and relays what cannot be linked.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/key_table.h"

namespace weft {

/// What bounds the relay.
struct RelayLimits {
  /// Relayed pairs in all; 0: the server relays nothing. Each takes two connections and two buffers.
  int64_t pairs = 4096;
  int64_t pairs_per_room = 2048;
  /// Both ways together, over a room's life.
  int64_t bytes_per_room = int64_t{1} << 40;
  /// Both ways together; 0: as fast as it goes.
  int64_t bytes_per_second_per_room = 0;
  /// Read ahead of what the other end has taken, each way.
  int64_t buffer_bytes = 32 << 10;
  /// For the peer to come.
  Duration wait = std::chrono::seconds(30);
  /// Without a byte either way. Links of Weft say something each 15 s.
  Duration idle = std::chrono::seconds(60);
};

/// What bounds a server. Who goes beyond is told so where that is possible, and dropped or refused; others go on.
struct RendezvousLimits {
  /// Where there are as many, one that has not been admitted makes room for the next, the oldest first.
  int connections = 16384;
  /// Of one IPv4 address, or one IPv6 /64.
  int connections_per_address = 4096;
  /// From connecting to being admitted.
  Duration authenticate = std::chrono::seconds(2);
  /// From a frame's first byte to its last.
  Duration frame = std::chrono::seconds(10);
  /// Without a request under way.
  Duration idle = std::chrono::minutes(10);
  /// For taking a batch of up to 256 KiB of replies.
  Duration write = std::chrono::seconds(10);
  /// Of replies that a client has not taken. Above a quarter of it no more of its requests are read.
  int64_t output_bytes = int64_t{4} << 20;
  int waits_per_connection = 1024;
  /// A room is one epoch of one job.
  int64_t rooms = 4096;
  int64_t rooms_per_address = 1024;
  int64_t world = 16384;
  KeyTableLimits table;
  RelayLimits relay;
};

struct RendezvousServerOptions {
  /// Name or address to listen on; "0.0.0.0" or "::" are all.
  std::string host = "127.0.0.1";
  /// 0: any free one.
  uint16_t port = 0;
  /// Who does not prove to know this is not admitted, and clients that know it see that the server does. Empty: anyone
  /// is admitted, which is refused (Status::Invalid) unless the address is a loopback one or `open` is set.
  std::string key;
  bool open = false;
  RendezvousLimits limits = {};
  /// Other keys that admit as well, while keys are being changed.
  std::vector<std::string> more_keys = {};
  /// PEM files: with them the server speaks TLS 1.3 and nothing else. Both or none.
  std::string tls_certificate = {};
  std::string tls_key = {};
  /// Where to answer GET /metrics, /healthz and /readyz over HTTP; nothing: nowhere.
  std::optional<Endpoint> http = {};
};

/// A server that runs on one thread of its own. Thread-safe. In a forked child it is not there, and only destroying
/// it is allowed.
class RendezvousServer {
 public:
  struct Statistics {
    int64_t connections = 0;  // admitted or not
    int64_t admitted = 0;
    int64_t accepted_in_all = 0;
    int64_t refused_in_all = 0;
    int64_t waits = 0;
    int64_t keys = 0;
    int64_t bytes = 0;
    int64_t rooms = 0;
    int64_t gos = 0;  // pairs that were told to go, in all
    int64_t relayed_pairs = 0;
    int64_t relayed_bytes = 0;  // in all
  };

  /// Listens and serves until Stop. An address that cannot be had is an IOError that names it.
  static arrow::Result<std::unique_ptr<RendezvousServer>> Start(const RendezvousServerOptions& options);

  /// Stops.
  ~RendezvousServer();

  /// "host:port" as it is bound.
  std::string address() const;
  /// The same of the HTTP port; "" where there is none.
  std::string http_address() const;
  uint16_t port() const;
  /// Of a moment ago.
  Statistics statistics() const;

  /// Takes keys and certificate of these options for connections that come from now on; those that there are stay.
  /// Status::Invalid, and nothing is changed, where they cannot be used, or keys would come or go altogether.
  arrow::Status Renew(const RendezvousServerOptions& options);

  /// Takes no more connections, tells the clients, waits up to a second for them to go, and ends the thread. What is
  /// relayed may go on for up to `drain` before that. What was stored is gone. Idempotent.
  void Stop(Duration drain = Duration::zero());

 private:
  class Impl;
  explicit RendezvousServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
