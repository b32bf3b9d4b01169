// A UCP context with one worker, and the library's manners.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <ucp/api/ucp.h>

#include <string>
#include <utility>

namespace weft::ucx {

/// IOError: what failed, and UCX's word for it.
arrow::Status UcxError(const char* what, ucs_status_t status);

/// "1.13": major and minor of the UCX that is loaded.
std::string LibraryVersion();

/// One rank's UCX. Not thread-safe: one thread at a time (UCS_THREAD_MODE_SERIALIZED).
class Library {
 public:
  Library() = default;
  Library(Library&& other) noexcept { *this = std::move(other); }
  Library& operator=(Library&& other) noexcept;
  ~Library() { Destroy(); }

  /// Opens UCX as the environment's UCX_ variables say. What they do not say: nothing is logged, and no handler of a
  /// signal is kept. `world_size` helps it to size its tables.
  static arrow::Result<Library> Open(int world_size);

  /// Frees all. Callbacks of requests that are under way may run.
  void Destroy();
  /// For a forked child: forgets all and frees nothing.
  void Forget() { context_ = nullptr, worker_ = nullptr; }

  ucp_worker_h worker() const { return worker_; }
  /// Readable when an armed worker has something to do.
  int event_descriptor() const { return event_descriptor_; }
  /// Shared memory segments are among the transports that UCX_TLS allows.
  bool shared_memory() const { return shared_memory_; }
  /// The address that peers reach the worker by.
  arrow::Result<std::string> Address() const;

 private:
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  int event_descriptor_ = -1;
  bool shared_memory_ = false;
};

/// The transports of an endpoint, "posix/memory cma/memory", as UCX prints them; empty where it prints none.
std::string TransportsOf(ucp_ep_h endpoint);

}  // namespace weft::ucx
