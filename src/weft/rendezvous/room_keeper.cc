#include "weft/rendezvous/room_keeper.h"

#include <algorithm>
#include <random>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/base/logging.h"
#include "weft/base/signals_blocked.h"

namespace weft::rendezvous {
namespace {

/// Pauses between tries: they double, and are drawn from half to the whole so that ranks do not come in step.
constexpr Duration kFirstPause = std::chrono::milliseconds(100);
constexpr Duration kLongestPause = std::chrono::seconds(5);

}  // namespace

RoomKeeper::RoomKeeper(std::function<arrow::Status()> reconnect, std::function<void()> say_alive, Duration say_every)
    : reconnect_(std::move(reconnect)), say_alive_(std::move(say_alive)), say_every_(say_every) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { Run(); });
}

RoomKeeper::~RoomKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void RoomKeeper::Lost() {
  {
    const std::lock_guard lock(mutex_);
    lost_ = true;
  }
  changed_.notify_all();
}

void RoomKeeper::Run() {
  std::minstd_rand random(std::random_device{}());
  Duration pause = kFirstPause;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait_for(lock, say_every_, [this] { return stop_ || lost_; });
    if (stop_) return;
    lost_ = false;
    lock.unlock();
    say_alive_();
    const arrow::Status status = reconnect_();
    lock.lock();
    if (status.ok()) {
      pause = kFirstPause;
      continue;
    }
    if (stop_) return;
    if (status.IsInvalid() || IsCommunicationError(status, CommunicationFailure::kAuthenticationFailed)) {
      WEFT_LOG(kWarning, "this rank is no longer at the rendezvous server: " << status.message());
      return;
    }
    WEFT_LOG(kInfo, "no connection to the rendezvous server: " << status.message());
    changed_.wait_for(lock, pause / 1000 * std::uniform_int_distribution<int>(500, 1000)(random),
                      [this] { return stop_; });
    pause = std::min<Duration>(2 * pause, kLongestPause);
    lost_ = true;
  }
}

}  // namespace weft::rendezvous
