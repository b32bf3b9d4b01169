#include "weft/backends/gloo/gloo_collectives.h"

#include <gloo/allgatherv.h>
#include <gloo/allreduce.h>
#include <gloo/alltoall.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/common/error.h>
#include <gloo/reduce.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <thread>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/communicator/fork_generation.h"
#include "weft/communicator/timing.h"

namespace weft::gloo {
namespace {

using namespace std::chrono_literals;

/// Where a connection of Gloo's ends, the transport finds out which peer is gone within this.
constexpr Duration kFindsOut = kLostAfter + 2s;

/// One run. Completed by the transport.
class Run : public NativeOperation {
 public:
  Run(const Group& group, NativeCall call, uint32_t number, WireTransport* transport, Owner keep)
      : group_(group), call_(std::move(call)), number_(number), transport_(transport), keep_(std::move(keep)) {}

  void set_self(const std::weak_ptr<Run>& self) { self_ = self; }
  void Interrupt() override { waits_->Interrupt(); }
  void Cancel() override {
    if (const auto self = self_.lock()) transport_->EndNative(self, CancelledError());
    Interrupt();
  }
  std::vector<Rank> waits_for_in_world() const override { return waits_->peers(); }
  std::vector<Rank> waits_for() const override {
    std::vector<Rank> ranks;
    const std::vector<Rank> peers = waits_->peers();
    for (size_t i = 0; i < group_.ranks.size(); ++i) {
      const bool other = static_cast<Rank>(i) != group_.rank;
      // One that has not begun waits for those before it: then for any.
      if (other && (peers.empty() || std::find(peers.begin(), peers.end(), group_.ranks[i]) != peers.end())) {
        ranks.push_back(static_cast<Rank>(i));
      }
    }
    return ranks;
  }

  /// By the thread of the communicator.
  void Execute() {
    const arrow::Status status = Guard("a collective", [this] { Call(MakeGroupContext(group_, waits_)); });
    const auto self = self_.lock();
    if (!status.ok() && !waits_->interrupted()) WaitForFailure();
    transport_->EndNative(self, status, std::move(keep_));
  }

 private:
  arrow::Status CancelledError() const {
    return MakeCommunicationError({.failure = CommunicationFailure::kCancelled, .rank = transport_->rank()},
                                  "given up by this rank");
  }

  /// The transport names the peer that is gone; Gloo would give an address.
  void WaitForFailure() const {
    const Deadline deadline = Deadline::After(kFindsOut);
    while (!done() && !deadline.Passed()) std::this_thread::sleep_for(10ms);
  }

  void Call(const std::shared_ptr<::gloo::Context>& context) {
    switch (call_.collective) {
      case Collective::kBarrier: {
        ::gloo::BarrierOptions options(context);
        options.setTag(number_);
        ::gloo::barrier(options);
        return;
      }
      case Collective::kBroadcast: {
        ::gloo::BroadcastOptions options(context);
        options.setOutput(bytes(), static_cast<size_t>(call_.count));
        options.setRoot(call_.root);
        options.setTag(number_);
        ::gloo::broadcast(options);
        return;
      }
      case Collective::kAllgather:
        return Allgather(context);
      case Collective::kAlltoall: {
        const size_t size = static_cast<size_t>(call_.count) * group_.ranks.size();
        ::gloo::AlltoallOptions options(context);
        options.setInput(input(), size);
        options.setOutput(bytes(), size);
        options.setTag(number_);
        ::gloo::alltoall(options);
        return;
      }
      case Collective::kReduce:
      case Collective::kAllreduce:
        return Reduce(context);
      default:
        GLOO_THROW_INVALID_OPERATION_EXCEPTION("no such collective");
    }
  }

  void Allgather(const std::shared_ptr<::gloo::Context>& context) {
    std::vector<size_t> counts(call_.counts.begin(), call_.counts.end());
    const auto own = static_cast<size_t>(group_.rank);
    size_t before = 0;
    for (size_t i = 0; i < own; ++i) before += counts[i];
    if (counts[own] > 0 && call_.send != call_.recv + before) std::memcpy(call_.recv + before, call_.send, counts[own]);
    ::gloo::AllgathervOptions options(context);
    options.setOutput(bytes(), std::move(counts));
    options.setTag(number_);
    ::gloo::allgatherv(options);
  }

  void Reduce(const std::shared_ptr<::gloo::Context>& context) {
    switch (call_.reducer.element_size()) {
      case 1:
        return ReduceAs<uint8_t>(context);
      case 2:
        return ReduceAs<uint16_t>(context);
      case 4:
        return ReduceAs<uint32_t>(context);
      default:
        return ReduceAs<uint64_t>(context);
    }
  }

  /// `T` gives Gloo the size of an element; what it is only the reducer knows.
  template <typename T>
  void ReduceAs(const std::shared_ptr<::gloo::Context>& context) {
    const auto count = static_cast<size_t>(call_.count);
    const auto combine = [reducer = call_.reducer](void* out, const void* a, const void* b, size_t elements) {
      auto* const target = static_cast<std::byte*>(out);
      auto* first = static_cast<std::byte*>(const_cast<void*>(a));
      auto* const second = static_cast<std::byte*>(const_cast<void*>(b));
      if (target != first && target != second) {
        std::memcpy(target, first, elements * sizeof(T));
        first = target;
      }
      const arrow::Status status = reducer.Combine(first, second, target, static_cast<int64_t>(elements));
      if (!status.ok()) throw ::gloo::IoException(status.ToString());
    };
    if (call_.collective == Collective::kReduce) {
      // In the result's memory, which Gloo uses on all ranks.
      if (call_.send != call_.recv) std::memcpy(call_.recv, call_.send, count * sizeof(T));
      ::gloo::ReduceOptions options(context);
      options.setOutput(reinterpret_cast<T*>(call_.recv), count);
      options.setReduceFunction(combine);
      options.setRoot(call_.root);
      options.setTag(number_);
      ::gloo::reduce(options);
    } else {
      ::gloo::AllreduceOptions options(context);
      options.setOutput(reinterpret_cast<T*>(call_.recv), count);
      options.setReduceFunction(combine);
      options.setTag(number_);
      ::gloo::allreduce(options);
    }
  }

  uint8_t* bytes() const { return reinterpret_cast<uint8_t*>(call_.recv); }
  uint8_t* input() const { return reinterpret_cast<uint8_t*>(const_cast<std::byte*>(call_.send)); }

  const Group group_;
  const NativeCall call_;
  const uint32_t number_;
  WireTransport* const transport_;
  Owner keep_;
  std::weak_ptr<Run> self_;
  const std::shared_ptr<GroupWaits> waits_ = std::make_shared<GroupWaits>();
};

class Collectives : public NativeCollectives {
 public:
  Collectives(Group group, WireTransport* transport) : group_(std::move(group)), transport_(transport) {}
  ~Collectives() override {
    if (generation_ != ForkGeneration()) {
      // A forked child has no such thread.
      if (thread_.joinable()) thread_.detach();
      (void)state_.release();
      return;
    }
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(state_->mutex);
      state_->stop = true;
      for (const auto& run : state_->queue) run->Interrupt();
      if (state_->running != nullptr) state_->running->Interrupt();
    }
    state_->changed.notify_all();
    thread_.join();
  }

  bool Has(const NativeCall& call) const override {
    switch (call.collective) {
      case Collective::kBarrier:
        return true;
      case Collective::kBroadcast:
      case Collective::kAlltoall:
        return call.count > 0;
      case Collective::kAllgather:
        return std::any_of(call.counts.begin(), call.counts.end(), [](int64_t count) { return count > 0; });
      case Collective::kReduce:
      case Collective::kAllreduce:
        return call.count > 0 && call.reducer.commutative();
      default:
        return false;
    }
  }

  arrow::Result<std::shared_ptr<NativeOperation>> Start(const NativeCall& call, uint32_t number, Owner keep) override {
    auto run = std::make_shared<Run>(group_, call, number, transport_, std::move(keep));
    run->set_self(run);
    ARROW_RETURN_NOT_OK(transport_->BeginNative(run));
    ARROW_RETURN_NOT_OK(StartThread());
    {
      const std::lock_guard lock(state_->mutex);
      state_->queue.push_back(run);
    }
    state_->changed.notify_one();
    return run;
  }

  std::shared_ptr<NativeCollectives> ForGroup(uint32_t id, Rank rank, std::vector<Rank> ranks) override {
    return std::make_shared<Collectives>(Group{group_.mesh, id, rank, std::move(ranks)}, transport_);
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::shared_ptr<Run>> queue;
    std::shared_ptr<Run> running;
    bool stop = false;
  };

  arrow::Status StartThread() {
    if (thread_.joinable()) return arrow::Status::OK();
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const arrow::Status status = Guard("no thread", [this] { thread_ = std::thread(&RunQueue, state_.get()); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return status;
  }

  static void RunQueue(State* state) {
    std::unique_lock lock(state->mutex);
    for (;;) {
      state->changed.wait(lock, [state] { return state->stop || !state->queue.empty(); });
      if (state->queue.empty()) return;
      state->running = std::move(state->queue.front());
      state->queue.pop_front();
      const std::shared_ptr<Run> run = state->running;
      lock.unlock();
      run->Execute();
      lock.lock();
      state->running = nullptr;
    }
  }

  const int generation_ = ForkGeneration();
  const Group group_;
  WireTransport* const transport_;
  std::unique_ptr<State> state_ = std::make_unique<State>();
  std::thread thread_;
};

}  // namespace

std::shared_ptr<NativeCollectives> MakeCollectives(std::shared_ptr<Mesh> mesh, WireTransport* transport) {
  Group group;
  group.mesh = std::move(mesh);
  group.rank = transport->rank();
  for (Rank rank = 0; rank < transport->world_size(); ++rank) group.ranks.push_back(rank);
  return std::make_shared<Collectives>(std::move(group), transport);
}

}  // namespace weft::gloo
