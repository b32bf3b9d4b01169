// N ranks for tests of any communicator: as threads of this process, or, where a launcher has started processes, this
// one as one rank of them.
#pragma once

#include <arrow/result.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "conformance/shared_numbers.h"
#include "weft/communicator/communicator.h"

namespace weft::testing {

/// Makes the communicators of the ranks of a world that are in this process, by rank.
struct WorldFactory {
  std::string name;
  std::function<arrow::Result<std::vector<std::unique_ptr<Communicator>>>(int world_size, const CommunicatorOptions&)>
      make;
};

/// One rank of a running world.
class RankContext {
 public:
  RankContext(Communicator& communicator, std::string& place, std::mutex& mutex)
      : communicator_(communicator), place_(place), mutex_(mutex) {}
  Communicator& operator*() const { return communicator_; }
  Communicator* operator->() const { return &communicator_; }
  /// Says where this rank is, for the report of a hang.
  void At(std::string place) {
    const std::lock_guard lock(mutex_);
    place_ = std::move(place);
  }

 private:
  Communicator& communicator_;
  std::string& place_;
  std::mutex& mutex_;
};

class World {
 public:
  /// Hang bound of one Run; what takes gigabytes, while soaking, takes longer.
  static std::chrono::seconds HangBound() {
    return std::chrono::seconds(std::getenv("WEFT_SOAK") == nullptr ? 60 : 600);
  }

  World(const WorldFactory& factory, int size, const CommunicatorOptions& options = {}) {
    auto made = factory.make(size, options);
    if (!made.ok()) {
      ADD_FAILURE() << "a world of " << size << " by " << factory.name << ": " << made.status().ToString();
      return;
    }
    communicators_ = *std::move(made);
  }

  bool ok() const { return !communicators_.empty(); }
  /// Destroys one rank's communicator; nothing where that rank is another process.
  void Drop(int rank) {
    for (auto& one : communicators_) {
      if (one != nullptr && one->rank() == rank) one.reset();
    }
  }

  /// Runs `body` on every rank of this process in a thread of its own and returns when all have ended. Ranks that hang
  /// end the process: their threads cannot be ended otherwise.
  void Run(const std::function<void(RankContext&)>& body) {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> places(communicators_.size(), "start");
    size_t running = communicators_.size();
    std::vector<std::thread> threads;
    for (size_t rank = 0; rank < communicators_.size(); ++rank) {
      threads.emplace_back([&, rank] {
        RankContext context(*communicators_[rank], places[rank], mutex);
        body(context);
        const std::lock_guard lock(mutex);
        places[rank] = "ended";
        --running;
        changed.notify_all();
      });
    }
    {
      std::unique_lock lock(mutex);
      if (!changed.wait_for(lock, HangBound(), [&] { return running == 0; })) {
        std::fprintf(stderr, "ranks hang in %s:\n", ::testing::UnitTest::GetInstance()->current_test_info()->name());
        for (size_t rank = 0; rank < places.size(); ++rank) {
          std::fprintf(stderr, "  rank %d: %s\n", communicators_[rank]->rank(), places[rank].c_str());
        }
        std::_Exit(3);
      }
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  std::vector<std::unique_ptr<Communicator>> communicators_;
};

}  // namespace weft::testing
