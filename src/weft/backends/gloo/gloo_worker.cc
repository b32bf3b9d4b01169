#include "weft/backends/gloo/gloo_worker.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>

#include "weft/base/signals_blocked.h"

namespace weft::gloo {

Worker::~Worker() {
  if (generation_ == ForkGeneration()) {
    Stop();
    return;
  }
  // A forked child has no such thread.
  if (thread_.joinable()) thread_.detach();
  (void)state_.release();
}

arrow::Status Worker::Add(std::shared_ptr<Run> run) {
  if (!thread_.joinable()) {
    const SignalsBlocked blocked;
    ARROW_RETURN_NOT_OK(Guard("no thread", [this] { thread_ = std::thread(&RunAll, state_.get()); }));
  }
  {
    const std::lock_guard lock(state_->mutex);
    const uint32_t number = run->number();
    state_->waiting.emplace(number, std::move(run));
  }
  state_->changed.notify_one();
  return arrow::Status::OK();
}

void Worker::Abandon(std::shared_ptr<Run> run, Owner memory) {
  if (generation_ != ForkGeneration() || run->done()) return;
  run->Interrupt();
  const std::lock_guard lock(state_->mutex);
  state_->kept.emplace_back(std::move(run), std::move(memory));
}

void Worker::Release() {
  if (generation_ != ForkGeneration()) return;
  std::vector<std::pair<std::shared_ptr<Run>, Owner>> released;  // without the mutex
  const std::lock_guard lock(state_->mutex);
  auto& kept = state_->kept;
  const auto first = std::partition(kept.begin(), kept.end(), [](const auto& it) { return !it.first->done(); });
  std::move(first, kept.end(), std::back_inserter(released));
  kept.erase(first, kept.end());
}

void Worker::Stop() {
  if (generation_ != ForkGeneration()) return;
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(state_->mutex);
      state_->stop = true;
      if (state_->running != nullptr) state_->running->Interrupt();
    }
    state_->changed.notify_all();
    thread_.join();
  }
  state_->waiting.clear();
  state_->kept.clear();
}

void Worker::RunAll(State* state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->changed.wait(lock, [state] { return state->stop || state->waiting.contains(state->next); });
    if (state->stop) return;
    state->running = state->waiting.extract(state->next++).mapped();
    const std::shared_ptr<Run> run = state->running;
    lock.unlock();
    run->Execute();
    lock.lock();
    state->running = nullptr;
  }
}

}  // namespace weft::gloo
