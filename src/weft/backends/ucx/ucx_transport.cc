#include "weft/backends/ucx/ucx_transport.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/communicator/abort_text.h"
#include "weft/communicator/message_operation.h"

namespace weft::ucx {
namespace {

/// Several parts that are this short in sum are sent as a copy: UCX's fast paths take one piece of memory.
constexpr int64_t kMaxPacked = 4 << 10;

std::atomic<int> fork_generation{0};

/// How many forks lie between the first process and this one.
int ForkGeneration() {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] { fork_generation.fetch_add(1); });
  (void)registered;
  return fork_generation.load(std::memory_order_relaxed);
}

template <typename Bytes>
void* DataOf(const Bytes& part) {
  return const_cast<std::byte*>(static_cast<const std::byte*>(part.data()));
}

/// Drops empty parts, which UCX need not see, and sums up the rest.
template <typename Bytes>
int64_t DropEmpty(std::vector<Bytes>& parts) {
  std::erase_if(parts, [](const Bytes& part) { return part.empty(); });
  int64_t size = 0;
  for (const Bytes& part : parts) size += static_cast<int64_t>(part.size());
  return size;
}

}  // namespace

UcxTransport::UcxTransport(Rank rank, int world_size)
    : generation_(ForkGeneration()), rank_(rank), tags_(world_size), peers_(static_cast<size_t>(world_size)) {
  for (Rank r = 0; r < world_size; ++r) {
    peer(r).info.peer = r;
    peer(r).info.path = r == rank ? "self" : "ucx";
  }
}

arrow::Result<std::unique_ptr<Transport>> UcxTransport::Make(const BackendContext& context) {
  Membership& membership = *context.membership;
  std::unique_ptr<UcxTransport> transport(new UcxTransport(membership.rank(), membership.world_size()));
  ARROW_RETURN_NOT_OK(transport->Link(context));
  transport->linked_ = true;
  ARROW_RETURN_NOT_OK(transport->StartIo());
  return transport;
}

UcxTransport::~UcxTransport() {
  if (ForkGeneration() == generation_) {
    (void)Close(Deadline::After(Duration::zero()));
    return;
  }
  // A forked child has neither the thread nor any right to the links; what it holds ends with it.
  if (io_.joinable()) io_.detach();
  library_.Forget();
  new std::vector<UcxOperationPtr>(std::move(held_));
  (void)stand_by_.release();  // its destructor would wait for the thread
}

arrow::Status UcxTransport::CheckCall(Rank peer) const {
  if (ForkGeneration() != generation_) {
    return arrow::Status::Invalid(
        "this communicator belongs to the process that was forked; make a new one in the child");
  }
  if (peer < 0 || peer >= world_size()) {
    return arrow::Status::Invalid("rank ", peer, " is not in this world of ", world_size());
  }
  return arrow::Status::OK();
}

arrow::Result<OperationPtr> UcxTransport::Send(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) {
  ARROW_RETURN_NOT_OK(CheckCall(to));
  auto operation = std::make_shared<UcxOperation>();
  operation->peer = to;
  operation->tag = tag;
  operation->size = DropEmpty(parts);
  operation->owner = std::move(owner);
  if (parts.empty()) return Start(operation, nullptr, 0, false);
  if (parts.size() == 1) return Start(operation, DataOf(parts[0]), parts[0].size(), false);
  if (operation->size <= kMaxPacked) {
    for (const ConstBytes& part : parts) {
      operation->packed.insert(operation->packed.end(), part.begin(), part.end());
    }
    return Start(operation, operation->packed.data(), operation->packed.size(), false);
  }
  for (const ConstBytes& part : parts) operation->iov.push_back({DataOf(part), part.size()});
  return Start(operation, operation->iov.data(), operation->iov.size(), true);
}

arrow::Result<OperationPtr> UcxTransport::Recv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) {
  ARROW_RETURN_NOT_OK(CheckCall(from));
  auto operation = std::make_shared<UcxOperation>();
  operation->receive = true;
  operation->peer = from;
  operation->tag = tag;
  operation->size = DropEmpty(parts);
  operation->owner = std::move(owner);
  if (parts.empty()) return Start(operation, nullptr, 0, false);
  if (parts.size() == 1) return Start(operation, DataOf(parts[0]), parts[0].size(), false);
  for (const MutableBytes& part : parts) operation->iov.push_back({DataOf(part), part.size()});
  return Start(operation, operation->iov.data(), operation->iov.size(), true);
}

arrow::Result<OperationPtr> UcxTransport::Start(const UcxOperationPtr& operation, void* buffer, size_t count,
                                                bool many) {
  std::vector<Owner> released;
  const Lock lock(mutex_);
  if (closing_) return arrow::Status::Invalid("this communicator is closed");
  if (!failure_.ok()) return failure_;
  UcxOperation& it = *operation;
  const auto tag = tags_.Encode(it.receive ? it.peer : rank_, it.tag);
  if (!tag) {
    return arrow::Status::Invalid("tag ", it.tag, " does not fit in UCX's 64 bits beside the ranks of a world of ",
                                  world_size(), ": too many communicators have been made with Dup and Split");
  }
  it.transport = this;
  it.started = Clock::now();
  Peer& other = peer(it.peer);
  if (pending_++ == 0) wait_began_ = it.started;
  if (!it.receive && (other.left || other.gone)) {
    Fail(LostError(it.peer, "has left the job (closed its communicator)"), true);
    Complete(it, failure_, 0);
    return operation;
  }
  Hold(operation);
  void* const request = Post(it, *tag, buffer, count, many);
  if (!UCS_PTR_IS_PTR(request)) {
    LetGo(it);
    Finish(it, UCS_PTR_STATUS(request), it.size);
  } else if (it.held) {  // else the callback has come already
    it.request = request;
    // All that a peer sent before its goodbye has come before it.
    if (it.receive && other.left) {
      Fail(LostError(it.peer, "has left the job (closed its communicator) before its message was sent"), true);
    }
  }
  released.swap(released_);
  return operation;
}

void* UcxTransport::Post(UcxOperation& operation, uint64_t tag, void* buffer, size_t count, bool many) {
  ucp_request_param_t param = {};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_DATATYPE;
  param.datatype = many ? ucp_dt_make_iov() : ucp_dt_make_contig(1);
  param.user_data = &operation;
  if (operation.receive) {
    // Without a callback UCX 1.13 does not say how long a message is that was there already.
    param.op_attr_mask |= UCP_OP_ATTR_FLAG_NO_IMM_CMPL;
    param.cb.recv = &OnReceived;
    return ucp_tag_recv_nbx(library_.worker(), buffer, count, tag, ~ucp_tag_t{0}, &param);
  }
  param.cb.send = &OnSent;
  return ucp_tag_send_nbx(peer(operation.peer).endpoint, buffer, count, tag, &param);
}

void UcxTransport::Hold(const UcxOperationPtr& operation) {
  operation->held = true;
  operation->index = held_.size();
  held_.push_back(operation);
}

UcxOperationPtr UcxTransport::LetGo(UcxOperation& operation) {
  UcxOperationPtr self = std::move(held_[operation.index]);
  if (operation.index + 1 != held_.size()) {
    held_.back()->index = operation.index;
    held_[operation.index] = std::move(held_.back());
  }
  held_.pop_back();
  operation.held = false;
  operation.request = nullptr;
  if (operation.owner) released_.push_back(std::move(operation.owner));
  return self;
}

void UcxTransport::Complete(UcxOperation& operation, arrow::Status status, int64_t bytes) {
  if (operation.done()) return;
  --pending_;
  ++completed_;
  operation.Complete(std::move(status), bytes);
}

/// UCX has let go of the operation.
void UcxTransport::Finish(UcxOperation& operation, ucs_status_t status, int64_t bytes) {
  if (operation.done()) return;
  LinkInfo& info = peer(operation.peer).info;
  if (status == UCS_OK) {
    (operation.receive ? info.bytes_received : info.bytes_sent) += bytes;
    (operation.receive ? info.messages_received : info.messages_sent) += 1;
    return Complete(operation, arrow::Status::OK(), bytes);
  }
  if (status == UCS_ERR_MESSAGE_TRUNCATED && operation.receive) {
    return Complete(operation,
                    MakeCommunicationError({.failure = CommunicationFailure::kMismatch,
                                            .operation = "recv",
                                            .phase = "header",
                                            .rank = rank_,
                                            .peer = operation.peer},
                                           MismatchText(bytes, operation.size, operation.tag)),
                    0);
  }
  const std::string why = std::string("cannot be reached: UCX says '") + ucs_status_string(status) + "'";
  events_.push_back({operation.peer, why, {}});
  Complete(operation, LostError(operation.peer, why), 0);
}

void UcxTransport::OnSent(void* request, ucs_status_t status, void* operation) {
  auto& it = *static_cast<UcxOperation*>(operation);
  const UcxOperationPtr self = it.transport->LetGo(it);
  it.transport->Finish(it, status, it.size);
  ucp_request_free(request);
}

void UcxTransport::OnReceived(void* request, ucs_status_t status, const ucp_tag_recv_info_t* info, void* operation) {
  auto& it = *static_cast<UcxOperation*>(operation);
  const UcxOperationPtr self = it.transport->LetGo(it);
  it.transport->Finish(it, status, info == nullptr ? 0 : static_cast<int64_t>(info->length));
  ucp_request_free(request);
}

arrow::Status UcxTransport::LostError(Rank who, const std::string& why) const {
  return MakeCommunicationError(
      {.failure = CommunicationFailure::kPeerLost, .phase = "wait", .rank = rank_, .peer = who},
      "rank " + std::to_string(who) + " " + why);
}

void UcxTransport::Cancel(const OperationPtr& operation) {
  if (!CheckCall(rank_).ok()) return;
  std::vector<Owner> released;
  const Lock lock(mutex_);
  const auto own = std::dynamic_pointer_cast<UcxOperation>(operation);
  if (own == nullptr || own->done()) return;
  Complete(*own,
           MakeCommunicationError({.failure = CommunicationFailure::kCancelled,
                                   .operation = own->receive ? "recv" : "send",
                                   .rank = rank_,
                                   .peer = own->peer,
                                   .elapsed = Clock::now() - own->started},
                                  "given up by this rank"),
           0);
  // A send cannot be taken back; UCX holds it, and its owner, until it is through or the transport is closed.
  if (own->receive && own->request != nullptr) ucp_request_cancel(library_.worker(), own->request);
  released.swap(released_);
}

void UcxTransport::CancelReceives() {
  const std::vector<UcxOperationPtr> held = held_;  // callbacks change the list
  for (const UcxOperationPtr& it : held) {
    if (it->receive && it->request != nullptr) ucp_request_cancel(library_.worker(), it->request);
  }
}

void UcxTransport::Abort(const arrow::Status& cause) {
  if (!CheckCall(rank_).ok() || cause.ok()) return;
  const Lock lock(mutex_);
  if (failure_.ok() && !closing_) Fail(cause, false);
}

void UcxTransport::Fail(const arrow::Status& status, bool own_finding) {
  if (!failure_.ok()) return;
  failure_ = status;
  for (const UcxOperationPtr& it : held_) Complete(*it, status, 0);
  const std::string text = EncodeAbort(status, own_finding);
  for (Rank r = 0; r < world_size(); ++r) {
    // An abort is passed on: a rank that leaves because of it may be seen to go before the abort itself is.
    if (r != rank_ && !peer(r).aborted) SendControl(r, ControlKind::kAbort, 0, text);
  }
  CancelReceives();
  if (driver_present_) Wake();
}

arrow::Status UcxTransport::failure() const {
  if (ForkGeneration() != generation_) return CheckCall(rank_);
  const Lock lock(mutex_);
  return failure_;
}

void UcxTransport::SetHeartbeat(std::function<std::string()> make,
                                std::function<arrow::Status(Rank, std::string_view)> check) {
  const Lock lock(mutex_);
  make_heartbeat_ = std::move(make);
  check_heartbeat_ = std::move(check);
}

std::vector<LinkInfo> UcxTransport::links() const {
  std::vector<LinkInfo> infos;
  if (ForkGeneration() != generation_) return infos;
  const Lock lock(mutex_);
  for (const Peer& peer : peers_) {
    infos.push_back(peer.info);
    infos.back().left = peer.left;
    if (!closed_ && !peer.gone && peer.endpoint != nullptr) infos.back().remote_address = TransportsOf(peer.endpoint);
  }
  return infos;
}

}  // namespace weft::ucx
