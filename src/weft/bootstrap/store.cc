#include "weft/bootstrap/store.h"

#include "weft/base/module.h"
#include "weft/bootstrap/file_store.h"
#include "weft/bootstrap/in_process_store.h"
#include "weft/bootstrap/store_url.h"
#if WEFT_HAVE_RENDEZVOUS
#include "weft/bootstrap/rendezvous_store.h"
#endif

namespace weft {
namespace {

struct Scheme {
  const char* name;
  const char* form;
  arrow::Result<std::shared_ptr<Store>> (*open)(const std::string& rest, const StoreOptions& options);  // or by module
  const char* module = nullptr;
  const char* lacks = nullptr;  // what a build without the module needs
};

arrow::Result<std::shared_ptr<Store>> OpenInProcess(const std::string& rest, const StoreOptions& /*options*/) {
  if (rest.empty()) return arrow::Status::Invalid("the store URL 'inprocess://' has no name: give inprocess://NAME");
  return InProcessStore::Named(rest);
}

#if WEFT_HAVE_REDIS
constexpr const char* kRedisLacks = nullptr;
#else
constexpr const char* kRedisLacks = "libhiredis-dev";
#endif

// To add a store: its file, and a line here.
constexpr Scheme kSchemes[] = {
    {"inprocess", "inprocess://NAME", &OpenInProcess},
#if WEFT_HAVE_RENDEZVOUS
    {"rendezvous", "rendezvous://HOST:PORT", &RendezvousStore::Open},
    {"rendezvous+tls", "rendezvous+tls://HOST:PORT", &RendezvousStore::OpenTls},
#endif
    {"file", "file:///SHARED/DIR", &FileStore::Open},
    {"redis", "redis://[USER:PASSWORD@]HOST[:PORT][/DB]", nullptr, "redis", kRedisLacks},
    {"rediss", "rediss://...", nullptr, "redis", kRedisLacks},
    // Of the backend's module.
    {"mpi", "mpi", nullptr, "mpi"},
};

/// The module gets the whole URL, because one may have several schemes.
arrow::Result<std::shared_ptr<Store>> OpenByModule(const Scheme& scheme, const std::string& url,
                                                   const StoreOptions& options) {
  if (scheme.lacks != nullptr) {
    return arrow::Status::Invalid("stores of the form ", scheme.form, " are not built into this Weft: install ",
                                  scheme.lacks, " and build it again");
  }
  ARROW_ASSIGN_OR_RAISE(void* const entry, LoadModule(scheme.module, kStoreModuleSymbol));
  arrow::Result<std::shared_ptr<Store>> opened(arrow::Status::UnknownError("the module opened nothing"));
  reinterpret_cast<StoreModuleEntry>(entry)(url, options, &opened);
  return opened;
}

}  // namespace

arrow::Result<std::shared_ptr<Store>> OpenStore(const std::string& url, const StoreOptions& options) {
  const size_t colon = url.find("://");
  // A store without an address is named by its scheme alone.
  const std::string name = url.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : url.substr(colon + 3);
  std::string forms;
  for (const Scheme& scheme : kSchemes) {
    if (name == scheme.name) {
      return scheme.open == nullptr ? OpenByModule(scheme, url, options) : scheme.open(rest, options);
    }
    forms += forms.empty() ? "" : ", ";
    forms += scheme.form;
  }
  return arrow::Status::Invalid("the store URL '", WithoutPassword(url),
                                "' is of no form that this build knows: ", forms);
}

}  // namespace weft
