#include "weft/backends/mpi/mpi_communicator.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "weft/backends/mpi/launches.h"
#include "weft/base/communication_error.h"
#include "weft/bootstrap/mpi_process.h"
#include "weft/communicator/arguments.h"

namespace weft::mpi {
namespace {

using OperationPtr = std::shared_ptr<Operation>;

constexpr uint32_t kMaxContext = (1U << 24) - 1;

class MpiRequest : public Request {
 public:
  MpiRequest(std::shared_ptr<MpiWorld> world, OperationPtr operation)
      : world_(std::move(world)), operation_(std::move(operation)) {}
  ~MpiRequest() override {
    // Called under the lock only where a reduce function drops a request that it captured.
    if (operation_->done() || ProcessLock().held_by_this_thread()) return;
    world_->Cancel(*operation_, "the request was dropped before it was done");
  }

  arrow::Result<bool> Test() override {
    const OneThread call(*operation_->context, ProcessLock().held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    return world_->Test(*operation_);
  }
  arrow::Status Wait() override {
    const OneThread call(*operation_->context, ProcessLock().held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    return world_->Wait(*operation_);
  }
  arrow::Status Cancel() override {
    const OneThread call(*operation_->context, ProcessLock().held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    world_->Cancel(*operation_, "cancelled by the caller");
    return arrow::Status::OK();
  }
  int64_t received_bytes() const override {
    return operation_->receive && operation_->done() && operation_->status.ok() ? operation_->received : 0;
  }

 private:
  std::shared_ptr<MpiWorld> world_;
  OperationPtr operation_;
};

template <typename Part>
int64_t TotalOf(const std::vector<Part>& parts) {
  int64_t total = 0;
  for (const Part& part : parts) total += static_cast<int64_t>(part.size());
  return total;
}

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator(std::shared_ptr<MpiWorld> world, std::shared_ptr<MpiContext> context)
      : world_(std::move(world)), context_(std::move(context)) {
    world_->AddContext(context_);
  }
  ~MpiCommunicator() override {
    [[maybe_unused]] const arrow::Status status = world_->RemoveContext(context_, Deadline::After(Duration::zero()));
  }

  std::string backend() const override { return "mpi"; }
  Rank rank() const override { return context_->rank; }
  int world_size() const override { return static_cast<int>(context_->ranks.size()); }
  const CommunicatorOptions& options() const override { return context_->options; }

  arrow::Status failure() const override {
    ARROW_RETURN_NOT_OK(context_->failure());
    return world_->failure();
  }

  std::vector<LinkInfo> links() const override {
    const std::vector<LinkInfo> all = world_->links();
    std::vector<LinkInfo> mine;
    for (size_t i = 0; i < context_->ranks.size(); ++i) {
      mine.push_back(all[static_cast<size_t>(context_->ranks[i])]);
      mine.back().peer = static_cast<Rank>(i);
    }
    return mine;
  }

  void Abort(const arrow::Status& cause) override {
    const arrow::Status error =
        cause.ok() ? MakeCommunicationError({.failure = CommunicationFailure::kCancelled, .rank = rank()},
                                            "Abort was called without a cause")
                   : cause;
    context_->Fail(error);
    world_->Abort(error);
  }

  arrow::Result<RequestPtr> Isend(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) override {
    const int64_t bytes = TotalOf(parts);
    return Message("send", to, tag, bytes, std::move(owner),
                   [&](Operation& operation) { return SendParts(operation, *world_, std::move(parts)); });
  }
  arrow::Result<RequestPtr> Irecv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) override {
    const int64_t bytes = TotalOf(parts);
    return Message("recv", from, tag, bytes, std::move(owner), [&](Operation& operation) {
      operation.receive = true;
      return ReceiveParts(operation, *world_, std::move(parts));
    });
  }

  std::shared_ptr<CallMark> Enter(const CollectiveCall& call) override {
    const std::lock_guard lock(ProcessLock());
    return std::make_shared<CallMark>(context_->history, context_->next_number++, call);
  }

  arrow::Result<RequestPtr> Ibarrier() override {
    return Collect({.collective = Collective::kBarrier}, 0, {}, [](Operation&) { return StartBarrier(); });
  }

  arrow::Result<RequestPtr> Ibroadcast(MutableBytes data, Rank root, Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckRank("broadcast", "root", root, world_size()));
    const auto bytes = static_cast<int64_t>(data.size());
    return Collect({.collective = Collective::kBroadcast, .root = root, .count = bytes}, bytes, std::move(owner),
                   [&](Operation& operation) {
                     if (rank() == root)
                       CountAll(bytes, 0);
                     else
                       world_->Count(context_->ranks[static_cast<size_t>(root)], 0, bytes);
                     return StartBroadcast(operation, data, root);
                   });
  }

  arrow::Result<RequestPtr> Igatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                     std::vector<int64_t> displacements, Rank root, Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckRank("gather", "root", root, world_size()));
    Blocks blocks;
    if (rank() == root) {
      ARROW_RETURN_NOT_OK(CheckBlocks("gather", "receive", counts, displacements, recv.size(), world_size()));
      blocks = Blocks(std::move(counts), std::move(displacements));
      ARROW_RETURN_NOT_OK(CheckOwnBlock("gather", send, recv, blocks, rank()));
    }
    const auto bytes = static_cast<int64_t>(std::max(send.size(), recv.size()));
    return Collect(
        {.collective = Collective::kGather, .root = root}, bytes, std::move(owner),
        [&](Operation& operation) { return StartGather(operation, *world_, send, recv.data(), blocks, root); });
  }

  arrow::Result<RequestPtr> Iallgatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                        std::vector<int64_t> displacements, Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckBlocks("allgather", "receive", counts, displacements, recv.size(), world_size()));
    const Blocks blocks(std::move(counts), std::move(displacements));
    ARROW_RETURN_NOT_OK(CheckOwnBlock("allgather", send, recv, blocks, rank()));
    CollectiveCall call{.collective = Collective::kAllgather};
    call.SetCounts(blocks.counts());
    return Collect(call, blocks.total(), std::move(owner), [&](Operation& operation) {
      CountBlocks(std::vector<int64_t>(context_->ranks.size(), static_cast<int64_t>(send.size())), blocks.counts());
      return StartAllgather(operation, send, recv.data(), blocks);
    });
  }

  arrow::Result<RequestPtr> Iscatterv(ConstBytes send, std::vector<int64_t> counts, std::vector<int64_t> displacements,
                                      MutableBytes recv, Rank root, Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckRank("scatter", "root", root, world_size()));
    Blocks blocks;
    if (rank() == root) {
      ARROW_RETURN_NOT_OK(CheckBlocks("scatter", "send", counts, displacements, send.size(), world_size()));
      blocks = Blocks(std::move(counts), std::move(displacements));
      if (blocks.size(root) != static_cast<int64_t>(recv.size())) {
        return arrow::Status::Invalid("scatter: the root's block has ", blocks.size(root),
                                      " bytes, its receive buffer ", recv.size());
      }
      if (recv.data() != send.data() + blocks.at(root)) ARROW_RETURN_NOT_OK(CheckOverlap("scatter", send, recv));
    }
    const auto bytes = static_cast<int64_t>(std::max(send.size(), recv.size()));
    return Collect(
        {.collective = Collective::kScatter, .root = root}, bytes, std::move(owner),
        [&](Operation& operation) { return StartScatter(operation, *world_, send.data(), blocks, recv, root); });
  }

  arrow::Result<RequestPtr> Ialltoallv(ConstBytes send, std::vector<int64_t> send_counts,
                                       std::vector<int64_t> send_displacements, MutableBytes recv,
                                       std::vector<int64_t> recv_counts, std::vector<int64_t> recv_displacements,
                                       Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckBlocks("alltoall", "send", send_counts, send_displacements, send.size(), world_size()));
    ARROW_RETURN_NOT_OK(CheckBlocks("alltoall", "receive", recv_counts, recv_displacements, recv.size(), world_size()));
    const auto me = static_cast<size_t>(rank());
    if (send_counts[me] != recv_counts[me]) {
      return arrow::Status::Invalid("alltoall: rank ", rank(), " sends ", send_counts[me],
                                    " bytes to itself and takes ", recv_counts[me]);
    }
    ARROW_RETURN_NOT_OK(CheckInPlace("alltoall", send, recv));
    const Blocks send_blocks(std::move(send_counts), std::move(send_displacements));
    const Blocks recv_blocks(std::move(recv_counts), std::move(recv_displacements));
    const auto bytes = static_cast<int64_t>(std::max(send.size(), recv.size()));
    return Collect({.collective = Collective::kAlltoall}, bytes, std::move(owner), [&](Operation& operation) {
      CountBlocks(send_blocks.counts(), recv_blocks.counts());
      return StartAlltoallv(operation, send, send_blocks, recv, recv_blocks);
    });
  }

  arrow::Result<RequestPtr> Ialltoall(ConstBytes send, MutableBytes recv, Owner owner) override {
    if (recv.size() % context_->ranks.size() != 0 || send.size() != recv.size()) {
      return arrow::Status::Invalid("alltoall: buffers of ", send.size(), " and ", recv.size(), " bytes are not ",
                                    world_size(), " equal blocks");
    }
    ARROW_RETURN_NOT_OK(CheckInPlace("alltoall", send, recv));
    const auto block = static_cast<int64_t>(recv.size() / context_->ranks.size());
    return Collect({.collective = Collective::kAlltoall, .count = block}, static_cast<int64_t>(recv.size()),
                   std::move(owner), [&](Operation& operation) {
                     CountAll(block, block);
                     return StartAlltoall(operation, send, recv, block);
                   });
  }

  arrow::Result<RequestPtr> Ireduce(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction,
                                    Rank root, Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckRank("reduce", "root", root, world_size()));
    ARROW_ASSIGN_OR_RAISE(const Reducer reducer,
                          CheckReduction("reduce", send, recv, count, reduction, rank() == root));
    return Combine({.collective = Collective::kReduce, .root = root, .count = count}, reduction, reducer, count,
                   std::move(owner),
                   [&](Operation& operation) { return StartReduce(operation, send, recv, count, root); });
  }

  arrow::Result<RequestPtr> Iallreduce(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction,
                                       Owner owner) override {
    ARROW_ASSIGN_OR_RAISE(const Reducer reducer, CheckReduction("allreduce", send, recv, count, reduction, true));
    return Combine({.collective = Collective::kAllreduce, .count = count}, reduction, reducer, count, std::move(owner),
                   [&](Operation& operation) { return StartAllreduce(operation, send, recv, count); });
  }

  arrow::Result<RequestPtr> IreduceScatter(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                           const Reduction& reduction, Owner owner) override {
    ARROW_RETURN_NOT_OK(
        CheckBlocks("reduce_scatter", "element", counts, {}, std::numeric_limits<int64_t>::max(), world_size()));
    const int64_t own = counts[static_cast<size_t>(rank())];
    const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    ARROW_ASSIGN_OR_RAISE(const Reducer reducer, CheckReduction("reduce_scatter", send, {}, total, reduction, false));
    ARROW_RETURN_NOT_OK(CheckElements("reduce_scatter", "receive", own, reducer.element_size(), recv.size()));
    if (own < total || send.data() != recv.data()) ARROW_RETURN_NOT_OK(CheckOverlapAt("reduce_scatter", send, recv));
    CollectiveCall call{.collective = Collective::kReduceScatter};
    call.SetCounts(counts);
    return Combine(call, reduction, reducer, total, std::move(owner),
                   [&](Operation& operation) { return StartReduceScatter(operation, send, recv, counts); });
  }

  arrow::Result<RequestPtr> Iscan(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction,
                                  Owner owner) override {
    ARROW_ASSIGN_OR_RAISE(const Reducer reducer, CheckReduction("scan", send, recv, count, reduction, true));
    return Combine({.collective = Collective::kScan, .count = count}, reduction, reducer, count, std::move(owner),
                   [&](Operation& operation) { return StartScan(operation, send, recv, count); });
  }

  arrow::Status Progress(Duration max_wait) override {
    const OneThread call(*context_, ProcessLock().held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    ARROW_RETURN_NOT_OK(CheckUsable());
    return world_->Progress(context_, max_wait);
  }

  arrow::Result<std::unique_ptr<Communicator>> Dup() override { return Divide(true, 0, rank()); }
  arrow::Result<std::unique_ptr<Communicator>> Split(int color, int key) override { return Divide(false, color, key); }

  arrow::Status Close(Duration timeout) override {
    const OneThread call(*context_, ProcessLock().held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    return world_->RemoveContext(context_, Deadline::After(timeout));
  }

 private:
  arrow::Status CheckUsable() const {
    if (context_->closed) return arrow::Status::Invalid("the communicator is closed");
    if (!IsUsable()) return arrow::Status::Invalid("MPI is finalised: close the env before that");
    return failure();
  }

  OperationPtr NewOperation(const char* name, int64_t bytes, Owner owner) const {
    auto operation = std::make_shared<Operation>();
    operation->context = context_;
    operation->name = name;
    operation->bytes = bytes;
    operation->owner = std::move(owner);
    operation->begin = Clock::now();
    return operation;
  }

  /// `prepare` makes buffers ready and returns what hands the operation to MPI.
  template <typename Prepare>
  arrow::Result<RequestPtr> Message(const char* name, Rank peer, Tag tag, int64_t bytes, Owner owner,
                                    Prepare&& prepare) {
    const OneThread call(*context_, ProcessLock().held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    ARROW_RETURN_NOT_OK(CheckUsable());
    ARROW_RETURN_NOT_OK(CheckRank(name, "peer", peer, world_size()));
    if (tag > kMaxTag) return arrow::Status::Invalid(name, ": tag ", tag, " is above ", kMaxTag);
    const OperationPtr operation = NewOperation(name, bytes, std::move(owner));
    operation->peer = peer;
    operation->tag = tag;
    operation->launch = prepare(*operation);
    world_->Start(operation);
    return std::make_unique<MpiRequest>(world_, operation);
  }

  template <typename Prepare>
  arrow::Result<RequestPtr> Collect(const CollectiveCall& call, int64_t bytes, Owner owner, Prepare&& prepare) {
    const OneThread one_thread(*context_, ProcessLock().held_by_this_thread());
    ARROW_RETURN_NOT_OK(one_thread.status());
    ARROW_RETURN_NOT_OK(CheckUsable());
    const OperationPtr operation = NewOperation(CollectiveName(call.collective), bytes, std::move(owner));
    operation->collective = true;
    operation->call = call;
    {
      const std::lock_guard lock(ProcessLock());
      operation->number = context_->next_number++;
      operation->launch = prepare(*operation);
    }
    world_->Start(operation);
    return std::make_unique<MpiRequest>(world_, operation);
  }

  template <typename Prepare>
  arrow::Result<RequestPtr> Combine(CollectiveCall call, const Reduction& reduction, const Reducer& reducer,
                                    int64_t count, Owner owner, Prepare&& prepare) {
    if (reducer.element_size() > std::numeric_limits<int>::max()) {
      return arrow::Status::Invalid(CollectiveName(call.collective), ": elements of ", reducer.element_size(),
                                    " bytes are too long for MPI");
    }
    call.SetReduction(reduction, reducer.element_size());
    arrow::Status translated;
    auto started =
        Collect(call, count * reducer.element_size(), std::move(owner), [&](Operation& operation) -> Starter {
          auto made = Translate(reduction, reducer);
          translated = made.status();
          if (!made.ok()) return [translated](Operation&) { return translated; };
          operation.reduction = *std::move(made);
          return prepare(operation);
        });
    return started;
  }

  void CountBlocks(std::span<const int64_t> sent, std::span<const int64_t> received) {
    for (size_t i = 0; i < context_->ranks.size(); ++i) world_->Count(context_->ranks[i], sent[i], received[i]);
  }
  void CountAll(int64_t sent, int64_t received) {
    for (const Rank peer : context_->ranks) world_->Count(peer, sent, received);
  }

  arrow::Result<std::unique_ptr<Communicator>> Divide(bool whole, int color, int key);
  arrow::Result<MPI_Comm> MakeComm(bool whole, int color, int key);

  const std::shared_ptr<MpiWorld> world_;
  const std::shared_ptr<MpiContext> context_;
};

/// MPI has no division that does not block, so all ranks have come, and none has failed, before it is called.
arrow::Result<MPI_Comm> MpiCommunicator::MakeComm(bool whole, int color, int key) {
  if (whole) {
    auto made = std::make_shared<MPI_Comm>(MPI_COMM_NULL);
    const MPI_Comm from = context_->comm;
    ARROW_ASSIGN_OR_RAISE(const RequestPtr request,
                          Collect({.collective = Collective::kSplit}, 0, {}, [&](Operation&) -> Starter {
                            return [made, from](Operation& operation) {
                              MPI_Request started = MPI_REQUEST_NULL;
                              ARROW_RETURN_NOT_OK(Check(MPI_Comm_idup(from, made.get(), &started), "MPI_Comm_idup"));
                              operation.requests.push_back(started);
                              return arrow::Status::OK();
                            };
                          }));
    ARROW_RETURN_NOT_OK(request->Wait());
    return *made;
  }
  MPI_Comm made = MPI_COMM_NULL;
  {
    const std::lock_guard lock(ProcessLock());
    world_->LookAround(Clock::now());
  }
  ARROW_RETURN_NOT_OK(failure());
  const auto divide = [&] {
    return Check(MPI_Comm_split(context_->comm, color < 0 ? MPI_UNDEFINED : color, key, &made), "MPI_Comm_split");
  };
  if (ThreadsMayCallAtOnce()) {
    ARROW_RETURN_NOT_OK(divide());
  } else {
    const std::lock_guard lock(ProcessLock());
    ARROW_RETURN_NOT_OK(divide());
  }
  return made;
}

arrow::Result<std::unique_ptr<Communicator>> MpiCommunicator::Divide(bool whole, int color, int key) {
  struct Member {
    int32_t color;
    int32_t key;
    uint32_t next_context;
    int32_t whole;
  };
  const size_t size = context_->ranks.size();
  std::vector<Member> members(size);
  const Member own{color, key, world_->next_context_id(), whole ? 1 : 0};
  {
    ARROW_ASSIGN_OR_RAISE(const RequestPtr request,
                          Collect({.collective = Collective::kSplit}, 0, {}, [&](Operation& operation) {
                            return StartAllgather(operation, std::as_bytes(std::span(&own, 1)),
                                                  reinterpret_cast<std::byte*>(members.data()),
                                                  Blocks(std::vector<int64_t>(size, sizeof(Member)), {}));
                          }));
    ARROW_RETURN_NOT_OK(request->Wait());
  }
  // The first id that none of these ranks has used. Groups of other colors share no rank, so they may have the same.
  uint32_t id = 0;
  for (const Member& member : members) {
    id = std::max(id, member.next_context);
    if (member.whole != own.whole) {
      // Every rank comes to this by itself.
      const arrow::Status status = MakeCommunicationError(
          {.failure = CommunicationFailure::kMismatch, .operation = "split", .phase = "agreement", .rank = rank()},
          std::string(kDifferentCollectives) + ": some call dup, others split");
      context_->Fail(status);
      return status;
    }
  }
  if (id > kMaxContext) return arrow::Status::Invalid("split: all ", kMaxContext, " communicator ids have been used");
  world_->set_next_context_id(id + 1);
  ARROW_ASSIGN_OR_RAISE(const MPI_Comm comm, MakeComm(whole, color, key));
  if (comm == MPI_COMM_NULL) return nullptr;
  auto context = std::make_shared<MpiContext>();
  context->id = id;
  context->options = context_->options;
  context->comm = comm;
  std::vector<Rank> group;
  for (size_t i = 0; i < size; ++i) {
    if (members[i].color == color) group.push_back(static_cast<Rank>(i));
  }
  std::stable_sort(group.begin(), group.end(), [&](Rank a, Rank b) {
    return members[static_cast<size_t>(a)].key < members[static_cast<size_t>(b)].key;
  });
  for (size_t i = 0; i < group.size(); ++i) {
    if (group[i] == rank()) context->rank = static_cast<Rank>(i);
    context->ranks.push_back(context_->ranks[static_cast<size_t>(group[i])]);
  }
  {
    const std::lock_guard lock(ProcessLock());
    ARROW_RETURN_NOT_OK(Check(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
  }
  return std::make_unique<MpiCommunicator>(world_, std::move(context));
}

}  // namespace

std::unique_ptr<Communicator> MakeMpiCommunicator(std::shared_ptr<MpiWorld> world,
                                                  std::shared_ptr<MpiContext> context) {
  return std::make_unique<MpiCommunicator>(std::move(world), std::move(context));
}

}  // namespace weft::mpi
