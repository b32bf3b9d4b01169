#include "weft/bootstrap/store.h"

#include "weft/base/module.h"
#include "weft/bootstrap/in_process_store.h"
#if WEFT_HAVE_RENDEZVOUS
#include "weft/bootstrap/rendezvous_store.h"
#endif
// RS1

namespace weft {
namespace {

struct Scheme {
  const char* name;
  const char* form;
  arrow::Result<std::shared_ptr<Store>> (*open)(const std::string& rest, const StoreOptions& options);
};

arrow::Result<std::shared_ptr<Store>> OpenInProcess(const std::string& rest, const StoreOptions& /*options*/) {
  if (rest.empty()) return arrow::Status::Invalid("the store URL 'inprocess://' has no name: give inprocess://NAME");
  return InProcessStore::Named(rest);
}

/// Of the module "mpi", with the backend of that name.
arrow::Result<std::shared_ptr<Store>> OpenMpi(const std::string& rest, const StoreOptions& options) {
  ARROW_ASSIGN_OR_RAISE(void* const entry, LoadModule("mpi", kStoreModuleSymbol));
  arrow::Result<std::shared_ptr<Store>> opened(arrow::Status::UnknownError("the module opened nothing"));
  reinterpret_cast<StoreModuleEntry>(entry)(rest, options, &opened);
  return opened;
}

// To add a store: its file, and a line here.
constexpr Scheme kSchemes[] = {
    {"inprocess", "inprocess://NAME", &OpenInProcess},
    {"mpi", "mpi", &OpenMpi},
#if WEFT_HAVE_RENDEZVOUS
    {"rendezvous", "rendezvous://HOST:PORT", &RendezvousStore::Open},
#endif
    // RS2
};

}  // namespace

arrow::Result<std::shared_ptr<Store>> OpenStore(const std::string& url, const StoreOptions& options) {
  const size_t colon = url.find("://");
  // A store without an address is named by its scheme alone.
  const std::string name = url.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : url.substr(colon + 3);
  std::string forms;
  for (const Scheme& scheme : kSchemes) {
    if (name == scheme.name) return scheme.open(rest, options);
    forms += forms.empty() ? "" : ", ";
    forms += scheme.form;
  }
  return arrow::Status::Invalid("the store URL '", url, "' is of no form that this build knows: ", forms);
}

}  // namespace weft
