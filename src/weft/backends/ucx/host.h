// Which processes run on one host, and when they end.
#pragma once

#include <cstdint>
#include <string>

namespace weft::ucx {

/// Alike for processes that see each other's pids and System V memory: the kernel's boot and the namespaces.
std::string HostIdentity();

/// When the process began, in the kernel's ticks; 0 where it cannot be seen.
uint64_t ProcessStart(int32_t pid);

/// A descriptor that becomes readable when that very process ends, or -1.
int WatchProcess(int32_t pid, uint64_t start);

/// The process is there and has been stopped by a signal.
bool IsStopped(int32_t pid);

}  // namespace weft::ucx
