// Whether another process of this host goes on.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace weft {

/// When the process began, in the kernel's ticks; 0 where it cannot be seen.
uint64_t ProcessStart(pid_t process);

/// It is there and has been stopped by a signal.
bool ProcessIsStopped(pid_t process);

/// A descriptor that becomes readable when that very process ends (pidfd, Linux 5.3), or -1. The caller's to close.
int OpenProcessEnd(pid_t process, uint64_t start);

}  // namespace weft
