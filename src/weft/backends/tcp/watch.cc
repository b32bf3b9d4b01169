#include "weft/backends/tcp/watch.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/base/logging.h"
#include "weft/base/signals_blocked.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;

constexpr Duration kLookEvery = milliseconds(250);
/// Tries to reach the server: the first one, and what their pauses grow to.
constexpr Duration kReachWithin = std::chrono::seconds(2);
constexpr Duration kLongestPause = std::chrono::seconds(5);

}  // namespace

Watch::Watch(Membership* membership, RendezvousClient* rendezvous) : membership_(membership), rendezvous_(rendezvous) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { Run(); });
}

Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watch::Run() {
  const auto called = [this] { return stop_ || hurry_ || reconnect_; };
  Duration pause = kLookEvery;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (membership_ != nullptr) {
      changed_.wait_for(lock, kLookEvery, called);
    } else {
      changed_.wait(lock, called);
    }
    if (stop_) return;
    hurry_ = false;
    const bool reconnect = std::exchange(reconnect_, false);
    lock.unlock();
    bool again = false;
    if (reconnect && rendezvous_ != nullptr) {
      const arrow::Status status = rendezvous_->Reconnect(kReachWithin);
      if (!status.ok()) WEFT_LOG(kInfo, "no connection to the rendezvous server: " << status.message());
      again = !status.ok();
    }
    if (membership_ != nullptr) Look();
    lock.lock();
    if (!again) {
      pause = kLookEvery;
      continue;
    }
    changed_.wait_for(lock, pause, [this] { return stop_ || reconnect_; });
    // While ranks link up the server is needed at once.
    if (membership_ == nullptr) pause = std::min(2 * pause, kLongestPause);
    reconnect_ = true;
  }
}

void Watch::Look() {
  auto note = membership_->WaitFor(kNoteName, Deadline::After(milliseconds(1)));
  const std::lock_guard lock(mutex_);
  if (note.ok()) {
    note_ = *std::move(note);
  } else if (IsCommunicationError(note.status(), CommunicationFailure::kSuperseded)) {
    superseded_ = note.status();
  }
  // After the exchange nobody needs the store: whatever else is wrong with it ends nothing.
}

std::optional<std::string> Watch::note() const {
  const std::lock_guard lock(mutex_);
  return note_;
}

arrow::Status Watch::superseded() const {
  const std::lock_guard lock(mutex_);
  return superseded_;
}

void Watch::Hurry() {
  {
    const std::lock_guard lock(mutex_);
    hurry_ = true;
  }
  changed_.notify_all();
}

void Watch::Reconnect() {
  {
    const std::lock_guard lock(mutex_);
    reconnect_ = true;
  }
  changed_.notify_all();
}

}  // namespace weft::tcp
