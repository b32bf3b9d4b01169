#include "weft/base/host_identity.h"

#include <unistd.h>

#include <fstream>

namespace weft {

std::string HostIdentity(std::initializer_list<const char*> namespaces) {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string identity;
  file >> identity;
  for (const char* name : namespaces) {
    char target[64];
    const std::string path = std::string("/proc/self/ns/") + name;
    const ssize_t length = ::readlink(path.c_str(), target, sizeof(target));
    identity += "/" + (length < 0 ? std::string("?") : std::string(target, static_cast<size_t>(length)));
  }
  return identity;
}

}  // namespace weft
