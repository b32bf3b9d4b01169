#include "weft/communicator/shared_transport.h"

#include <algorithm>
#include <string>
#include <utility>

namespace weft {
namespace {

using namespace std::chrono_literals;

/// How long one wait in the transport may take: signals are looked for in between.
constexpr Duration kSlice = 50ms;
/// The same where several threads take turns on the transport.
constexpr Duration kSharedSlice = 1ms;
/// A library's collective wakes nobody, so it is looked at all the time at first, then ever less often.
constexpr Duration kNativeSpin = 200us;
constexpr Duration kLongestNativeSlice = 1ms;
/// A library's collective that takes longer than this is watched over.
constexpr Duration kNativeWatch = 200ms;
/// What a peer sent for a library's collective before it left may come by another way than its goodbye.
constexpr Duration kLeaverGrace = 1s;

}  // namespace

SharedTransport::SharedTransport(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {
  transport_->SetHeartbeat(
      [histories = histories_] { return histories->MakeHeartbeat(); },
      [histories = histories_](Rank peer, std::string_view text) { return histories->CheckHeartbeat(peer, text); });
}

void SharedTransport::AddContext(const std::shared_ptr<CommunicatorContext>& context) {
  const std::lock_guard turn(turn_);
  context->history = std::make_shared<CallHistory>(context->rank, context->ranks);
  histories_->Add(context->id, context->history);
  ++open_;
}

arrow::Status SharedTransport::RemoveContext(CommunicatorContext& context, Deadline deadline) {
  const std::lock_guard turn(turn_);
  if (context.closed.exchange(true)) return arrow::Status::OK();
  histories_->Remove(context.id);
  const bool healthy = context.failure().ok() && transport_->failure().ok();
  for (const auto& activity : active_) {
    if (activity->context.get() != &context) continue;
    const auto cancelled = Wrap(
        *activity, MakeCommunicationError({.failure = CommunicationFailure::kCancelled}, "closed while under way"));
    FailActivity(*activity, cancelled, cancelled);
  }
  std::erase_if(active_, [](const auto& activity) { return activity->done; });
  if (--open_ > 0) return arrow::Status::OK();
  const arrow::Status status = transport_->Close(deadline);
  // After a failure nobody can leave in good order, and everybody has been told.
  return healthy ? status : arrow::Status::OK();
}

Route SharedTransport::RouteOf(const Activity& activity) const {
  return {transport_.get(), activity.tag, &activity.context->ranks};
}

void SharedTransport::Start(const std::shared_ptr<Activity>& activity, const CollectiveCall& call) {
  const std::lock_guard turn(turn_);
  activity->collective = true;
  activity->context->history->Begin(activity->number, call);
  if (!Advance(*activity)) active_.push_back(activity);
}

void SharedTransport::StartMessage(const std::shared_ptr<Activity>& activity, bool receive,
                                   std::vector<ConstBytes> send_parts, std::vector<MutableBytes> recv_parts) {
  const std::lock_guard turn(turn_);
  const arrow::Status status = activity->schedule->StartMessage(RouteOf(*activity), activity->peer, receive,
                                                                std::move(send_parts), std::move(recv_parts));
  if (!status.ok()) {
    const arrow::Status wrapped = Wrap(*activity, status);
    FailActivity(*activity, wrapped, wrapped);
  } else if (!Advance(*activity)) {
    active_.push_back(activity);
  }
}

bool SharedTransport::Advance(Activity& activity) {
  if (activity.done) return true;
  arrow::Status failure = activity.context->failure();
  if (!failure.ok()) {
    activity.schedule->CancelPending(*transport_);
    Finish(activity, std::move(failure));
    return true;
  }
  const arrow::Result<bool> result = activity.schedule->Advance(RouteOf(activity));
  if (result.ok()) {
    if (!*result) {
      if (activity.schedule->native_under_way()) WatchNative(activity);
      return activity.done;
    }
    Finish(activity, arrow::Status::OK());
    return true;
  }
  const arrow::Status wrapped = Wrap(activity, result.status());
  if (activity.schedule->failed_check()) {
    // Every rank comes to the same error by itself; telling them would only replace it.
    activity.context->Fail(wrapped);
    Finish(activity, wrapped);
  } else {
    FailActivity(activity, wrapped, wrapped);
  }
  return true;
}

void SharedTransport::WatchNative(Activity& activity) {
  const Clock::time_point now = Clock::now();
  if (!activity.native) {
    activity.native = true;
    if (native_under_way_++ == 0) native_began_ = now;
  }
  arrow::Status status = transport_->failure();
  const bool watched = now - activity.begin >= kNativeWatch;
  if (status.ok() && watched && activity.watch == nullptr) {
    auto watch = transport_->Recv(transport_->rank(), activity.tag, {}, nullptr);
    status = watch.status();
    if (watch.ok()) activity.watch = *std::move(watch);
  }
  if (status.ok() && watched && now >= activity.next_look) {
    activity.next_look = now + kNativeWatch;
    status = LookForLeavers(activity, now);
  }
  if (status.ok()) return;
  const arrow::Status wrapped = Wrap(activity, status);
  FailActivity(activity, wrapped, wrapped);
}

arrow::Status SharedTransport::LookForLeavers(Activity& activity, Clock::time_point now) {
  const std::vector<LinkInfo> links = transport_->links();
  for (const Rank peer : activity.schedule->PendingPeers()) {
    if (!links[static_cast<size_t>(activity.context->ranks[static_cast<size_t>(peer)])].left) continue;
    const Clock::time_point since = activity.left.try_emplace(peer, now).first->second;
    if (now - since < kLeaverGrace) continue;
    return MakeCommunicationError({.failure = CommunicationFailure::kPeerLost, .peer = peer},
                                  "rank " + std::to_string(peer) +
                                      " has left the job (closed its communicator) while this rank still waits for it");
  }
  return arrow::Status::OK();
}

arrow::Status SharedTransport::Turn(const CommunicatorContext& context, Duration left) {
  if (context.move_native) context.move_native();
  Duration slice = Slice();
  if (native_under_way_ > 0) {
    const Duration waited = Clock::now() - native_began_;
    const Duration native =
        waited < kNativeSpin ? Duration::zero() : std::min<Duration>(waited / 20, kLongestNativeSlice);
    slice = std::min(slice, native);
    if (slice == Duration::zero()) std::this_thread::yield();
  }
  return transport_->Progress(std::min(left, slice));
}

void SharedTransport::AdvanceAll() {
  bool any_done = false;
  for (const auto& activity : active_) any_done |= Advance(*activity);
  if (any_done) std::erase_if(active_, [](const auto& activity) { return activity->done; });
}

void SharedTransport::Finish(Activity& activity, arrow::Status status) {
  activity.done = true;
  activity.status = std::move(status);
  ++activity.context->unseen;
  activity.context->waited = Duration::zero();
  activity.unseen_epoch = activity.context->unseen_epoch;
  if (activity.collective) activity.context->history->End(activity.number);
  if (std::exchange(activity.native, false)) --native_under_way_;
  if (const OperationPtr watch = std::exchange(activity.watch, nullptr)) transport_->Cancel(watch);
  activity.schedule->Finish(activity.status.ok());
}

void SharedTransport::FailActivity(Activity& activity, arrow::Status status, const arrow::Status& failure) {
  if (activity.done) return;
  activity.context->Fail(failure);
  activity.schedule->CancelPending(*transport_);
  if (transport_->failure().ok()) transport_->Abort(failure);
  Finish(activity, std::move(status));
}

arrow::Status SharedTransport::Wrap(const Activity& activity, const arrow::Status& status) const {
  return OperationError(activity.name, activity.context->rank, activity.peer, activity.begin, status);
}

void SharedTransport::TimeOut(Activity& activity) {
  const std::vector<Rank> peers = activity.schedule->PendingPeers();
  // Done just now: the next Advance sees it.
  if (peers.empty()) return;
  const arrow::Status status = TimedOutError(activity.name, *activity.context, peers, activity.begin);
  FailActivity(activity, status, status);
}

Duration SharedTransport::Slice() {
  const auto self = std::this_thread::get_id();
  std::thread::id none{};
  if (!first_thread_.compare_exchange_strong(none, self) && none != self) several_threads_ = true;
  return several_threads_ && open_ > 1 ? kSharedSlice : kSlice;
}

void SharedTransport::See(Activity& activity) {
  if (std::exchange(activity.seen, true)) return;
  if (activity.unseen_epoch == activity.context->unseen_epoch) --activity.context->unseen;
}

arrow::Result<bool> SharedTransport::Test(Activity& activity) {
  const std::lock_guard turn(turn_);
  if (!activity.done) {
    if (activity.context->move_native) activity.context->move_native();
    [[maybe_unused]] const arrow::Status status = transport_->Progress(Duration::zero());  // shows in the operations
    AdvanceAll();
  }
  if (!activity.done) return false;
  See(activity);
  ARROW_RETURN_NOT_OK(activity.status);
  return true;
}

arrow::Status SharedTransport::Wait(Activity& activity) {
  const CommunicatorOptions& options = activity.context->options;
  Clock::time_point now = Clock::now();
  const Deadline deadline = Deadline::After(options.timeout);
  Clock::time_point next_check = now + kSlice;
  arrow::Status status;
  for (;;) {
    {
      const std::lock_guard turn(turn_);
      AdvanceAll();
      if (!activity.done && !status.ok()) {
        // The transport has failed and yet an operation is not done; nothing more will come.
        const arrow::Status wrapped = Wrap(activity, status);
        FailActivity(activity, wrapped, wrapped);
      }
      if (!activity.done && !deadline.infinite() && now >= deadline.when()) {
        TimeOut(activity);
      }
      if (activity.done) {
        See(activity);
        return activity.status;
      }
      status = Turn(*activity.context, deadline.Left());
    }
    now = Clock::now();
    if (now < next_check) continue;
    next_check = now + kSlice;
    if (!options.check_interrupt) continue;
    const arrow::Status interrupted = options.check_interrupt();
    if (interrupted.ok()) continue;
    const std::lock_guard turn(turn_);
    const arrow::Status cancelled =
        Wrap(activity, MakeCommunicationError({.failure = CommunicationFailure::kCancelled}, interrupted.message()));
    FailActivity(activity, interrupted, cancelled);
  }
}

void SharedTransport::Cancel(Activity& activity, const std::string& why) {
  const std::lock_guard turn(turn_);
  if (activity.done) return;
  const arrow::Status cancelled =
      Wrap(activity, MakeCommunicationError({.failure = CommunicationFailure::kCancelled}, why));
  FailActivity(activity, cancelled, cancelled);
  std::erase_if(active_, [](const auto& other) { return other->done; });
}

void SharedTransport::TimeOutProgress(CommunicatorContext& context) {
  for (const auto& activity : active_) {
    if (activity->context.get() != &context || activity->done) continue;
    TimeOut(*activity);
    return;
  }
  context.waited = Duration::zero();  // nothing is under way
}

arrow::Status SharedTransport::Progress(CommunicatorContext& context, Duration max_wait) {
  const Deadline deadline = Deadline::After(max_wait);
  Clock::time_point now = Clock::now();
  Clock::time_point next_check = now + kSlice;
  bool passed = false;
  for (;;) {
    {
      const std::lock_guard turn(turn_);
      AdvanceAll();
      ARROW_RETURN_NOT_OK(context.failure());
      if (context.unseen > 0 || passed) {
        context.unseen = 0;
        ++context.unseen_epoch;
        return transport_->failure();
      }
      const Clock::time_point begin = Clock::now();
      ARROW_RETURN_NOT_OK(Turn(context, deadline.Left()));
      now = Clock::now();
      context.waited += now - begin;
      if (context.waited >= context.options.timeout) AdvanceAll();
      if (context.waited >= context.options.timeout) TimeOutProgress(context);
    }
    passed = !deadline.infinite() && now >= deadline.when();
    if (now < next_check) continue;
    next_check = now + kSlice;
    if (!context.options.check_interrupt) continue;
    const arrow::Status interrupted = context.options.check_interrupt();
    if (interrupted.ok()) continue;
    const std::lock_guard turn(turn_);
    const arrow::Status cancelled = MakeCommunicationError(
        {.failure = CommunicationFailure::kCancelled, .operation = "progress", .rank = context.rank},
        interrupted.message());
    context.Fail(cancelled);
    if (transport_->failure().ok()) transport_->Abort(cancelled);
    return interrupted;
  }
}

}  // namespace weft
