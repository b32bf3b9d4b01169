// The worlds that the conformance suite runs on: every backend that was built. A new backend needs nothing here as long
// as its ranks can be threads of one process. One that has its world from a launcher (BackendInfo::has_world) is tested
// where one has started this process (tests/conformance/launched.sh says so by WEFT_TEST_LAUNCHED), and there alone.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include "conformance/world.h"
#include "weft/backends/local/local_backend.h"
#include "weft/bootstrap/in_process_store.h"
#include "weft/bootstrap/membership.h"
#include "weft/communicator/backend.h"

namespace weft::testing {

/// A world of the backend `name`: each rank joins a store of this process and links up in a thread of its own.
inline arrow::Result<std::vector<std::unique_ptr<Communicator>>> MakeWorld(const std::string& name, int world_size,
                                                                           const CommunicatorOptions& options) {
  const auto store = std::make_shared<InProcessStore>();
  const auto size = static_cast<size_t>(world_size);
  std::vector<std::unique_ptr<Membership>> memberships(size);
  std::vector<arrow::Result<std::unique_ptr<Communicator>>> made;
  for (size_t i = 0; i < size; ++i) made.emplace_back(arrow::Status::UnknownError("not made"));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < size; ++i) {
    threads.emplace_back([&, i] {
      auto joined = Membership::Join(
          store, {.job = "conformance", .epoch = 0, .world_size = world_size, .rank = static_cast<int>(i)});
      if (!joined.ok()) {
        made[i] = joined.status();
        return;
      }
      memberships[i] = *std::move(joined);
      BackendContext context;
      context.membership = memberships[i].get();
      context.secret = std::string(32, 'x');
      if (const char* chosen = std::getenv("WEFT_ENCRYPTION")) context.encryption = chosen;
      if (const char* chosen = std::getenv("WEFT_SHM")) context.shm = std::string_view(chosen) != "0";
      context.communicator = options;
      made[i] = MakeCommunicator(name, context);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (auto& one : made) {
    ARROW_RETURN_NOT_OK(one.status());
    communicators.push_back(*std::move(one));
  }
  return communicators;
}

/// This process' rank in a world that a launcher has started.
inline arrow::Result<std::vector<std::unique_ptr<Communicator>>> JoinWorld(const std::string& name, int world_size,
                                                                           const CommunicatorOptions& options) {
  BackendContext context;
  context.world_size = world_size;
  context.communicator = options;
  std::vector<std::unique_ptr<Communicator>> own(1);
  ARROW_ASSIGN_OR_RAISE(own[0], MakeCommunicator(name, context));
  return own;
}

inline std::vector<WorldFactory> AllFactories() {
  const char* const launched = std::getenv("WEFT_TEST_LAUNCHED");
  std::vector<WorldFactory> all;
  for (const BackendInfo& info : ListBackends()) {
    if (!info.built || (launched == nullptr ? info.has_world : info.name != launched)) continue;
    if (info.has_world) {
      all.push_back({info.name, [name = info.name](int size, const CommunicatorOptions& options) {
                       return JoinWorld(name, size, options);
                     }});
    } else if (info.name == "local") {
      all.push_back({info.name, &local::MakeCommunicators});
    } else {
      all.push_back({info.name, [name = info.name](int size, const CommunicatorOptions& options) {
                       return MakeWorld(name, size, options);
                     }});
    }
  }
  return all;
}

/// The whole product instead of the pairwise choice.
inline bool Soak() { return std::getenv("WEFT_SOAK") != nullptr; }

/// Fixture: a backend and a world size.
class OverWorlds : public ::testing::TestWithParam<std::tuple<WorldFactory, int>> {
 protected:
  static CommunicatorOptions Options() {
    CommunicatorOptions options;
    options.timeout = std::chrono::seconds(20);
    return options;
  }
  const WorldFactory& factory() const { return std::get<0>(GetParam()); }
  int size() const { return std::get<1>(GetParam()); }
  World Make(const CommunicatorOptions& options = Options()) const { return {factory(), size(), options}; }
};

inline std::string WorldName(const ::testing::TestParamInfo<std::tuple<WorldFactory, int>>& info) {
  return std::get<0>(info.param).name + "_" + std::to_string(std::get<1>(info.param));
}

/// Deterministic and well mixed (SplitMix64: Steele, Lea, Flood 2014).
inline uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Bytes that tell where they come from.
inline std::vector<std::byte> Pattern(uint64_t seed, int64_t length) {
  std::vector<std::byte> bytes(static_cast<size_t>(length));
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(Mix(seed * 1000003 + i / 8) >> (i % 8 * 8));
  return bytes;
}

}  // namespace weft::testing

#define WEFT_OVER_WORLDS(suite, ...)                                                                            \
  INSTANTIATE_TEST_SUITE_P(                                                                                     \
      Worlds, suite,                                                                                            \
      ::testing::Combine(::testing::ValuesIn(::weft::testing::AllFactories()), ::testing::Values(__VA_ARGS__)), \
      ::weft::testing::WorldName)
