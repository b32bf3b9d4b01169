#include "weft/bootstrap/polling.h"

#include <algorithm>
#include <random>
#include <thread>

#include "weft/base/communication_error.h"

namespace weft {
namespace {

constexpr Duration kShortestPause = std::chrono::milliseconds(1);
constexpr Duration kLongestPause = std::chrono::milliseconds(200);
constexpr Duration kInterruptInterval = std::chrono::milliseconds(50);

}  // namespace

Duration Jittered(Duration pause) {
  thread_local std::minstd_rand random(std::random_device{}());
  return pause * std::uniform_int_distribution<int>(75, 125)(random) / 100;
}

arrow::Result<std::string> PollFor(Store& store, const std::string& name, const std::string& key, Deadline deadline,
                                   const std::function<arrow::Status()>& check_interrupt) {
  const auto begin = Clock::now();
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto value, store.Get(key));
    if (value.has_value()) return *std::move(value);
    if (deadline.Passed()) {
      return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                     .operation = "wait",
                                     .phase = "rendezvous",
                                     .elapsed = Clock::now() - begin},
                                    "no one wrote '" + key + "' to the " + name);
    }
    const Duration pause = std::clamp((Clock::now() - begin) / 8, kShortestPause, kLongestPause);
    const auto again = Deadline::After(std::min(Jittered(pause), deadline.Left()));
    do {
      if (check_interrupt) ARROW_RETURN_NOT_OK(check_interrupt());
      std::this_thread::sleep_for(again.LeftUpTo(kInterruptInterval));
    } while (!again.Passed());
  }
}

}  // namespace weft
