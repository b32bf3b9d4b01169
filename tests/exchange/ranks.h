// Ranks as threads, for tests of what runs over a communicator.
#pragma once

#include <arrow/status.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "weft/backends/local/local_backend.h"
#include "weft/communicator/communicator.h"

namespace weft::test {

/// Runs `body` on each rank of a world, a thread each, and returns their results by rank.
template <typename Body>
std::vector<arrow::Status> RunRanks(int world_size, Body&& body, Duration timeout = std::chrono::seconds(60)) {
  CommunicatorOptions options;
  options.timeout = timeout;
  auto made = local::MakeCommunicators(world_size, options);
  if (!made.ok()) return {made.status()};
  std::vector<arrow::Status> results(static_cast<size_t>(world_size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world_size; ++rank) {
    threads.emplace_back([&, rank] {
      const auto r = static_cast<size_t>(rank);
      std::unique_ptr<Communicator> communicator = std::move((*made)[r]);
      results[r] = body(*communicator);
      const arrow::Status closed = communicator->Close();
      if (results[r].ok()) results[r] = closed;
    });
  }
  for (auto& thread : threads) thread.join();
  return results;
}

/// The same, where every rank must succeed.
template <typename Body>
void OnRanks(int world_size, Body&& body) {
  const auto results = RunRanks(world_size, std::forward<Body>(body));
  for (size_t rank = 0; rank < results.size(); ++rank) {
    EXPECT_TRUE(results[rank].ok()) << "rank " << rank << " of " << world_size << ": " << results[rank].ToString();
  }
}

}  // namespace weft::test
