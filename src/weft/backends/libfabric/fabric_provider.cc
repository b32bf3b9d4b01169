#include "weft/backends/libfabric/fabric_provider.h"

#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <set>
#include <sstream>

#include "weft/base/host_identity.h"

namespace weft::libfabric {
namespace {

constexpr const char* kOrder[] = {"efa", "verbs;ofi_rxm", "shm", "tcp;ofi_rxm"};
constexpr const char* kShm = "shm";

/// Alike for processes that share memory by name and may read each other's.
std::string ShmIdentity() {
  struct stat shm = {};
  (void)::stat("/dev/shm", &shm);
  return HostIdentity({"pid"}) + "/" + std::to_string(shm.st_dev) + "/" + std::to_string(::geteuid());
}

/// What ranks compare: addresses of two formats cannot be mixed.
std::string Name(const fi_info& info) {
  return std::string(info.fabric_attr->prov_name) + "|" + std::to_string(info.addr_format);
}

std::string ProviderOf(const std::string& name) { return name.substr(0, name.find('|')); }

size_t Place(const std::string& name) {
  const std::string provider = ProviderOf(name);
  const auto* const found = std::find(std::begin(kOrder), std::end(kOrder), provider);
  return static_cast<size_t>(found - std::begin(kOrder));
}

arrow::Result<InfoPtr> GetInfo(const std::string& advertise) {
  const InfoPtr hints(fi_allocinfo());
  if (hints == nullptr) return arrow::Status::OutOfMemory("libfabric: no memory for its hints");
  hints->caps = FI_TAGGED;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->threading = FI_THREAD_SAFE;
  hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
  // No memory is registered, so it does not matter how it would be.
  hints->domain_attr->mr_mode = FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  fi_info* found = nullptr;
  const int code = fi_getinfo(FI_VERSION(1, 17), advertise.empty() ? nullptr : advertise.c_str(), nullptr,
                              advertise.empty() ? 0 : FI_SOURCE, hints.get(), &found);
  if (code == -FI_ENODATA) return InfoPtr();
  if (code != 0) return FabricError("fi_getinfo", code);
  return InfoPtr(found);
}

std::set<std::string> Lines(const std::string& text) {
  std::istringstream lines(text);
  std::set<std::string> all;
  for (std::string line; std::getline(lines, line);) all.insert(line);
  return all;
}

std::string Missing(const BackendContext& context) {
  const char* const wanted = ::getenv("FI_PROVIDER");
  std::ostringstream text;
  text << "libfabric: no provider with reliable datagrams and tags that all ranks have";
  if (wanted != nullptr) text << " and that FI_PROVIDER=" << wanted << " allows";
  if (!context.advertise.empty()) text << " at the address " << context.advertise;
  text << "; fi_info -t FI_EP_RDM lists what a host has (shm serves only ranks of one host)";
  return text.str();
}

}  // namespace

arrow::Status FabricError(const char* call, ssize_t code) {
  return arrow::Status::IOError("libfabric: ", call, ": ", fi_strerror(static_cast<int>(-code)));
}

arrow::Result<InfoPtr> ChooseProvider(const BackendContext& context, Deadline deadline) {
  ARROW_ASSIGN_OR_RAISE(const InfoPtr all, GetInfo(context.advertise));
  // shm knows nothing of addresses.
  InfoPtr unbound;
  if (!context.advertise.empty()) {
    ARROW_ASSIGN_OR_RAISE(unbound, GetInfo(""));
  }
  std::vector<fi_info*> candidates;
  for (fi_info* info = all.get(); info != nullptr; info = info->next) candidates.push_back(info);
  for (fi_info* info = unbound.get(); info != nullptr; info = info->next) {
    if (std::string(info->fabric_attr->prov_name) == kShm) candidates.push_back(info);
  }
  std::erase_if(candidates, [](const fi_info* info) {
    // Deprecated, and it says things that it does not keep.
    return std::string(info->fabric_attr->prov_name) == "sockets";
  });
  const std::string host = ShmIdentity();
  std::string mine = "host " + host + "\n";
  for (const fi_info* info : candidates) {
    const std::string name = Name(*info);
    if (mine.find("\n" + name + "\n") == std::string::npos) mine += name + "\n";
  }
  ARROW_ASSIGN_OR_RAISE(const auto everyone, context.membership->ExchangeAll("libfabric/providers", mine, deadline,
                                                                             context.communicator.check_interrupt));
  std::set<std::string> shared = Lines(mine);
  for (const std::string& other : everyone) {
    const std::set<std::string> theirs = Lines(other);
    std::erase_if(shared, [&](const std::string& name) { return !theirs.contains(name); });
  }
  const bool one_host = shared.contains("host " + host);
  const fi_info* best = nullptr;
  // All ranks must come to the same: rank 0's order decides among those without a place.
  std::istringstream order(everyone.front());
  size_t best_place = std::numeric_limits<size_t>::max();
  for (std::string name; std::getline(order, name);) {
    if (name.starts_with("host ") || !shared.contains(name)) continue;
    if (ProviderOf(name) == kShm && !one_host) continue;
    if (Place(name) >= best_place) continue;
    const auto found =
        std::find_if(candidates.begin(), candidates.end(), [&](const fi_info* info) { return Name(*info) == name; });
    if (found == candidates.end()) continue;
    best = *found;
    best_place = Place(name);
  }
  if (best == nullptr) return arrow::Status::Invalid(Missing(context));
  InfoPtr chosen(fi_dupinfo(best));
  if (chosen == nullptr) return arrow::Status::OutOfMemory("libfabric: no memory for a provider's description");
  return chosen;
}

}  // namespace weft::libfabric
