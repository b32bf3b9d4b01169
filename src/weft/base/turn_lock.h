// A mutex that is fair.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace weft {

/// A mutex whose waiters get it in the order in which they asked, so that a thread that waits in short slices does not
/// keep others out.
class TurnLock {
 public:
  void lock();
  void unlock();
  bool held_by_this_thread() const { return holder_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_ = 0;
  uint64_t serving_ = 0;
  std::atomic<std::thread::id> holder_{};
};

}  // namespace weft
