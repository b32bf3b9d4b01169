// Operators over ranks in one test process: threads as ranks over the local transport, and tables dealt out to them.
#pragma once

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "weft/backends/local/local_backend.h"
#include "weft/communicator/communicator.h"

namespace weft::test {

using TablePtr = std::shared_ptr<arrow::Table>;
using TableResult = arrow::Result<TablePtr>;

/// The worlds that every operator is tried on.
inline std::vector<int> Worlds() { return {1, 2, 3, 4, 5, 8}; }

/// Runs `body` on each rank of a world and returns what each returned, by rank. A hang ends by the communicator's
/// timeout.
inline std::vector<TableResult> OnRanks(int world, const std::function<TableResult(Communicator&)>& body) {
  CommunicatorOptions options;
  options.timeout = std::chrono::seconds(60);
  auto communicators = local::MakeCommunicators(world, options);
  if (!communicators.ok()) return {communicators.status()};
  std::vector<TableResult> results(static_cast<size_t>(world), arrow::Status::UnknownError("did not run"));
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < results.size(); ++rank) {
    threads.emplace_back([&, rank] {
      Communicator& communicator = *(*communicators)[rank];
      results[rank] = body(communicator);
      const arrow::Status closed = communicator.Close();
      if (results[rank].ok() && !closed.ok()) results[rank] = closed;
    });
  }
  for (auto& thread : threads) thread.join();
  return results;
}

/// Rank `rank`'s rows of `table`, in rank order: shares grow with the rank, and in worlds above 2 the middle rank has
/// none.
inline TablePtr Share(const TablePtr& table, int rank, int world) {
  const auto end = [&](int r) {
    if (r < 0) return int64_t{0};
    if (world > 2 && r == world / 2) --r;
    const int64_t w = world;
    return r == world - 1 ? table->num_rows() : table->num_rows() * (r + 1) * (r + 1) / (w * w);
  };
  return table->Slice(end(rank - 1), end(rank) - end(rank - 1));
}

/// All ranks' results, one below the other; fails the test where a rank has an error.
inline TablePtr Together(const std::vector<TableResult>& results) {
  std::vector<TablePtr> tables;
  for (size_t rank = 0; rank < results.size(); ++rank) {
    if (!results[rank].ok()) {
      ADD_FAILURE() << "rank " << rank << ": " << results[rank].status().ToString();
      return nullptr;
    }
    tables.push_back(*results[rank]);
    EXPECT_TRUE((*results[rank])->ValidateFull().ok());
    EXPECT_TRUE((*results[rank])->schema()->Equals(*(*results[0])->schema(), false));
  }
  return arrow::ConcatenateTables(tables).ValueOrDie();
}

}  // namespace weft::test
