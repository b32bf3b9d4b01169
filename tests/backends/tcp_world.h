// Ranks as threads, each with a transport of its own over an in-process store.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "weft/backends/tcp/tcp_backend.h"
#include "weft/base/communication_error.h"
#include "weft/bootstrap/membership.h"
#include "weft/bootstrap/store.h"

namespace weft::tcp {

#define ASSERT_OK(expression)                               \
  do {                                                      \
    const ::arrow::Status weft_test_status = (expression);  \
    ASSERT_TRUE(weft_test_status.ok()) << weft_test_status; \
  } while (false)

inline const std::string kTestSecret(32, 's');

inline std::string FreshJob() {
  static std::atomic<int> number{0};
  return "tcp-test-" + std::to_string(number++);
}

inline std::shared_ptr<Store> TestStore(const std::string& job) {
  return *OpenStore("inprocess://" + job, StoreOptions{});
}

/// The same tests are run once more with WEFT_ENCRYPTION=on.
inline std::string ChosenEncryption() {
  const char* chosen = std::getenv("WEFT_ENCRYPTION");
  return chosen == nullptr ? "auto" : chosen;
}

/// And with WEFT_SHM=0.
inline bool ChosenShm() {
  const char* chosen = std::getenv("WEFT_SHM");
  return chosen == nullptr || std::string_view(chosen) != "0";
}

struct WorldOptions {
  std::string job = FreshJob();
  /// The secret of each rank; empty: kTestSecret for all.
  std::function<std::string(Rank)> secret;
  Duration connect_timeout = std::chrono::seconds(30);
  std::string advertise;
  /// The choice of each rank; empty: ChosenEncryption for all.
  std::function<std::string(Rank)> encryption;
  /// Whether each rank would share memory; empty: ChosenShm for all.
  std::function<bool(Rank)> shm;
  /// The store of each rank; empty: TestStore.
  std::function<std::shared_ptr<Store>(Rank)> store;
};

inline arrow::Result<std::unique_ptr<Transport>> JoinWorld(const WorldOptions& options, Rank rank, int world_size) {
  JobIdentity identity;
  identity.job = options.job;
  identity.epoch = 0;
  identity.world_size = world_size;
  identity.rank = rank;
  const auto store = options.store ? options.store(rank) : TestStore(options.job);
  ARROW_ASSIGN_OR_RAISE(const auto membership, Membership::Join(store, identity));
  BackendContext context;
  context.membership = membership.get();
  context.secret = options.secret ? options.secret(rank) : kTestSecret;
  context.connect_timeout = options.connect_timeout;
  context.advertise = options.advertise;
  context.encryption = options.encryption ? options.encryption(rank) : ChosenEncryption();
  context.shm = options.shm ? options.shm(rank) : ChosenShm();
  return MakeTransport(context);
}

/// Runs `body` on each rank in a thread of its own and waits for all.
inline void RunThreads(int world_size, const std::function<void(Rank)>& body) {
  std::vector<std::thread> threads;
  for (Rank rank = 0; rank < world_size; ++rank) threads.emplace_back([&body, rank] { body(rank); });
  for (auto& thread : threads) thread.join();
}

/// The same with a transport for each rank, closed in good order at the end.
inline void RunWorld(int world_size, const std::function<void(Transport&)>& body, const WorldOptions& options = {}) {
  RunThreads(world_size, [&](Rank rank) {
    auto transport = JoinWorld(options, rank, world_size);
    ASSERT_OK(transport.status());
    body(**transport);
    ASSERT_OK((*transport)->Close(Deadline::After(std::chrono::seconds(10))));
  });
}

/// Waits for one operation; its error, or one that says that it did not end.
inline arrow::Status Await(Transport& transport, const OperationPtr& operation,
                           Duration bound = std::chrono::seconds(60)) {
  const Deadline deadline = Deadline::After(bound);
  while (!operation->done()) {
    const arrow::Status status = transport.Progress(std::chrono::milliseconds(100));
    if (!status.ok() && !operation->done()) return status;
    if (deadline.Passed()) return arrow::Status::Invalid("the operation did not end");
  }
  return operation->status();
}

inline arrow::Status AwaitAll(Transport& transport, const std::vector<OperationPtr>& operations,
                              Duration bound = std::chrono::seconds(60)) {
  for (const auto& operation : operations) ARROW_RETURN_NOT_OK(Await(transport, operation, bound));
  return arrow::Status::OK();
}

inline ConstBytes Bytes(const std::string& text) { return AsBytes(std::string_view(text)); }
inline MutableBytes Bytes(std::string& text) {
  return std::as_writable_bytes(std::span<char>(text.data(), text.size()));
}

/// The operation, or one that is done with the error of a transport that had failed before it began: whether a failure
/// comes before or after is a matter of time.
inline OperationPtr Begun(arrow::Result<OperationPtr> operation) {
  if (operation.ok()) return *std::move(operation);
  auto refused = std::make_shared<TransportOperation>();
  refused->Complete(operation.status(), 0);
  return refused;
}

/// Sends and receives that take whole strings.
inline OperationPtr Send(Transport& transport, Rank to, Tag tag, const std::string& text) {
  return Begun(transport.Send(to, tag, {Bytes(text)}, nullptr));
}
inline OperationPtr Recv(Transport& transport, Rank from, Tag tag, std::string& into) {
  return Begun(transport.Recv(from, tag, {Bytes(into)}, nullptr));
}

/// Bytes that differ from place to place and from seed to seed.
inline std::string Pattern(size_t size, uint64_t seed) {
  std::string text(size, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (size_t i = 0; i < size; i += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(text.data() + i, &state, std::min<size_t>(8, size - i));
  }
  return text;
}

}  // namespace weft::tcp
