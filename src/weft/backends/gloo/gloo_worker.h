// The thread on which a communicator's Gloo collectives run.
#pragma once

#include <arrow/status.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "weft/backends/gloo/gloo_run.h"
#include "weft/communicator/fork_generation.h"

namespace weft::gloo {

/// Runs them one after the other, by their numbers from 0, in whatever order they are added: so all ranks do. The
/// thread starts with the first.
class Worker {
 public:
  Worker() = default;
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  arrow::Status Add(std::shared_ptr<Run> run);
  /// Ends `run` and keeps `memory` until it is done.
  void Abandon(std::shared_ptr<Run> run, Owner memory);
  /// Lets go of what need not be kept any more, by the calling thread.
  void Release();
  /// Ends all and waits for the thread, which does not take long. Idempotent.
  void Stop();

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<uint32_t, std::shared_ptr<Run>> waiting;
    std::shared_ptr<Run> running;
    uint32_t next = 0;
    bool stop = false;
    std::vector<std::pair<std::shared_ptr<Run>, Owner>> kept;
  };

  static void RunAll(State* state);

  const int generation_ = ForkGeneration();
  std::unique_ptr<State> state_ = std::make_unique<State>();
  std::thread thread_;
};

}  // namespace weft::gloo
