// How a backend is found by name and made.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "weft/bootstrap/membership.h"
#include "weft/communicator/communicator.h"

namespace weft {

class Listener;
class RendezvousClient;

/// What a backend is made from. `membership` outlives the call, not the communicator.
struct BackendContext {
  /// nullptr for a backend that has its world from its library.
  Membership* membership = nullptr;
  /// What such a backend's library must find, or -1: whatever it finds.
  int rank = -1;
  int world_size = -1;
  /// Handle of a communicator of such a backend's library, as an integer: the backend works on a copy of it, so that it
  /// may be freed afterwards. 0: all that the library was started with.
  uint64_t native_communicator = 0;
  /// 32 bytes that only the ranks of the job know.
  std::string secret;
  /// "auto", "on", "off" or "off-even-relayed": backend tcp says what they mean, others refuse "on".
  std::string encryption = "auto";
  /// Address that peers shall dial instead of those found; empty: find them.
  std::string advertise;
  /// Backend tcp: ranks of one host send through memory that they share.
  bool shm = true;
  /// Of such memory, bytes that a rank offers to all peers together; in large worlds it may be more.
  int64_t shm_bytes = int64_t{16} << 20;
  /// Bound on linking up with all peers.
  Duration connect_timeout = std::chrono::seconds(60);
  /// Where a rank's links come in, and the rendezvous server over a connection from that port: it pairs and relays
  /// ranks that cannot dial each other. Either may be nullptr.
  std::shared_ptr<Listener> listener;
  std::shared_ptr<RendezvousClient> rendezvous;
  /// How long a pair is tried directly before it is relayed.
  Duration relay_after = std::chrono::seconds(2);
  CommunicatorOptions communicator;
};

using BackendFactory = arrow::Result<std::unique_ptr<Communicator>> (*)(const BackendContext&);

/// One line about a backend, for `weft doctor`.
struct BackendInfo {
  std::string name;
  bool built = false;
  std::string detail;  // version at build, or why it is not built
  /// Its library was told by a launcher who and how many the ranks are: it needs no store, job or secret.
  bool has_world = false;
};

/// Makes the communicator of the backend `name`. Collective over the membership's world. An unknown name is
/// Status::Invalid with a list; a known one that was not built says how to get it.
arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const std::string& name, const BackendContext& context);

/// All backends that the build knows, built or not.
std::vector<BackendInfo> ListBackends();

/// Version of the library of a backend that is a module, as it is loaded now; empty where the module does not tell.
/// Errors are those of loading it.
arrow::Result<std::string> BackendVersion(const std::string& name);

/// What a backend's module exports; the second may be missing.
using BackendModuleEntry = void (*)(const BackendContext&, arrow::Result<std::unique_ptr<Communicator>>*);
using BackendVersionEntry = void (*)(std::string*);
inline constexpr const char* kBackendModuleSymbol = "weft_make_communicator";
inline constexpr const char* kBackendVersionSymbol = "weft_backend_version";

}  // namespace weft

/// Once in a backend that is a module of its own (weft_add_module), outside of namespaces: exports `make`, a
/// BackendFactory.
#define WEFT_EXPORT_BACKEND(make)                                                                           \
  extern "C" __attribute__((visibility("default"))) void weft_make_communicator(                            \
      const ::weft::BackendContext& context, ::arrow::Result<std::unique_ptr<::weft::Communicator>>* made); \
  void weft_make_communicator(const ::weft::BackendContext& context,                                        \
                              ::arrow::Result<std::unique_ptr<::weft::Communicator>>* made) {               \
    *made = (make)(context);                                                                                \
  }                                                                                                         \
  static_assert(true, "takes the semicolon")

/// Once beside it, where the library has a version: exports `version`, a function of no arguments that returns a
/// string.
#define WEFT_EXPORT_BACKEND_VERSION(version)                                                 \
  extern "C" __attribute__((visibility("default"))) void weft_backend_version(std::string*); \
  void weft_backend_version(std::string* text) { *text = (version)(); }                      \
  static_assert(true, "takes the semicolon")
