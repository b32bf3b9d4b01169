#include "weft/backends/gloo/gloo_run.h"

#include <gloo/allgatherv.h>
#include <gloo/allreduce.h>
#include <gloo/alltoall.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/common/error.h>
#include <gloo/reduce.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "weft/base/deadline.h"
#include "weft/communicator/timing.h"

namespace weft::gloo {
namespace {

using namespace std::chrono_literals;

/// Where a connection of Gloo's ends, the transport finds out which peer is gone within this.
constexpr Duration kFindsOut = kLostAfter + 2s;

uint8_t* Unsigned(const std::byte* memory) { return reinterpret_cast<uint8_t*>(const_cast<std::byte*>(memory)); }

}  // namespace

void Run::Execute() {
  status_ = Guard("a collective", [this] { Start(MakeGroupContext(group_, waits_)); });
  if (!status_.ok()) WaitForFailure();
  done_.store(true, std::memory_order_release);
}

/// The transport names the peer that is gone, and then this is ended; Gloo would give an address.
void Run::WaitForFailure() const {
  const Deadline deadline = Deadline::After(kFindsOut);
  while (!waits_->interrupted() && !deadline.Passed()) std::this_thread::sleep_for(10ms);
}

std::vector<Rank> Run::WaitsFor() const {
  std::vector<Rank> ranks;
  const std::vector<Rank> peers = waits_->peers();
  for (size_t i = 0; i < group_.ranks.size(); ++i) {
    const bool other = static_cast<Rank>(i) != group_.rank;
    if (other && std::find(peers.begin(), peers.end(), group_.ranks[i]) != peers.end()) {
      ranks.push_back(static_cast<Rank>(i));
    }
  }
  return ranks;
}

void Run::Start(const std::shared_ptr<::gloo::Context>& context) {
  switch (call_.collective) {
    case Collective::kBarrier:
      return Barrier(context);
    case Collective::kBroadcast:
      return Broadcast(context);
    case Collective::kAllgather:
      return Allgather(context);
    case Collective::kAlltoall:
      return Alltoall(context);
    case Collective::kReduce:
    case Collective::kAllreduce:
      return ReduceElements(context);
    default:
      GLOO_THROW_INVALID_OPERATION_EXCEPTION("no such collective");
  }
}

void Run::Barrier(const std::shared_ptr<::gloo::Context>& context) {
  ::gloo::BarrierOptions options(context);
  options.setTag(number_);
  ::gloo::barrier(options);
}

void Run::Broadcast(const std::shared_ptr<::gloo::Context>& context) {
  ::gloo::BroadcastOptions options(context);
  options.setOutput(Unsigned(call_.recv), static_cast<size_t>(call_.count));
  options.setRoot(call_.root);
  options.setTag(number_);
  ::gloo::broadcast(options);
}

/// Gloo's blocks lie one after the other; others go through a copy.
void Run::Allgather(const std::shared_ptr<::gloo::Context>& context) {
  const Blocks& blocks = call_.blocks;
  const Blocks in_a_row({blocks.counts().begin(), blocks.counts().end()}, {});
  const auto size = static_cast<Rank>(group_.ranks.size());
  bool direct = true;
  for (Rank rank = 0; rank < size; ++rank) direct = direct && blocks.at(rank) == in_a_row.at(rank);
  std::unique_ptr<std::byte[]> copy;
  if (!direct) copy = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(blocks.total()));
  std::byte* const out = direct ? call_.recv : copy.get();
  const MutableBytes own = in_a_row.of(out, group_.rank);
  if (!own.empty() && own.data() != call_.send) std::memcpy(own.data(), call_.send, own.size());
  ::gloo::AllgathervOptions options(context);
  options.setOutput(Unsigned(out), std::vector<size_t>(blocks.counts().begin(), blocks.counts().end()));
  options.setTag(number_);
  ::gloo::allgatherv(options);
  for (Rank rank = 0; rank < size && !direct; ++rank) {
    const ConstBytes block = in_a_row.of(static_cast<const std::byte*>(out), rank);
    if (!block.empty()) std::memcpy(call_.recv + blocks.at(rank), block.data(), block.size());
  }
}

void Run::Alltoall(const std::shared_ptr<::gloo::Context>& context) {
  const size_t size = static_cast<size_t>(call_.count) * group_.ranks.size();
  ::gloo::AlltoallOptions options(context);
  options.setInput(Unsigned(call_.send), size);
  options.setOutput(Unsigned(call_.recv), size);
  options.setTag(number_);
  ::gloo::alltoall(options);
}

void Run::ReduceElements(const std::shared_ptr<::gloo::Context>& context) {
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
void Run::ReduceAs(const std::shared_ptr<::gloo::Context>& context) {
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
  // Gloo works in the memory of the result, on all ranks.
  const bool has_result = call_.collective == Collective::kAllreduce || group_.rank == call_.root;
  std::unique_ptr<std::byte[]> copy;
  if (!has_result) copy = std::make_unique_for_overwrite<std::byte[]>(count * sizeof(T));
  std::byte* const out = has_result ? call_.recv : copy.get();
  if (call_.send != out) std::memcpy(out, call_.send, count * sizeof(T));
  if (call_.collective == Collective::kReduce) {
    ::gloo::ReduceOptions options(context);
    options.setOutput(reinterpret_cast<T*>(out), count);
    options.setReduceFunction(combine);
    options.setRoot(call_.root);
    options.setTag(number_);
    ::gloo::reduce(options);
  } else {
    ::gloo::AllreduceOptions options(context);
    options.setOutput(reinterpret_cast<T*>(out), count);
    options.setReduceFunction(combine);
    options.setTag(number_);
    ::gloo::allreduce(options);
  }
}

}  // namespace weft::gloo
