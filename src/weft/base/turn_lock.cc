#include "weft/base/turn_lock.h"

namespace weft {

void TurnLock::lock() {
  std::unique_lock lock(mutex_);
  const uint64_t turn = next_++;
  changed_.wait(lock, [&] { return serving_ == turn; });
  holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
}

void TurnLock::unlock() {
  bool others = false;
  {
    const std::lock_guard lock(mutex_);
    holder_.store(std::thread::id(), std::memory_order_relaxed);
    ++serving_;
    others = serving_ != next_;
  }
  if (others) changed_.notify_all();
}

}  // namespace weft
