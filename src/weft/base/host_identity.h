// Whether two processes are on one host.
#pragma once

#include <initializer_list>
#include <string>

namespace weft {

/// Alike for two processes of one host that share these of the kernel's namespaces ("net", "pid", "ipc" ...). Names the
/// boot of the host, so a value is of no use after it.
std::string HostIdentity(std::initializer_list<const char*> namespaces);

}  // namespace weft
