// Places in a rank's life at which the tests of faults end its process.
#pragma once

#include <atomic>

namespace weft {

/// What a rank is in the middle of.
enum class FaultPhase : int {
  kRendezvous,
  kConnect,
  kHandshake,
  kHeader,
  kPayload,
  kLocalOperator,
  kWrite,
  kFinalise,
};

using FaultHook = void (*)(FaultPhase phase);

/// Called at each place, on whatever thread comes by, where a test's own program has set it. Nothing from outside of
/// the process can: no variable of the environment, no option.
extern std::atomic<FaultHook> fault_hook;

/// Marks a place; costs a load and a branch that is not taken.
inline void FaultPoint(FaultPhase phase) {
  const FaultHook hook = fault_hook.load(std::memory_order_relaxed);
  if (hook != nullptr) [[unlikely]] {
    hook(phase);
  }
}

}  // namespace weft
