#include "weft/backends/ucx/ucx_library.h"

#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <sstream>
#include <utility>
#include <vector>

#include "weft/base/signals_blocked.h"

// Exported by libucs; its headers are not installed everywhere.
extern "C" {
__attribute__((weak)) void ucs_debug_disable_signal(int signal);
__attribute__((weak)) ucs_status_t ucs_global_opts_set_value(const char* name, const char* value);
}

namespace weft::ucx {
namespace {

bool IsSet(const char* name) { return std::getenv(name) != nullptr; }

/// UCX installs handlers and writes to standard output unless it is told not to, and reads both settings when it is
/// loaded, before any code of ours runs.
void Quieten() {
  if (ucs_debug_disable_signal != nullptr && !IsSet("UCX_HANDLE_ERRORS") && !IsSet("UCX_ERROR_SIGNALS")) {
    for (const int signal : {SIGILL, SIGSEGV, SIGBUS, SIGFPE}) ucs_debug_disable_signal(signal);
  }
  if (ucs_debug_disable_signal != nullptr && !IsSet("UCX_DEBUG_SIGNO")) ucs_debug_disable_signal(SIGHUP);
  if (ucs_global_opts_set_value != nullptr && !IsSet("UCX_LOG_LEVEL")) {
    ucs_global_opts_set_value("LOG_LEVEL", "fatal");
  }
}

/// What `print` writes to a stream.
template <typename Print>
std::string Printed(Print&& print) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* stream = ::open_memstream(&text, &size);
  if (stream == nullptr) return {};
  print(stream);
  std::fclose(stream);
  std::string result(text, size);
  std::free(text);
  return result;
}

/// The words with a slash, "posix/memory", after each `lead` in what UCX prints about itself.
std::vector<std::string> Resources(const std::string& text, const char* lead) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(lead) == std::string::npos) continue;
    std::istringstream words(line.substr(line.find(lead)));
    for (std::string word; words >> word;) {
      const size_t slash = word.find('/');
      if (slash == std::string::npos || slash == 0) continue;
      const size_t colon = word.rfind(':', slash);
      found.push_back(word.substr(colon == std::string::npos ? 0 : colon + 1));
      break;
    }
  }
  return found;
}

}  // namespace

arrow::Status UcxError(const char* what, ucs_status_t status) {
  return arrow::Status::IOError("ucx: ", what, ": ", ucs_status_string(status));
}

std::string LibraryVersion() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  ucp_get_version(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor);
}

Library& Library::operator=(Library&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(worker_, other.worker_);
  std::swap(event_descriptor_, other.event_descriptor_);
  std::swap(shared_memory_, other.shared_memory_);
  return *this;
}

arrow::Result<Library> Library::Open(int world_size) {
  static std::once_flag once;
  std::call_once(once, Quieten);
  const SignalsBlocked blocked;
  Library library;
  ucp_config_t* config = nullptr;
  ucs_status_t status = ucp_config_read(nullptr, nullptr, &config);
  if (status != UCS_OK) return UcxError("reading the UCX_ variables", status);
  // A peer that was dialled at an advertised address may not be reachable at those that its interfaces have.
  if (!IsSet("UCX_CM_USE_ALL_DEVICES")) (void)ucp_config_modify(config, "CM_USE_ALL_DEVICES", "n");
  // UCX's own choice (8 KiB) makes messages of 16 to 128 KiB two to four times slower: each rendezvous wakes the peer.
  if (!IsSet("UCX_RNDV_THRESH")) (void)ucp_config_modify(config, "RNDV_THRESH", "128k");
  ucp_params_t params = {};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_ESTIMATED_NUM_EPS | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_TAG | UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.estimated_num_eps = static_cast<size_t>(world_size);
  params.name = "weft";
  status = ucp_init(&params, config, &library.context_);
  ucp_config_release(config);
  if (status != UCS_OK) {
    library.context_ = nullptr;
    const char* tls = std::getenv("UCX_TLS");
    return UcxError(tls == nullptr ? "ucp_init" : "ucp_init with the UCX_TLS that is set", status);
  }
  ucp_worker_params_t worker_params = {};
  worker_params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  worker_params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  status = ucp_worker_create(library.context_, &worker_params, &library.worker_);
  if (status != UCS_OK) {
    library.worker_ = nullptr;
    return UcxError("ucp_worker_create", status);
  }
  status = ucp_worker_get_efd(library.worker_, &library.event_descriptor_);
  if (status != UCS_OK) return UcxError("ucp_worker_get_efd", status);
  const std::string printed = Printed([&](std::FILE* to) { ucp_context_print_info(library.context_, to); });
  for (const std::string& resource : Resources(printed, "resource")) {
    for (const char* name : {"posix/", "sysv/", "xpmem/"}) library.shared_memory_ |= resource.starts_with(name);
  }
  return library;
}

void Library::Destroy() {
  if (worker_ != nullptr) ucp_worker_destroy(std::exchange(worker_, nullptr));
  if (context_ != nullptr) ucp_cleanup(std::exchange(context_, nullptr));
}

arrow::Result<std::string> Library::Address() const {
  ucp_address_t* address = nullptr;
  size_t length = 0;
  const ucs_status_t status = ucp_worker_get_address(worker_, &address, &length);
  if (status != UCS_OK) return UcxError("ucp_worker_get_address", status);
  std::string bytes(reinterpret_cast<const char*>(address), length);
  ucp_worker_release_address(worker_, address);
  return bytes;
}

std::string TransportsOf(ucp_ep_h endpoint) {
  const std::string printed = Printed([&](std::FILE* to) { ucp_ep_print_info(endpoint, to); });
  std::string all;
  for (const std::string& lane : Resources(printed, "lane[")) {
    if (all.find(lane) != std::string::npos) continue;
    all += (all.empty() ? "" : " ") + lane;
  }
  return all;
}

}  // namespace weft::ucx
