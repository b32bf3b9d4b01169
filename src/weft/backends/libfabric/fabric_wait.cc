// How a rank sleeps until libfabric has something for it.
#include <poll.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "weft/backends/libfabric/fabric_wire.h"

namespace weft::libfabric {
namespace {

using namespace std::chrono_literals;

/// Where nothing can be waited for: so many looks in a row give way to others only, later ones sleep, ever longer.
constexpr int kYields = 50;
constexpr int kMostIdle = 1000;
constexpr Duration kShortestNap = 20us;
constexpr Duration kLongestNap = 1ms;

timespec ToTimespec(Duration duration) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {static_cast<time_t>(whole.count()),
          static_cast<long>(std::chrono::duration_cast<std::chrono::nanoseconds>(duration - whole).count())};
}

}  // namespace

void FabricWire::Wait(Duration wait) {
  if (wait <= Duration::zero()) return;
  if (queue_descriptor_ < 0) {
    if (woken_.exchange(false)) return;
    const int idle = idle_.load(std::memory_order_relaxed);
    idle_.store(std::min(idle + 1, kMostIdle), std::memory_order_relaxed);
    if (idle < kYields) {
      ::sched_yield();
      return;
    }
    const timespec nap = ToTimespec(std::min({wait, kLongestNap, kShortestNap * (1 + (idle - kYields) / 10)}));
    ::nanosleep(&nap, nullptr);
    return;
  }
  fid* waits[] = {&objects_.queue->fid};
  if (fi_trywait(objects_.fabric.get(), waits, 1) != 0) return;
  pollfd descriptors[] = {{queue_descriptor_, POLLIN, 0}, {wake_, POLLIN, 0}, {processes_.descriptor(), POLLIN, 0}};
  const timespec bound = ToTimespec(std::min<Duration>(wait, 1h));
  if (::ppoll(descriptors, 3, &bound, nullptr) > 0 && descriptors[1].revents != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof(count));
  }
}

void FabricWire::Wake() {
  woken_.store(true);
  if (wake_ < 0) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof(one));
}

}  // namespace weft::libfabric
