#include "weft/backends/tcp/tcp_transport.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "weft/backends/tcp/address.h"
#include "weft/backends/tcp/relinker.h"
#include "weft/backends/tcp/timing.h"
#include "weft/base/communication_error.h"
#include "weft/base/open_files.h"
#include "weft/base/signals_blocked.h"
#include "weft/communicator/fork_generation.h"

namespace weft::tcp {
namespace {

arrow::Status SystemError(const char* what) { return arrow::Status::IOError("tcp: ", what, ": ", ErrnoText(errno)); }

int Cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace

arrow::Result<std::unique_ptr<Transport>> TcpTransport::Make(Rank rank, std::vector<LinkedPeer> peers) {
  return Make(rank, std::move(peers), nullptr, /*shared_bytes=*/0);
}

arrow::Result<std::unique_ptr<Transport>> TcpTransport::Make(Rank rank, std::vector<LinkedPeer> peers,
                                                             std::unique_ptr<Relinker> relinker, int64_t shared_bytes) {
  std::unique_ptr<TcpTransport> transport(new TcpTransport(rank, static_cast<int>(peers.size()), shared_bytes));
  ARROW_RETURN_NOT_OK(transport->Start(std::move(peers), std::move(relinker)));
  return transport;
}

TcpTransport::TcpTransport(Rank rank, int world_size, int64_t shared_bytes)
    : generation_(ForkGeneration()), self_(rank, world_size, &context_.ledger) {
  context_.rank = rank;
  context_.world_size = world_size;
  context_.stage.resize(kStageSize);
  context_.shared_bytes = shared_bytes;
}

arrow::Status TcpTransport::Start(std::vector<LinkedPeer> peers, std::unique_ptr<Relinker> relinker) {
  poll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (!poll_.valid()) return SystemError("epoll_create1");
  wake_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return SystemError("eventfd");
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u32 = kWakeSlot;
  if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) return SystemError("epoll_ctl");
  slots_.resize(peers.size());
  int ranks_here = 1;
  for (size_t i = 0; i < peers.size(); ++i) {
    if (static_cast<Rank>(i) == rank()) continue;
    slots_[i].link = std::make_unique<Link>(&context_, std::move(peers[i].info), std::move(peers[i].stream));
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(i);
    if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, slots_[i].link->descriptor(), &event) != 0) {
      return SystemError("epoll_ctl");
    }
    slots_[i].interest = EPOLLIN;
    slots_[i].polled = true;
    ranks_here += OnThisHost(slots_[i].link->descriptor()) ? 1 : 0;
  }
  // A rank that spins where another waits for the core makes both wait.
  if (ranks_here <= Cores()) spin_ = kSpin;
  last_timers_ = Clock::now();
  if (peers.size() == 1) return arrow::Status::OK();  // no one to talk to
  if (relinker != nullptr) {
    ARROW_RETURN_NOT_OK(relinker->Start());
    event.data.u32 = kRemadeSlot;
    if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, relinker->descriptor(), &event) != 0) return SystemError("epoll_ctl");
    relinker_ = std::move(relinker);
    context_.remakes = true;
  }
  {
    const Lock lock(mutex_);
    FlushAll();
  }
  return StartThread();
}

arrow::Status TcpTransport::StartThread() {
  const SignalsBlocked blocked;
  try {
    io_ = std::thread([this] { RunIo(); });
    ::pthread_setname_np(io_.native_handle(), "weft-tcp");
  } catch (const std::system_error& error) {
    return arrow::Status::IOError("tcp: no I/O thread: ", error.what());
  }
  return arrow::Status::OK();
}

TcpTransport::~TcpTransport() {
  if (ForkGeneration() == generation_) {
    (void)Close(Deadline::After(Duration::zero()));
    return;
  }
  // A forked child has neither the thread nor any right to the links; what it holds ends with it.
  if (io_.joinable()) io_.detach();
  new std::vector<Slot>(std::move(slots_));
  (void)stand_by_.release();  // its destructor would wait for the thread
  Relinker::Abandon(std::move(relinker_));
}

arrow::Status TcpTransport::CheckCall(Rank peer) const {
  if (ForkGeneration() != generation_) {
    return arrow::Status::Invalid(
        "this communicator belongs to the process that was forked; make a new one in the child");
  }
  if (peer < 0 || peer >= world_size()) {
    return arrow::Status::Invalid("rank ", peer, " is not in this world of ", world_size());
  }
  return arrow::Status::OK();
}

arrow::Result<OperationPtr> TcpTransport::Send(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) {
  ARROW_RETURN_NOT_OK(CheckCall(to));
  auto operation = std::make_shared<Operation>();
  operation->is_send = true;
  operation->peer = to;
  operation->tag = tag;
  operation->send_parts = std::move(parts);
  for (const ConstBytes& part : operation->send_parts) operation->size += static_cast<int64_t>(part.size());
  operation->send_cursor = PartCursor<ConstBytes>(&operation->send_parts);
  operation->owner = std::move(owner);
  return Begin(std::move(operation));
}

arrow::Result<OperationPtr> TcpTransport::Recv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) {
  ARROW_RETURN_NOT_OK(CheckCall(from));
  auto operation = std::make_shared<Operation>();
  operation->peer = from;
  operation->tag = tag;
  operation->recv_parts = std::move(parts);
  for (const MutableBytes& part : operation->recv_parts) operation->size += static_cast<int64_t>(part.size());
  operation->recv_cursor = PartCursor<MutableBytes>(&operation->recv_parts);
  operation->owner = std::move(owner);
  return Begin(std::move(operation));
}

arrow::Result<OperationPtr> TcpTransport::Begin(OperationRef operation) {
  std::vector<Owner> released;  // let go of without the mutex
  const Lock lock(mutex_);
  if (closing_) return arrow::Status::Invalid("this communicator is closed");
  if (!failure_.ok()) return failure_;
  operation->started = Clock::now();
  if (context_.ledger.pending++ == 0) wait_began_ = operation->started;
  arrow::Status status;
  if (operation->peer == rank()) {
    operation->is_send ? self_.Send(operation) : self_.Recv(operation);
  } else {
    Slot& slot = slots_[static_cast<size_t>(operation->peer)];
    status = operation->is_send ? slot.link->Send(operation) : slot.link->Recv(operation);
    UpdateInterest(slot);
    if (!status.ok()) {
      context_.ledger.Complete(*operation, status, 0);
      Fail(status, true);
    }
  }
  released.swap(context_.ledger.released);
  return operation;
}

arrow::Status TcpTransport::Progress(Duration max_wait) {
  ARROW_RETURN_NOT_OK(CheckCall(rank()));
  std::vector<Owner> released;
  const Deadline deadline = Deadline::After(max_wait);
  Lock lock(mutex_);
  if (closing_) return arrow::Status::Invalid("this communicator is closed");
  driver_present_ = true;
  ++driver_comes_;
  epoll_event events[64];
  const bool complete = context_.ledger.completed > 0 && ++unpolled_ < kMaxUnpolled;
  while (failure_.ok() && !complete) {
    unpolled_ = 0;
    const Duration wait = context_.ledger.completed > 0 ? Duration::zero() : deadline.LeftUpTo(kTimersWhileWaiting);
    const int count = Poll(lock, spin_, wait, events);
    Handle({events, static_cast<size_t>(count)});
    Settle(lock);
    if (context_.ledger.completed > 0 || deadline.Passed()) break;
  }
  context_.ledger.completed = 0;
  driver_present_ = false;
  driver_left_ = Clock::now();
  if (deep_stand_by_) stand_by_->notify_one();
  released.swap(context_.ledger.released);
  return failure_;
}

void TcpTransport::Cancel(const OperationPtr& operation) {
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
    slots_[static_cast<size_t>(own->peer)].link->Cancel(own, status);
  }
  released.swap(context_.ledger.released);
}

void TcpTransport::Abort(const arrow::Status& cause) {
  if (!CheckCall(rank()).ok() || cause.ok()) return;
  const Lock lock(mutex_);
  if (failure_.ok() && !closing_) Fail(cause, false);
}

arrow::Status TcpTransport::failure() const {
  if (ForkGeneration() != generation_) return CheckCall(rank());
  const Lock lock(mutex_);
  return failure_;
}

void TcpTransport::SetHeartbeat(std::function<std::string()> make,
                                std::function<arrow::Status(Rank, std::string_view)> check) {
  const Lock lock(mutex_);
  make_heartbeat_ = std::move(make);
  check_heartbeat_ = std::move(check);
}

std::vector<LinkInfo> TcpTransport::links() const {
  std::vector<LinkInfo> infos;
  if (ForkGeneration() != generation_) return infos;
  const Lock lock(mutex_);
  for (const Slot& slot : slots_) {
    infos.push_back(slot.link == nullptr ? self_.info() : slot.link->info());
    infos.back().left = slot.link != nullptr && slot.link->peer_left();
  }
  return infos;
}

arrow::Status TcpTransport::Close(Deadline deadline) {
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
      for (Slot& slot : slots_) {
        if (slot.link != nullptr) slot.link->Leave(status);
      }
    } else {
      // Also from a destructor, which gives no time: without it peers would see this rank go and not learn why.
      deadline = Deadline::After(kDrainWithin);
    }
  }
  WaitForPeers(lock, deadline);
  stop_ = true;
  stand_by_->notify_all();
  Wake();
  lock.unlock();
  if (io_.joinable()) io_.join();
  if (relinker_ != nullptr) relinker_->Stop();
  lock.lock();
  for (Slot& slot : slots_) {
    if (slot.link != nullptr) slot.link->Disconnect();
  }
  closed_ = true;
  released.swap(context_.ledger.released);
  return arrow::Status::OK();
}

void TcpTransport::WaitForPeers(Lock& lock, Deadline deadline) {
  const auto settled = [this](const Slot& slot) { return slot.link == nullptr || slot.link->settled(); };
  driver_present_ = true;
  epoll_event events[64];
  FlushAll();
  while (!std::all_of(slots_.begin(), slots_.end(), settled)) {
    const int count = Poll(lock, Duration::zero(), deadline.LeftUpTo(kTimersWhileWaiting), events);
    Handle({events, static_cast<size_t>(count)});
    GiveUpLate(Clock::now());
    if (deadline.Passed()) break;
  }
  driver_present_ = false;
}

}  // namespace weft::tcp
