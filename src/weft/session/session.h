// One worker's life in a job: from URL and options to a communicator, memory, threads, statistics, and out again.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/cancel.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weft/base/context.h"
#include "weft/bootstrap/membership.h"
#include "weft/communicator/communicator.h"

namespace weft {

/// What `weft.init` takes; empty and negative mean "not given". The environment has been looked at by the caller.
struct SessionOptions {
  std::string backend;  // default: "tcp" where a world size above 1 is known, else "local"
  std::string store;    // URL; default: the rendezvous server's
  /// Handle of a communicator of the library whose world this is (a backend's or store's: MPI), as an integer; 0: none.
  uint64_t native_communicator = 0;
  std::string rendezvous;      // host:port, or rendezvous+tls://host:port
  std::string rendezvous_key;  // admission key
  std::string rendezvous_ca;   // PEM file, for TLS; default: the system's CAs
  std::string job;
  int64_t epoch = -1;
  std::string secret;  // 64 hex digits
  int rank = -1;
  int world_size = -1;
  double timeout_seconds = 30 * 60;
  /// Bound on waiting for all ranks to come and link.
  double connect_timeout_seconds = 60;
  /// How long two ranks that cannot dial each other are tried directly before their link goes through the server.
  double relay_after_seconds = 2;
  int64_t memory_limit = -1;  // bytes
  /// Directory on disk for what passes memory_limit; empty: that is an error.
  std::string spill_dir;
  int threads = -1;  // default: cores of this process' affinity
  std::string encryption = "auto";
  std::string advertise;
  /// Backend tcp: ranks of one host send through memory that they share.
  bool shm = true;
  /// Whether tables travel by LZ4: "auto" (where a transfer is faster by it), "lz4", "off".
  std::string compression = "auto";
  std::string trace_file;
  bool check_collectives = false;
  /// Polled in every wait; its error ends the wait.
  std::function<arrow::Status()> check_interrupt;
};

/// Thread-safe but for what the communicator says. A forked child's session is invalid: each call says so.
class Session {
 public:
  /// Collective over the world. Options that do not fit together, or are not known, are Status::Invalid by name.
  static arrow::Result<std::unique_ptr<Session>> Open(SessionOptions options);
  ~Session();

  Rank rank() const;
  int world_size() const;
  const std::string& job() const;
  int64_t epoch() const;
  /// The same on all ranks, unlike that of any other attempt of any job: names temporary files.
  const std::string& token() const;
  /// Status::Invalid after Close or in a forked child.
  arrow::Result<Communicator*> communicator();
  const Context& context() const;
  const SessionOptions& options() const;

  /// Another session over the same ranks (Dup) or some of them (Split; nullptr for a negative color). Shares memory
  /// pool, threads, tracer.
  arrow::Result<std::unique_ptr<Session>> Dup();
  arrow::Result<std::unique_ptr<Session>> Split(int color, int key);

  struct Statistics {
    std::map<std::string, PhaseTotals> phases;
    int64_t bytes_sent = 0;
    int64_t bytes_received = 0;
    int64_t memory_bytes = 0;
    int64_t memory_peak_bytes = 0;
    /// Written to spill_dir or taken there so far, and what lies there now as memory of tables.
    int64_t spilled_bytes = 0;
    int64_t disk_bytes = 0;
    double open_seconds = 0;
  };
  Statistics statistics() const;

  /// Tells the other ranks that this one failed, and why.
  void Abort(const arrow::Status& cause);

  /// Leaves in good order; with a trace file, all ranks' events are gathered and rank 0 writes it. Collective.
  /// Idempotent.
  arrow::Status Close();

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
