// The stages of an operation.
#include <algorithm>
#include <utility>

#include "weft/backends/mpi/mpi_world.h"
#include "weft/base/communication_error.h"
#include "weft/bootstrap/mpi_process.h"

namespace weft::mpi {
namespace {

using namespace std::chrono_literals;
using Stage = Operation::Stage;

/// How long a rank that sees only that something is wrong waits for one that knows what.
constexpr Duration kExplain = 2s;
/// Messages that were sent before a goodbye may come after it; not so late.
constexpr Duration kStragglers = 500ms;

/// Operations that were given up and that MPI still has, of the whole process. Under the process lock.
std::vector<std::shared_ptr<Operation>>& Remains() {
  static auto* const remains = new std::vector<std::shared_ptr<Operation>>;
  return *remains;
}

/// True when nothing of it is with MPI any more.
bool LetGo(Operation& operation) {
  std::erase_if(operation.requests, [](MPI_Request& request) {
    int done = 0;
    // An error ends a request too.
    return MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done != 0;
  });
  if (!operation.requests.empty()) return false;
  operation.Release();
  return true;
}

}  // namespace

void TidyRemains() {
  std::erase_if(Remains(), [](const auto& operation) { return LetGo(*operation); });
}

arrow::Status MpiWorld::Wrap(const Operation& operation, const arrow::Status& status) {
  return OperationError(operation.name, operation.context->rank, operation.peer, operation.begin, status);
}

bool MpiWorld::Advance(Operation& operation) {
  if (operation.done()) return true;
  arrow::Status failed = operation.context->failure();
  if (failed.ok() && failed_.load(std::memory_order_relaxed)) {
    failed = Wrap(operation, failure());
    operation.context->Fail(failed);
  }
  if (!failed.ok()) {
    Abandon(operation);
    Finish(operation, std::move(failed));
    return true;
  }
  bool moved = true;
  while (moved && !operation.done()) {
    moved = false;
    const arrow::Status problem = AdvanceStage(operation, &moved);
    if (problem.ok()) continue;
    const arrow::Status wrapped = Wrap(operation, problem);
    if (operation.stage == Stage::kAgreeing && IsCommunicationError(problem, CommunicationFailure::kMismatch)) {
      // Every rank comes to the same error by itself; telling them would only replace it.
      operation.context->Fail(wrapped);
      Abandon(operation);
      Finish(operation, wrapped);
    } else {
      FailOperation(operation, wrapped, wrapped);
    }
  }
  return operation.done();
}

void MpiWorld::AdvanceStaged() {
  for (size_t i = 0; i < active_.size(); ++i) {
    if (active_[i]->staged()) Advance(*active_[i]);
  }
}

arrow::Status MpiWorld::AdvanceStage(Operation& operation, bool* moved) {
  switch (operation.stage) {
    case Stage::kAgreeing:
      ARROW_RETURN_NOT_OK(TestRequests(operation, moved));
      if (!*moved) return arrow::Status::OK();
      ARROW_RETURN_NOT_OK(CheckAlike(operation.context->rank, operation.calls));
      operation.stage = Stage::kQueued;
      return arrow::Status::OK();
    case Stage::kQueued:
      return Launch(operation, moved);
    case Stage::kRunning:
      ARROW_RETURN_NOT_OK(TestRequests(operation, moved));
      return *moved && operation.stage == Stage::kRunning ? EndRun(operation) : arrow::Status::OK();
    case Stage::kConfirming:
      ARROW_RETURN_NOT_OK(TestRequests(operation, moved));
      return *moved ? EndConfirmation(operation) : arrow::Status::OK();
    case Stage::kExplaining:
      if (Clock::now() < operation.explained_by) return arrow::Status::OK();
      return MakeCommunicationError(
          {.failure = CommunicationFailure::kMismatch, .phase = "payload"},
          operation.reduction.function != nullptr
              ? std::string("the reduce function failed on another rank, which did not say how")
              : "a block was longer than rank " + std::to_string(operation.context->rank) +
                    " expects; all ranks must give agreeing counts");
    case Stage::kDone:
      break;
  }
  return arrow::Status::OK();
}

arrow::Status MpiWorld::Launch(Operation& operation, bool* moved) {
  auto& queue = operation.context->to_launch;
  if (operation.collective && queue.front().get() != &operation) return arrow::Status::OK();
  if (!operation.collective && operation.receive && !Fits(operation.tag) && !Matched(operation)) {
    return arrow::Status::OK();
  }
  if (operation.collective) queue.pop_front();
  if (operation.out_of_memory()) return arrow::Status::OutOfMemory("no memory for the buffers of an operation");
  ARROW_RETURN_NOT_OK(operation.launch(operation));
  operation.stage = Stage::kRunning;
  *moved = true;
  return arrow::Status::OK();
}

arrow::Status MpiWorld::EndRun(Operation& operation) {
  if (operation.reduction.function != nullptr) {
    const bool well = operation.reduction.function->error().ok();
    operation.flags.resize(operation.context->ranks.size());
    operation.flags[static_cast<size_t>(operation.context->rank)] = well ? 0 : 1;
    operation.stage = Stage::kConfirming;
    return TellAll(operation, Use::kConfirmation, operation.flags.data(), sizeof(int32_t));
  }
  if (!operation.collective) {
    PeerState& peer = operation.context->peers[static_cast<size_t>(operation.peer)];
    (operation.receive ? peer.messages_received : peer.messages_sent) += 1;
    Count(operation.context->ranks[static_cast<size_t>(operation.peer)], operation.receive ? 0 : operation.bytes,
          operation.receive ? operation.received : 0);
  }
  operation.Deliver();
  operation.Release();
  Finish(operation, arrow::Status::OK());
  return arrow::Status::OK();
}

arrow::Status MpiWorld::EndConfirmation(Operation& operation) {
  ARROW_RETURN_NOT_OK(operation.reduction.function->error());
  if (std::any_of(operation.flags.begin(), operation.flags.end(), [](int32_t flag) { return flag != 0; })) {
    // That rank says what it was.
    operation.stage = Stage::kExplaining;
    operation.explained_by = Clock::now() + kExplain;
    return arrow::Status::OK();
  }
  operation.Deliver();
  operation.Release();
  Finish(operation, arrow::Status::OK());
  return arrow::Status::OK();
}

bool MpiWorld::IsFirst(const Operation& operation, const Operation::Awaited& message) const {
  for (const auto& other : active_) {
    if (other.get() == &operation) break;
    if (other->context != operation.context) continue;
    for (const Operation::Awaited& earlier : other->awaited) {
      if (earlier.from == message.from && earlier.tag == message.tag) return false;
    }
  }
  return true;
}

arrow::Status MpiWorld::Receive(Operation& operation) {
  auto& awaited = operation.awaited;
  for (size_t i = 0; i < awaited.size();) {
    const Operation::Awaited message = awaited[i];
    int found = 0;
    MPI_Message matched = MPI_MESSAGE_NULL;
    MPI_Status status;
    // Of several receives of one tag the first to be posted takes the first message.
    if (IsFirst(operation, message)) {
      ARROW_RETURN_NOT_OK(Check(
          MPI_Improbe(message.from, message.tag, operation.context->comm, &found, &matched, &status), "MPI_Improbe"));
    }
    if (found == 0) {
      ++i;
      continue;
    }
    awaited.erase(awaited.begin() + static_cast<std::ptrdiff_t>(i));
    MPI_Count bytes = 0;
    MPI_Get_elements_x(&status, MPI_BYTE, &bytes);
    const bool fits = operation.receive ? bytes <= message.bytes : bytes == message.bytes;
    Typed place = message.place;
    if (!fits) {
      // Its sender is done only when it was taken.
      const std::byte* const aside = operation.Temporary(bytes);
      if (aside == nullptr) return LengthsDiffer(operation, message, bytes);
      ARROW_ASSIGN_OR_RAISE(const Typed made, DescribeBlock(aside, bytes));
      place = operation.Keep(made);
    }
    MPI_Request request = MPI_REQUEST_NULL;
    ARROW_RETURN_NOT_OK(Check(MPI_Imrecv(place.address, place.count, place.type, &matched, &request), "MPI_Imrecv"));
    operation.requests.push_back(request);
    if (!fits) return LengthsDiffer(operation, message, bytes);
    operation.received = bytes;
  }
  return arrow::Status::OK();
}

arrow::Status MpiWorld::LengthsDiffer(const Operation& operation, const Operation::Awaited& message, int64_t bytes) {
  const std::string rank = std::to_string(operation.context->rank);
  const std::string text =
      "rank " + std::to_string(message.from) + " sent " + std::to_string(bytes) + " bytes where rank " + rank +
      (operation.receive ? " takes " + std::to_string(message.bytes) + " at most"
                         : " expects " + std::to_string(message.bytes) + "; all ranks must give agreeing counts");
  return MakeCommunicationError({.failure = CommunicationFailure::kMismatch, .phase = "payload", .peer = message.from},
                                text);
}

arrow::Status MpiWorld::TestRequests(Operation& operation, bool* done) {
  if (!operation.awaited.empty()) ARROW_RETURN_NOT_OK(Receive(operation));
  auto& requests = operation.requests;
  while (!requests.empty()) {
    int complete = 0;
    const int code = MPI_Test(&requests.back(), &complete, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) {
      requests.pop_back();
      ARROW_RETURN_NOT_OK(ExplainError(operation, code));
      *done = true;
      return arrow::Status::OK();
    }
    if (complete == 0) return arrow::Status::OK();
    requests.pop_back();
  }
  *done = operation.awaited.empty();
  return arrow::Status::OK();
}

arrow::Status MpiWorld::ExplainError(Operation& operation, int code) {
  int kind = MPI_ERR_OTHER;
  MPI_Error_class(code, &kind);
  if (kind != MPI_ERR_TRUNCATE) {
    return MakeCommunicationError({.failure = CommunicationFailure::kOther}, Check(code, "MPI").message());
  }
  // MPI does not say how long the other's block was; ranks that compare their calls may find out.
  operation.stage = Stage::kExplaining;
  operation.explained_by = Clock::now() + kExplain;
  beaten_at_ = {};
  SendHeartbeats(Clock::now());
  return arrow::Status::OK();
}

arrow::Status MpiWorld::TellAll(Operation& operation, Use use, void* all, int bytes) {
  const MpiContext& context = *operation.context;
  const int tag = TagFor(use, operation.number);
  auto* const values = static_cast<std::byte*>(all);
  for (Rank peer = 0; peer < static_cast<Rank>(context.ranks.size()); ++peer) {
    if (peer == context.rank) continue;
    MPI_Request request = MPI_REQUEST_NULL;
    ARROW_RETURN_NOT_OK(
        Check(MPI_Irecv(values + peer * bytes, bytes, MPI_BYTE, peer, tag, context.comm, &request), "MPI_Irecv"));
    operation.requests.push_back(request);
    ARROW_RETURN_NOT_OK(Check(
        MPI_Isend(values + context.rank * bytes, bytes, MPI_BYTE, peer, tag, context.comm, &request), "MPI_Isend"));
    operation.requests.push_back(request);
  }
  return arrow::Status::OK();
}

bool MpiWorld::Matched(Operation& operation) {
  MpiContext& context = *operation.context;
  for (;;) {
    int found = 0;
    MPI_Status status;
    LongTag head{};
    if (MPI_Iprobe(MPI_ANY_SOURCE, LongHeadTag(), context.comm, &found, &status) != MPI_SUCCESS || found == 0) break;
    if (MPI_Recv(&head, sizeof(head), MPI_BYTE, status.MPI_SOURCE, LongHeadTag(), context.comm, MPI_STATUS_IGNORE) !=
        MPI_SUCCESS) {
      break;
    }
    head.from = status.MPI_SOURCE;
    context.long_tags.push_back(head);
  }
  // Of several receives of one tag the first to be posted takes the first head.
  for (const auto& other : active_) {
    if (other.get() == &operation) break;
    if (other->context == operation.context && other->stage == Stage::kQueued && other->receive &&
        other->peer == operation.peer && other->tag == operation.tag) {
      return false;
    }
  }
  const auto head = std::find_if(context.long_tags.begin(), context.long_tags.end(), [&](const LongTag& one) {
    return one.from == operation.peer && one.tag == operation.tag;
  });
  if (head == context.long_tags.end()) return false;
  operation.number = head->sequence;
  context.long_tags.erase(head);
  return true;
}

void MpiWorld::Finish(Operation& operation, arrow::Status status) {
  operation.stage = Stage::kDone;
  operation.status = std::move(status);
  MpiContext& context = *operation.context;
  ++context.unseen;
  context.waited = Duration::zero();
  operation.unseen_epoch = context.unseen_epoch;
  if (operation.collective) context.history->End(operation.number);
}

void MpiWorld::FailOperation(Operation& operation, arrow::Status status, const arrow::Status& failed) {
  if (operation.done()) return;
  operation.context->Fail(failed);
  Abandon(operation);
  if (failure().ok()) {
    Set(failed);
    Tell(failed);
  }
  Finish(operation, std::move(status));
}

void MpiWorld::Abandon(Operation& operation) {
  std::erase_if(operation.context->to_launch, [&](const auto& other) { return other.get() == &operation; });
  if (operation.reduction.function != nullptr) operation.reduction.function->Abandon();
  operation.awaited.clear();
  if (operation.receive) {
    for (MPI_Request& request : operation.requests) MPI_Cancel(&request);
  }
  if (LetGo(operation)) return;
  operation.context->dirty = true;
  Remains().push_back(operation.shared_from_this());
}

void MpiWorld::TimeOut(Operation& operation) {
  MpiContext& context = *operation.context;
  std::vector<Rank> peers;
  if (!operation.collective) {
    peers.push_back(operation.peer);
  } else {
    // Those that wait too have said so by heartbeats, if there was time for them.
    peers = context.history->NotSeenAt(operation.number);
    for (Rank peer = 0; peers.empty() && peer < static_cast<Rank>(context.ranks.size()); ++peer) {
      if (peer != context.rank) peers.push_back(peer);
    }
    if (peers.empty()) peers.push_back(context.rank);
  }
  const arrow::Status status = TimedOutError(operation.name, context, peers, operation.begin);
  FailOperation(operation, status, status);
}

void MpiWorld::CheckLeft(Operation& operation, Clock::time_point now) {
  const MpiContext& context = *operation.context;
  Rank lost = -1;
  for (Rank rank = 0; rank < static_cast<Rank>(context.peers.size()); ++rank) {
    const PeerState& peer = context.peers[static_cast<size_t>(rank)];
    if (!peer.left) continue;
    if (operation.collective) {
      if (peer.calls <= operation.number) lost = rank;
    } else if (rank == operation.peer) {
      const bool all_came = operation.receive && peer.messages_received >= peer.messages;
      if (all_came || now - peer.left_at > kStragglers) lost = rank;
    }
  }
  if (lost < 0 || operation.done()) return;
  const arrow::Status status =
      Wrap(operation, MakeCommunicationError({.failure = CommunicationFailure::kPeerLost, .peer = lost},
                                             "rank " + std::to_string(lost) + " has closed the communicator"));
  FailOperation(operation, status, status);
}

void MpiWorld::See(Operation& operation) {
  if (std::exchange(operation.seen, true)) return;
  if (operation.unseen_epoch == operation.context->unseen_epoch) --operation.context->unseen;
}

void MpiWorld::Sweep() {
  std::erase_if(active_, [](const auto& operation) { return operation->done(); });
}

}  // namespace weft::mpi
