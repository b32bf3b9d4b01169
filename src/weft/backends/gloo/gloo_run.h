// One collective of Gloo's.
#pragma once

#include <arrow/status.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "weft/backends/gloo/gloo_group.h"
#include "weft/communicator/agreement.h"
#include "weft/communicator/collectives/collectives.h"
#include "weft/communicator/reduction.h"

namespace weft::gloo {

/// Its arguments, alike on all ranks but for the addresses.
struct Call {
  Collective collective = Collective::kNone;
  const std::byte* send = nullptr;
  std::byte* recv = nullptr;
  int64_t count = 0;  // bytes: of a broadcast, of a block of alltoall; elements: of reductions
  Blocks blocks = {};
  Rank root = -1;
  Reducer reducer = {};
};

/// Run by one thread; the others look at it, or end it.
class Run {
 public:
  /// `number`: its place among those of its group, the same on all ranks.
  Run(Group group, Call call, uint32_t number) : group_(std::move(group)), call_(std::move(call)), number_(number) {}

  uint32_t number() const { return number_; }

  /// Blocks until it is done, has failed, or is ended.
  void Execute();
  /// Makes its waits end; soon afterwards it is done. Any thread, does not wait.
  void Interrupt() { waits_->Interrupt(); }

  /// Memory is not used any more, and `status` may be read.
  bool done() const { return done_.load(std::memory_order_acquire); }
  const arrow::Status& status() const { return status_; }
  /// Ranks of the group that it waits for, in order.
  std::vector<Rank> WaitsFor() const;

 private:
  void WaitForFailure() const;
  void Start(const std::shared_ptr<::gloo::Context>& context);
  void Barrier(const std::shared_ptr<::gloo::Context>& context);
  void Broadcast(const std::shared_ptr<::gloo::Context>& context);
  void Allgather(const std::shared_ptr<::gloo::Context>& context);
  void Alltoall(const std::shared_ptr<::gloo::Context>& context);
  void ReduceElements(const std::shared_ptr<::gloo::Context>& context);
  template <typename T>
  void ReduceAs(const std::shared_ptr<::gloo::Context>& context);

  const Group group_;
  const Call call_;
  const uint32_t number_;
  const std::shared_ptr<GroupWaits> waits_ = std::make_shared<GroupWaits>();
  arrow::Status status_;
  std::atomic<bool> done_{false};
};

}  // namespace weft::gloo
