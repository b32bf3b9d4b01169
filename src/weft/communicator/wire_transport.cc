#include "weft/communicator/wire_transport.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"
#include "weft/base/signals_blocked.h"
#include "weft/communicator/fork_generation.h"
#include "weft/communicator/timing.h"

namespace weft {
namespace {

/// FNV-1a (Fowler, Noll, Vo).
uint32_t HashJob(const std::string& job) {
  uint32_t hash = 2166136261U;
  for (const char c : job) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
  return hash;
}

}  // namespace

arrow::Result<std::unique_ptr<Transport>> WireTransport::Make(std::unique_ptr<Wire> wire,
                                                              const WireTransportOptions& options) {
  if (wire == nullptr && options.world_size > 1) return arrow::Status::Invalid(options.name, ": no wire");
  std::unique_ptr<WireTransport> transport(new WireTransport(std::move(wire), options));
  ARROW_RETURN_NOT_OK(transport->Start(options));
  return transport;
}

WireTransport::WireTransport(std::unique_ptr<Wire> wire, const WireTransportOptions& options)
    : generation_(ForkGeneration()),
      spin_(options.world_size > 1 && options.world_size <= static_cast<int>(std::thread::hardware_concurrency())),
      wire_(std::move(wire)),
      self_(options.rank, options.world_size, &context_.ledger) {
  context_.rank = options.rank;
  context_.world_size = options.world_size;
  context_.job = HashJob(options.job);
  context_.wire = wire_.get();
}

arrow::Status WireTransport::Start(const WireTransportOptions& options) {
  last_timers_ = Clock::now();
  links_.resize(static_cast<size_t>(world_size()));
  if (world_size() == 1) return arrow::Status::OK();  // no one to talk to
  for (Rank peer = 0; peer < world_size(); ++peer) {
    if (peer != rank()) links_[static_cast<size_t>(peer)] = std::make_unique<WireLink>(&context_, peer);
  }
  ARROW_RETURN_NOT_OK(Greet(options));
  const SignalsBlocked blocked;
  try {
    io_ = std::thread([this] { RunIo(); });
    ::pthread_setname_np(io_.native_handle(), ("weft-" + options.name).substr(0, 15).c_str());
  } catch (const std::system_error& error) {
    return arrow::Status::IOError(options.name, ": no I/O thread: ", error.what());
  }
  return arrow::Status::OK();
}

arrow::Status WireTransport::Greet(const WireTransportOptions& options) {
  using namespace std::chrono_literals;
  const auto begin = Clock::now();
  for (const auto& link : links_) {
    if (link == nullptr) continue;
    FaultPoint(FaultPhase::kHandshake);
    link->SayHello();
  }
  Lock lock(mutex_);
  for (;;) {
    Poll();
    ARROW_RETURN_NOT_OK(failure_);
    Rank missing = -1;
    bool all_sent = true;
    for (const auto& link : links_) {
      if (link == nullptr) continue;
      if (!link->greeted() && missing < 0) missing = link->peer();
      if (link->greeted() && link->info().link_seconds == 0) {
        link->mutable_info()->link_seconds = Seconds(Clock::now() - begin);
        link->mutable_info()->tries = 1;
        if (options.met) options.met(link->peer());
        FaultPoint(FaultPhase::kHandshake);
      }
      all_sent = all_sent && link->quiet();
    }
    if (missing < 0 && all_sent) return arrow::Status::OK();
    if (options.deadline.Passed()) {
      return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                     .operation = "init",
                                     .phase = "connect",
                                     .rank = rank(),
                                     .peer = missing,
                                     .elapsed = Clock::now() - begin},
                                    "rank " + std::to_string(missing) + " has not been heard of over " + wire_->path() +
                                        "; can this host reach its address " + wire_->address(std::max(missing, 0)) +
                                        "?");
    }
    lock.unlock();
    wire_->Wait(ShortenWait(options.deadline.LeftUpTo(20ms)));
    if (options.check_interrupt) ARROW_RETURN_NOT_OK(options.check_interrupt());
    lock.lock();
  }
}

WireTransport::~WireTransport() {
  if (ForkGeneration() == generation_) {
    (void)Close(Deadline::After(Duration::zero()));
    return;
  }
  // A forked child has neither the threads nor any right to the links; what it holds ends with it.
  if (io_.joinable()) io_.detach();
  (void)wire_.release();
  (void)stand_by_.release();  // its destructor would wait for the thread
  new WireContext(std::move(context_));
}

arrow::Status WireTransport::CheckCall(Rank peer) const {
  if (ForkGeneration() != generation_) {
    return arrow::Status::Invalid(
        "this communicator belongs to the process that was forked; make a new one in the child");
  }
  if (peer < 0 || peer >= world_size()) {
    return arrow::Status::Invalid("rank ", peer, " is not in this world of ", world_size());
  }
  return arrow::Status::OK();
}

arrow::Result<OperationPtr> WireTransport::Send(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) {
  ARROW_RETURN_NOT_OK(CheckCall(to));
  auto operation = std::make_shared<Operation>();
  operation->is_send = true;
  operation->peer = to;
  operation->tag = tag;
  operation->send_parts = std::move(parts);
  for (const ConstBytes& part : operation->send_parts) operation->size += static_cast<int64_t>(part.size());
  operation->send_cursor = PartCursor<ConstBytes>(&operation->send_parts);
  operation->owner = std::move(owner);
  return Begin(operation);
}

arrow::Result<OperationPtr> WireTransport::Recv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) {
  ARROW_RETURN_NOT_OK(CheckCall(from));
  auto operation = std::make_shared<Operation>();
  operation->peer = from;
  operation->tag = tag;
  operation->recv_parts = std::move(parts);
  for (const MutableBytes& part : operation->recv_parts) operation->size += static_cast<int64_t>(part.size());
  operation->recv_cursor = PartCursor<MutableBytes>(&operation->recv_parts);
  operation->owner = std::move(owner);
  return Begin(operation);
}

arrow::Result<OperationPtr> WireTransport::Begin(const OperationRef& operation) {
  std::vector<Owner> released;  // let go of without the mutex
  const Lock lock(mutex_);
  if (closing_) return arrow::Status::Invalid("this communicator is closed");
  if (!failure_.ok()) return failure_;
  operation->started = Clock::now();
  if (context_.ledger.pending++ == 0) wait_began_ = operation->started;
  if (operation->peer == rank()) {
    operation->is_send ? self_.Send(operation) : self_.Recv(operation);
  } else {
    WireLink& link = *links_[static_cast<size_t>(operation->peer)];
    const arrow::Status status = operation->is_send ? link.Send(operation) : link.Recv(operation);
    if (!status.ok()) {
      context_.ledger.Complete(*operation, status, 0);
      Check(status);
    }
  }
  released.swap(context_.ledger.released);
  return operation;
}

arrow::Status WireTransport::Progress(Duration max_wait) {
  ARROW_RETURN_NOT_OK(CheckCall(rank()));
  std::vector<Owner> released;
  const Deadline deadline = Deadline::After(max_wait);
  Lock lock(mutex_);
  if (closing_) return arrow::Status::Invalid("this communicator is closed");
  driver_present_ = true;
  ++driver_comes_;
  const bool complete = context_.ledger.completed > 0 && ++unpolled_ < kMaxUnpolled;
  if (failure_.ok() && !complete) {
    unpolled_ = 0;
    Drive(lock, deadline);
  }
  context_.ledger.completed = 0;
  driver_present_ = false;
  driver_left_ = Clock::now();
  if (deep_stand_by_) stand_by_->notify_one();
  released.swap(context_.ledger.released);
  return failure_;
}

void WireTransport::Cancel(const OperationPtr& operation) {
  if (!CheckCall(rank()).ok()) return;
  std::vector<Owner> released;
  const Lock lock(mutex_);
  const auto own = std::dynamic_pointer_cast<Operation>(operation);
  if (own == nullptr || own->done()) return;
  CommunicationError error;
  error.failure = CommunicationFailure::kCancelled;
  error.operation = own->is_send ? "send" : "recv";
  error.rank = rank();
  error.peer = own->peer;
  error.bytes = own->moved;
  error.elapsed = Clock::now() - own->started;
  const arrow::Status status = MakeCommunicationError(std::move(error), "given up by this rank");
  if (own->peer == rank()) {
    self_.Cancel(*own, status);
  } else {
    links_[static_cast<size_t>(own->peer)]->Cancel(*own, status);
  }
  released.swap(context_.ledger.released);
}

void WireTransport::Abort(const arrow::Status& cause) {
  if (!CheckCall(rank()).ok() || cause.ok()) return;
  const Lock lock(mutex_);
  if (failure_.ok() && !closing_) Fail(cause, false);
}

arrow::Status WireTransport::failure() const {
  if (ForkGeneration() != generation_) return CheckCall(rank());
  const Lock lock(mutex_);
  return failure_;
}

void WireTransport::SetHeartbeat(std::function<std::string()> make,
                                 std::function<arrow::Status(Rank, std::string_view)> check) {
  const Lock lock(mutex_);
  make_heartbeat_ = std::move(make);
  check_heartbeat_ = std::move(check);
}

std::vector<LinkInfo> WireTransport::links() const {
  std::vector<LinkInfo> infos;
  if (ForkGeneration() != generation_) return infos;
  const Lock lock(mutex_);
  for (const auto& link : links_) {
    infos.push_back(link == nullptr ? self_.info() : link->info());
    infos.back().left = link != nullptr && link->peer_left();
  }
  return infos;
}

arrow::Status WireTransport::Close(Deadline deadline) {
  ARROW_RETURN_NOT_OK(CheckCall(rank()));
  std::vector<Owner> released;
  Lock lock(mutex_);
  if (closed_) return arrow::Status::OK();
  if (!closing_) {
    closing_ = true;
    CommunicationError error;
    error.failure = CommunicationFailure::kCancelled;
    error.rank = rank();
    const arrow::Status status = MakeCommunicationError(std::move(error), "the communicator was closed");
    self_.CompleteAll(status);
    if (failure_.ok()) {
      for (const auto& link : links_) {
        if (link != nullptr) link->Leave(status);
      }
    } else {
      deadline = Earlier(deadline, Deadline::After(kAbortLinger));
    }
  }
  if (wire_ != nullptr) WaitForPeers(lock, deadline);
  stop_ = true;
  stand_by_->notify_all();
  if (wire_ != nullptr) wire_->Wake();
  lock.unlock();
  if (io_.joinable()) io_.join();
  lock.lock();
  if (wire_ != nullptr) wire_->Close();
  for (auto& [cookie, piece] : context_.pieces) context_.ledger.released.push_back(std::move(piece.owner));
  context_.pieces.clear();
  closed_ = true;
  released.swap(context_.ledger.released);
  return arrow::Status::OK();
}

}  // namespace weft
