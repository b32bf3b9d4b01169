// The rendezvous server: the one address that all ranks can reach. It keeps a store for them, tells pairs of them when
// to open their links, and relays what cannot be linked.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <memory>
#include <string>

#include "weft/rendezvous/key_table.h"

namespace weft {

/// What bounds the relay. A room is one epoch of one job.
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
  RendezvousLimits limits;
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
  uint16_t port() const;
  /// Of a moment ago.
  Statistics statistics() const;

  /// Takes no more connections, tells the clients, waits up to a second for them to go, and ends the thread. What was
  /// stored is gone. Idempotent.
  void Stop();

 private:
  class Impl;
  explicit RendezvousServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
