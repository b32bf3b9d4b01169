#include "weft/communicator/schedule.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/communicator/native_collectives.h"

namespace weft {

Schedule::Schedule(Rank rank, int size) : rank_(rank), size_(size) {}

Schedule::~Schedule() = default;

void Schedule::Send(Rank to, ConstBytes data) {
  // Only read through: a step has one pair of pointers for all kinds.
  auto* bytes = const_cast<std::byte*>(data.data());
  steps_.push_back({Kind::kSend, to, static_cast<int64_t>(data.size()), bytes, nullptr, {}});
}

void Schedule::Recv(Rank from, MutableBytes data) {
  steps_.push_back({Kind::kRecv, from, static_cast<int64_t>(data.size()), nullptr, data.data(), {}});
}

void Schedule::Copy(ConstBytes from, std::byte* to) {
  if (from.empty() || from.data() == to) return;
  auto* bytes = const_cast<std::byte*>(from.data());
  steps_.push_back({Kind::kCopy, -1, static_cast<int64_t>(from.size()), bytes, to, {}});
}

void Schedule::Combine(std::byte* lower, std::byte* higher, std::byte* out, int64_t count) {
  if (count == 0) return;
  steps_.push_back({Kind::kCombine, -1, count, lower, higher, {out}});
}

void Schedule::AddCheck(Check check, ConstBytes data) {
  auto* bytes = const_cast<std::byte*>(data.data());
  Step step{Kind::kCheck, -1, static_cast<int64_t>(data.size()), bytes, nullptr, {}};
  step.check = check;
  steps_.push_back(step);
}

void Schedule::EndRound() { steps_.push_back({Kind::kEndRound, -1, 0, nullptr, nullptr, {}}); }

void Schedule::AddNative(std::unique_ptr<NativeCollective> native) {
  native_ = std::move(native);
  steps_.push_back({Kind::kNative, -1, 0, nullptr, nullptr, {}});
}

MutableBytes Schedule::Temporary(int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  if (size == 0) return {};
  if (size <= sizeof(inline_) - inline_used_) {
    const MutableBytes found(inline_ + inline_used_, size);
    inline_used_ = std::min(sizeof(inline_), (inline_used_ + size + 15) / 16 * 16);
    return found;
  }
  std::unique_ptr<std::byte[]> block(new (std::nothrow) std::byte[size]);
  if (block == nullptr) {
    out_of_memory_ = true;
    return {};
  }
  memory_.push_back(std::move(block));
  return {memory_.back().get(), size};
}

arrow::Status Schedule::RunStep(const Step& step, const Route& route) {
  const auto length = static_cast<size_t>(step.length);
  switch (step.kind) {
    case Kind::kSend: {
      std::vector<ConstBytes> parts;
      if (length > 0) parts.emplace_back(step.a, length);
      const Rank to = (*route.ranks)[static_cast<size_t>(step.peer)];
      ARROW_ASSIGN_OR_RAISE(auto operation, route.transport->Send(to, route.tag, std::move(parts), shared_from_this()));
      if (!operation->done() || !operation->status().ok()) {
        pending_.push_back({std::move(operation), step.peer, step.length});
      }
      return arrow::Status::OK();
    }
    case Kind::kRecv: {
      std::vector<MutableBytes> parts;
      if (length > 0) parts.emplace_back(step.b, length);
      const Rank from = (*route.ranks)[static_cast<size_t>(step.peer)];
      ARROW_ASSIGN_OR_RAISE(auto operation,
                            route.transport->Recv(from, route.tag, std::move(parts), shared_from_this()));
      pending_.push_back({std::move(operation), step.peer, step.length});
      return arrow::Status::OK();
    }
    case Kind::kCopy:
      std::memmove(step.b, step.a, length);
      return arrow::Status::OK();
    case Kind::kCombine:
      return reducer_.Combine(step.a, step.b, step.out, step.length);
    case Kind::kCheck: {
      arrow::Status status = step.check(*this, {step.a, length});
      failed_check_ = !status.ok();
      return status;
    }
    case Kind::kNative:
    case Kind::kEndRound:
      break;
  }
  return arrow::Status::OK();
}

arrow::Result<bool> Schedule::PendingDone() {
  for (size_t i = 0; i < pending_.size();) {
    const Pending& pending = pending_[i];
    if (!pending.operation->done()) {
      ++i;
      continue;
    }
    ARROW_RETURN_NOT_OK(pending.operation->status());
    const int64_t bytes = pending.operation->bytes();
    if (receive_message_) received_bytes_ = bytes;
    if (pending.expected >= 0 && bytes != pending.expected) {
      return MakeCommunicationError(
          {.failure = CommunicationFailure::kMismatch, .phase = "payload", .rank = rank_, .peer = pending.peer},
          "rank " + std::to_string(pending.peer) + " sent " + std::to_string(bytes) + " bytes where rank " +
              std::to_string(rank_) + " expects " + std::to_string(pending.expected) +
              "; all ranks must give agreeing counts");
    }
    std::swap(pending_[i], pending_.back());
    pending_.pop_back();
  }
  return pending_.empty();
}

arrow::Result<bool> Schedule::Advance(const Route& route) {
  if (out_of_memory_) return arrow::Status::OutOfMemory("no memory for the buffers of a collective");
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool round_done, PendingDone());
    if (!round_done) return false;
    if (native_under_way_) {
      ARROW_ASSIGN_OR_RAISE(const bool native_done, native_->Test());
      if (!native_done) return false;
      native_under_way_ = false;
    }
    if (next_ == steps_.size()) return true;
    while (next_ < steps_.size()) {
      const Step& step = steps_[next_++];
      native_under_way_ = step.kind == Kind::kNative;
      if (step.kind == Kind::kEndRound || native_under_way_) break;
      ARROW_RETURN_NOT_OK(RunStep(step, route));
    }
  }
}

arrow::Status Schedule::StartMessage(const Route& route, Rank peer, bool receive, std::vector<ConstBytes> send_parts,
                                     std::vector<MutableBytes> recv_parts) {
  receive_message_ = receive;
  const Rank other = (*route.ranks)[static_cast<size_t>(peer)];
  OperationPtr operation;
  if (receive) {
    ARROW_ASSIGN_OR_RAISE(operation,
                          route.transport->Recv(other, route.tag, std::move(recv_parts), shared_from_this()));
  } else {
    ARROW_ASSIGN_OR_RAISE(operation,
                          route.transport->Send(other, route.tag, std::move(send_parts), shared_from_this()));
  }
  pending_.push_back({std::move(operation), peer, -1});
  return arrow::Status::OK();
}

void Schedule::CancelPending(Transport& transport) {
  for (const Pending& pending : pending_) transport.Cancel(pending.operation);
}

std::vector<Rank> Schedule::PendingPeers() const {
  std::vector<Rank> peers;
  if (native_under_way_) {
    peers = native_->WaitsFor();
    const bool all = peers.empty();
    for (Rank rank = 0; all && rank < size_; ++rank) {
      if (rank != rank_) peers.push_back(rank);
    }
  }
  for (const Pending& pending : pending_) {
    if (!pending.operation->done()) peers.push_back(pending.peer);
  }
  std::sort(peers.begin(), peers.end());
  peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
  return peers;
}

void Schedule::Finish(bool ok) {
  // An operation may hold the last reference to this schedule, and is dropped with pending_.
  const auto self = shared_from_this();
  if (std::exchange(native_under_way_, false)) {
    const std::unique_ptr<NativeCollective> native = std::move(native_);
    native->Abandon(self);
  }
  steps_.clear();
  next_ = 0;
  pending_.clear();
  if (ok) owner_.reset();
}

}  // namespace weft
