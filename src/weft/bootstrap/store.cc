#include "weft/bootstrap/store.h"

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

// To add a store: its file, and a line here.
constexpr Scheme kSchemes[] = {
    {"inprocess", "inprocess://NAME", &OpenInProcess},
#if WEFT_HAVE_RENDEZVOUS
    {"rendezvous", "rendezvous://HOST:PORT", &RendezvousStore::Open},
#endif
    // RS2
};

}  // namespace

arrow::Result<std::shared_ptr<Store>> OpenStore(const std::string& url, const StoreOptions& options) {
  const size_t colon = url.find("://");
  const std::string name = colon == std::string::npos ? "" : url.substr(0, colon);
  std::string forms;
  for (const Scheme& scheme : kSchemes) {
    if (name == scheme.name) return scheme.open(url.substr(colon + 3), options);
    forms += forms.empty() ? "" : ", ";
    forms += scheme.form;
  }
  return arrow::Status::Invalid("the store URL '", url, "' is of no form that this build knows: ", forms);
}

}  // namespace weft
