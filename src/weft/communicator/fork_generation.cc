#include "weft/communicator/fork_generation.h"

#include <pthread.h>

#include <atomic>

namespace weft {
namespace {

std::atomic<int> fork_generation{0};

}  // namespace

int ForkGeneration() {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] { fork_generation.fetch_add(1); });
  (void)registered;
  return fork_generation.load(std::memory_order_relaxed);
}

}  // namespace weft
