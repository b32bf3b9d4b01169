// The store through which ranks find each other before they have links: small values under string keys.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weft/base/deadline.h"

namespace weft {

/// What a store that a launcher's library made for one job knows of the job. Empty and negative: not known.
struct StoreJob {
  std::string job;
  std::string secret;  // 64 hex digits
  int rank = -1;
  int world_size = -1;
};

/// A key-value store that all ranks of a job reach. All calls are thread-safe and none is collective. Every call ends
/// within the store's own time-out (10 s unless its URL says otherwise) with a communication error in phase
/// "rendezvous" where the store does not answer. Keys are at most 512 bytes, values at most 64 KiB; longer ones are
/// Status::Invalid.
class Store {
 public:
  virtual ~Store() = default;

  /// Replaces the value. `time_to_live` counts from now and is renewed by nothing but another write.
  virtual arrow::Status Set(const std::string& key, const std::string& value, Duration time_to_live) = 0;

  /// Writes `desired` if the value is `expected` (nullopt: if there is none), atomically. Returns whether it wrote.
  virtual arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                            const std::string& desired, Duration time_to_live) = 0;

  /// The value, or nullopt where there is none.
  virtual arrow::Result<std::optional<std::string>> Get(const std::string& key) = 0;

  /// Adds to a decimal number (none counts as 0), atomically, and returns the sum. Status::Invalid where the value is
  /// no number or the sum overflows.
  virtual arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration time_to_live) = 0;

  /// Blocks until the key has a value and returns it; past the deadline a communication error kTimedOut, phase
  /// "rendezvous". `check_interrupt`, where given, is polled at least every 100 ms and its error ends the wait.
  virtual arrow::Result<std::string> Wait(const std::string& key, Deadline deadline,
                                          const std::function<arrow::Status()>& check_interrupt = {}) = 0;

  /// Removes the key if it is there.
  virtual arrow::Status Delete(const std::string& key) = 0;

  /// The one job that the store was made for, where it was.
  virtual StoreJob job() const { return {}; }

  /// From now on the store is missed by nobody: a call whose server is gone may fail at once instead of waiting for it.
  virtual void StartUpIsOver() {}
};

/// How stores are reached; not all fields matter to each.
struct StoreOptions {
  /// Admission key of the rendezvous server; empty where it asks for none.
  std::string rendezvous_key;
  /// PEM file with the CA of the rendezvous server's certificate, where it is spoken to by TLS; empty: the system's
  /// CAs.
  std::string rendezvous_ca = {};
  /// Bound on making the first connection, retried with back-off, and on each later call's answer.
  Duration connect_timeout = std::chrono::seconds(30);
  Duration call_timeout = std::chrono::seconds(10);
  /// Polled while the first connection is made; its error ends the attempt.
  std::function<arrow::Status()> check_interrupt = {};
  /// For the store "mpi": handle of the communicator whose ranks open it, as an integer; 0: all of MPI's.
  uint64_t native_communicator = 0;
};

/// Opens the store that `url` names: "rendezvous://host:port", with TLS "rendezvous+tls://host:port",
/// "inprocess://name" (one per process and name), "file:///shared/dir", "redis://[user:password@]host[:port][/db]" and,
/// with TLS, "rediss://", or "mpi", which is collective over MPI's ranks: rank 0 holds a server that goes with its
/// store. Other schemes are Status::Invalid with a list of those that there are; one that was not built says how to get
/// it. Errors never repeat what stands between
/// "://" and "@".
arrow::Result<std::shared_ptr<Store>> OpenStore(const std::string& url, const StoreOptions& options);

/// The one function that a store's module exports; `url` is whole.
using StoreModuleEntry = void (*)(const std::string& url, const StoreOptions&, arrow::Result<std::shared_ptr<Store>>*);
inline constexpr const char* kStoreModuleSymbol = "weft_open_store";

}  // namespace weft

/// Once in a store that is a module of its own (weft_add_module), outside of namespaces: exports `open`.
#define WEFT_EXPORT_STORE(open)                                                     \
  extern "C" __attribute__((visibility("default"))) void weft_open_store(           \
      const std::string& url, const ::weft::StoreOptions& options,                  \
      ::arrow::Result<std::shared_ptr<::weft::Store>>* opened);                     \
  void weft_open_store(const std::string& url, const ::weft::StoreOptions& options, \
                       ::arrow::Result<std::shared_ptr<::weft::Store>>* opened) {   \
    *opened = open(url, options);                                                   \
  }                                                                                 \
  static_assert(true, "takes the semicolon")
