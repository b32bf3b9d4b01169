#include "weft/base/context.h"

#include <arrow/util/future.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

namespace weft {

arrow::Status ParallelFor(const Context& context, int64_t tasks, const std::function<arrow::Status(int64_t)>& task) {
  // What was written before the call is seen by all tasks, and what they wrote by the caller, through this counter:
  // every helper's last step on it comes after its tasks.
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  int64_t error_task = tasks;
  arrow::Status error;
  const auto drain = [&] {
    for (;;) {
      const int64_t i = next.fetch_add(1, std::memory_order_acq_rel);
      if (i >= tasks || failed.load(std::memory_order_acquire)) return;
      arrow::Status status = context.stop.Poll();
      if (status.ok()) status = task(i);
      if (status.ok()) continue;
      failed.store(true, std::memory_order_release);
      const std::lock_guard lock(mutex);
      if (i < error_task) {
        error_task = i;
        error = std::move(status);
      }
      return;
    }
  };
  next.store(0, std::memory_order_release);
  const int64_t helpers = std::min<int64_t>(context.threads, tasks) - 1;
  std::vector<arrow::Future<>> running;
  for (int64_t i = 0; i < helpers; ++i) {
    auto submitted = arrow::internal::GetCpuThreadPool()->Submit(drain);
    // A pool that takes no more work is no error: this thread does it.
    if (!submitted.ok()) break;
    running.emplace_back(*std::move(submitted));
  }
  drain();
  // The helpers refer to this frame, so all of them must have ended before it does.
  for (auto& future : running) future.Wait();
  next.fetch_add(1, std::memory_order_acq_rel);
  const std::lock_guard lock(mutex);
  return error;
}

}  // namespace weft
