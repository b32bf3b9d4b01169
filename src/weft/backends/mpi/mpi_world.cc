#include "weft/backends/mpi/mpi_world.h"

#include <sched.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/bootstrap/mpi_process.h"

namespace weft::mpi {
namespace {

using namespace std::chrono_literals;

/// Signals are looked for after each of these.
constexpr Duration kSlice = 50ms;
/// How often a wait looks for what the others have to say.
constexpr Duration kLook = 1ms;
/// A wait so long, and each further second, is told to the others.
constexpr Duration kHeartbeat = 1s;
/// Tests while the lock is held.
constexpr int kBurst = 16;

/// What a wait does between tests. MPI moves data only while it is called: while data may still flow it is called as
/// often as other processes of this host let us; then the other side is late, and the core is given up. Where there are
/// more ranks than cores, Open MPI yields by itself from the first call on.
class Pause {
 public:
  explicit Pause(int64_t bytes)
      : patience_(2ms + std::chrono::nanoseconds(20 * bytes)), longest_(bytes > (1 << 16) ? 200us : 1000us) {}

  void Rest(Duration waited) const {
    if (waited < 200us) return;
    if (waited < patience_) {
      ::sched_yield();
    } else {
      std::this_thread::sleep_for(std::min<Duration>(longest_, waited / 20));
    }
  }

 private:
  const Duration patience_;
  const Duration longest_;
};

}  // namespace

MpiWorld::MpiWorld(MPI_Comm control, Rank rank, int size)
    : control_(control), rank_(rank), size_(size), beats_(static_cast<size_t>(size)) {
  for (Rank peer = 0; peer < size; ++peer) {
    links_.emplace_back();
    links_.back().peer = peer;
    links_.back().path = peer == rank ? "self" : "mpi";
  }
  const std::lock_guard lock(ProcessLock());
  void* bound = nullptr;
  int found = 0;
  MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &bound, &found);
  if (found != 0) tag_bound_ = *static_cast<const int*>(bound);
}

MpiWorld::~MpiWorld() {
  // Control is freed by CloseControl, where all ranks came to it; else messages may still be on their way in it.
}

int MpiWorld::TagFor(Use use, uint32_t number) const {
  const int width = tag_bound_ / 8 - 1;
  return tag_bound_ / 2 + static_cast<int>(use) * width + static_cast<int>(number % static_cast<uint32_t>(width));
}

void MpiWorld::AddContext(const std::shared_ptr<MpiContext>& context) {
  const std::lock_guard lock(ProcessLock());
  context->history = std::make_shared<CallHistory>(context->rank, context->ranks);
  context->peers.resize(context->ranks.size());
  histories_.Add(context->id, context->history);
  contexts_.push_back(context);
}

arrow::Status MpiWorld::RemoveContext(const std::shared_ptr<MpiContext>& context, Deadline deadline) {
  if (context->closed.exchange(true) || !IsUsable()) return arrow::Status::OK();
  {
    const std::lock_guard lock(ProcessLock());
    histories_.Remove(context->id);
    for (const auto& operation : active_) {
      if (operation->context != context || Advance(*operation)) continue;
      const auto cancelled = Wrap(
          *operation, MakeCommunicationError({.failure = CommunicationFailure::kCancelled}, "closed while under way"));
      FailOperation(*operation, cancelled, cancelled);
    }
    Sweep();
    std::erase(contexts_, context);
    if (failure().ok() && context->failure().ok()) {
      SayGoodbye(*context);
      leaving_.push_back(context);
    }
  }
  // After a failure nobody can leave in good order, and everybody has been told.
  while (failure().ok() && context->failure().ok()) {
    {
      const std::lock_guard lock(ProcessLock());
      LookAround(Clock::now());
      if (std::find(leaving_.begin(), leaving_.end(), context) == leaving_.end()) break;
    }
    if (deadline.Passed()) break;
    if (context->options.check_interrupt && !context->options.check_interrupt().ok()) break;
    std::this_thread::sleep_for(100us);
  }
  if (contexts_.empty() && leaving_.empty() && failure().ok()) CloseControl(deadline);
  return arrow::Status::OK();
}

void MpiWorld::Start(const std::shared_ptr<Operation>& operation) {
  const std::lock_guard lock(ProcessLock());
  if (operation->begin - looked_at_ > 10ms) LookAround(operation->begin);
  Operation& started = *operation;
  if (started.collective) {
    started.context->history->Begin(started.number, started.call);
    started.context->to_launch.push_back(operation);
    if (started.context->options.check_collectives && started.context->ranks.size() > 1) {
      started.calls.resize(started.context->ranks.size());
      started.calls[static_cast<size_t>(started.context->rank)] = started.call;
      started.stage = Operation::Stage::kAgreeing;
      const arrow::Status told = TellAll(started, Use::kAgreement, started.calls.data(), sizeof(CollectiveCall));
      if (!told.ok()) FailOperation(started, Wrap(started, told), Wrap(started, told));
    }
  }
  if (!Advance(started)) active_.push_back(operation);
}

arrow::Result<bool> MpiWorld::Test(Operation& operation) {
  const std::lock_guard lock(ProcessLock());
  if (!operation.done()) {
    const auto now = Clock::now();
    if (now - looked_at_ > kLook) LookAround(now);
    AdvanceStaged();
    if (!Advance(operation)) CheckLeft(operation, now);
    Sweep();
  }
  if (!operation.done()) return false;
  See(operation);
  ARROW_RETURN_NOT_OK(operation.status);
  return true;
}

arrow::Status MpiWorld::Wait(Operation& operation) {
  const CommunicatorOptions& options = operation.context->options;
  const Pause pause(operation.bytes);
  const Deadline deadline = Deadline::After(options.timeout);
  const auto begin = Clock::now();
  auto now = begin;
  auto next_look = begin + kLook;
  auto next_check = begin + kSlice;
  for (;;) {
    {
      const std::lock_guard lock(ProcessLock());
      for (int i = 0; i < kBurst && !Advance(operation); ++i) AdvanceStaged();
      if (!operation.done() && now >= next_look) {
        next_look = now + kLook;
        LookAround(now);
        if (now - begin >= kHeartbeat) SendHeartbeats(now);
        if (!Advance(operation)) CheckLeft(operation, now);
      }
      if (!operation.done() && !deadline.infinite() && now >= deadline.when()) TimeOut(operation);
      if (operation.done()) {
        See(operation);
        Sweep();
        return operation.status;
      }
    }
    pause.Rest(now - begin);
    now = Clock::now();
    if (now < next_check) continue;
    next_check = now + kSlice;
    if (!options.check_interrupt) continue;
    const arrow::Status interrupted = options.check_interrupt();
    if (interrupted.ok()) continue;
    const std::lock_guard lock(ProcessLock());
    FailOperation(
        operation, interrupted,
        Wrap(operation, MakeCommunicationError({.failure = CommunicationFailure::kCancelled}, interrupted.message())));
  }
}

void MpiWorld::Cancel(Operation& operation, const std::string& why) {
  if (!IsUsable()) return;
  const std::lock_guard lock(ProcessLock());
  if (Advance(operation)) {
    Sweep();
    return;
  }
  const arrow::Status cancelled =
      Wrap(operation, MakeCommunicationError({.failure = CommunicationFailure::kCancelled}, why));
  FailOperation(operation, cancelled, cancelled);
  Sweep();
}

arrow::Status MpiWorld::Progress(const std::shared_ptr<MpiContext>& context, Duration max_wait) {
  const Deadline deadline = Deadline::After(max_wait);
  const Pause pause(1 << 17);
  const auto begin = Clock::now();
  auto now = begin;
  auto next_look = begin;
  auto next_check = begin + kSlice;
  bool passed = false;
  for (;;) {
    {
      const std::lock_guard lock(ProcessLock());
      const bool look = now >= next_look;
      if (look) {
        next_look = now + kLook;
        LookAround(now);
        if (context->waited >= kHeartbeat) SendHeartbeats(now);
      }
      Operation* waits = nullptr;
      for (const auto& operation : active_) {
        if (Advance(*operation) || operation->context != context) continue;
        if (look) CheckLeft(*operation, now);
        if (waits == nullptr && !operation->done()) waits = operation.get();
      }
      if (waits == nullptr) context->waited = Duration::zero();
      if (waits != nullptr && context->waited >= context->options.timeout) TimeOut(*waits);
      Sweep();
      ARROW_RETURN_NOT_OK(context->failure());
      ARROW_RETURN_NOT_OK(failure());
      if (context->unseen > 0 || passed) {
        context->unseen = 0;
        ++context->unseen_epoch;
        return arrow::Status::OK();
      }
    }
    if (max_wait > Duration::zero()) pause.Rest(now - begin);
    const auto before = std::exchange(now, Clock::now());
    context->waited += now - before;
    passed = !deadline.infinite() && now >= deadline.when();
    if (now < next_check) continue;
    next_check = now + kSlice;
    if (!context->options.check_interrupt) continue;
    const arrow::Status interrupted = context->options.check_interrupt();
    if (interrupted.ok()) continue;
    const arrow::Status cancelled = MakeCommunicationError(
        {.failure = CommunicationFailure::kCancelled, .operation = "progress", .rank = context->rank},
        interrupted.message());
    context->Fail(cancelled);
    Abort(cancelled);
    return interrupted;
  }
}

std::vector<LinkInfo> MpiWorld::links() const {
  const std::lock_guard lock(ProcessLock());
  return links_;
}

void MpiWorld::Count(Rank peer, int64_t sent, int64_t received) {
  LinkInfo& link = links_[static_cast<size_t>(peer)];
  link.bytes_sent += sent;
  link.bytes_received += received;
  link.messages_sent += sent > 0 ? 1 : 0;
  link.messages_received += received > 0 ? 1 : 0;
}

}  // namespace weft::mpi
