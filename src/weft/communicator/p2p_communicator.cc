#include "weft/communicator/p2p_communicator.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "weft/communicator/arguments.h"
#include "weft/communicator/collectives/collectives.h"
#include "weft/communicator/native_collectives.h"
#include "weft/communicator/shared_transport.h"

namespace weft {
namespace {

// A transport's tag: the communicator's id from bit 40, bit 32 for collectives, and the number of the collective or the
// caller's tag below. Ids are never used twice.
constexpr uint32_t kMaxContext = (1U << 24) - 1;
constexpr Tag kCollectiveBit = Tag{1} << 32;
Tag MessageTag(uint32_t context, Tag tag) { return (Tag{context} << 40) | tag; }
Tag CollectiveTag(uint32_t context, uint32_t number) { return (Tag{context} << 40) | kCollectiveBit | number; }

class P2PRequest : public Request {
 public:
  P2PRequest(std::shared_ptr<SharedTransport> shared, std::shared_ptr<Activity> activity)
      : shared_(std::move(shared)), activity_(std::move(activity)) {}
  ~P2PRequest() override {
    // Called under the lock only where a reduce function drops a request that it captured.
    if (!shared_->held_by_this_thread()) shared_->Cancel(*activity_, "the request was dropped before it was done");
  }

  arrow::Result<bool> Test() override {
    const OneThread call(*activity_->context, shared_->held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    return shared_->Test(*activity_);
  }
  arrow::Status Wait() override {
    const OneThread call(*activity_->context, shared_->held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    return shared_->Wait(*activity_);
  }
  arrow::Status Cancel() override {
    const OneThread call(*activity_->context, shared_->held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    shared_->Cancel(*activity_, "cancelled by the caller");
    return arrow::Status::OK();
  }
  int64_t received_bytes() const override {
    return activity_->done && activity_->status.ok() ? activity_->schedule->received_bytes() : 0;
  }

 private:
  std::shared_ptr<SharedTransport> shared_;
  std::shared_ptr<Activity> activity_;
};

class P2PCommunicator : public Communicator, public NativeHost {
 public:
  P2PCommunicator(std::string backend, std::shared_ptr<SharedTransport> shared,
                  std::shared_ptr<CommunicatorContext> context)
      : backend_(std::move(backend)), shared_(std::move(shared)), context_(std::move(context)) {
    shared_->AddContext(context_);
  }
  ~P2PCommunicator() override {
    [[maybe_unused]] const arrow::Status status = CloseUntil(Deadline::After(Duration::zero()));
  }

  void UseNative(std::string backend, std::unique_ptr<NativeCollectives> native) override {
    backend_ = std::move(backend);
    native_ = std::move(native);
    if (native_ != nullptr) context_->move_native = [this] { native_->Progress(); };
  }

  std::string backend() const override { return backend_; }
  Rank rank() const override { return context_->rank; }
  int world_size() const override { return static_cast<int>(context_->ranks.size()); }
  const CommunicatorOptions& options() const override { return context_->options; }

  arrow::Status failure() const override {
    ARROW_RETURN_NOT_OK(context_->failure());
    return shared_->transport().failure();
  }

  std::vector<LinkInfo> links() const override {
    const std::vector<LinkInfo> all = shared_->transport().links();
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
    shared_->transport().Abort(error);
  }

  arrow::Result<RequestPtr> Isend(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) override {
    return Message("send", to, tag, false, std::move(parts), {}, std::move(owner));
  }
  arrow::Result<RequestPtr> Irecv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) override {
    return Message("recv", from, tag, true, {}, std::move(parts), std::move(owner));
  }

  std::shared_ptr<CallMark> Enter(const CollectiveCall& call) override {
    return std::make_shared<CallMark>(context_->history, context_->next_number++, call);
  }

  arrow::Result<RequestPtr> Ibarrier() override {
    return Start({.collective = Collective::kBarrier}, {}, [&](Schedule& schedule) {
      if (UseNative(schedule, [](auto& native) { return native.Barrier(); })) return;
      AddBarrier(schedule);
    });
  }

  arrow::Result<RequestPtr> Ibroadcast(MutableBytes data, Rank root, Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckRank("broadcast", "root", root, world_size()));
    return Start({.collective = Collective::kBroadcast, .root = root, .count = static_cast<int64_t>(data.size())},
                 std::move(owner), [&](Schedule& schedule) {
                   if (UseNative(schedule, [&](auto& native) { return native.Broadcast(data, root); })) return;
                   AddBroadcast(schedule, data, root);
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
    return Start({.collective = Collective::kGather, .root = root}, std::move(owner), [&](Schedule& schedule) {
      if (UseNative(schedule, [&](auto& it) { return it.Gather(send, recv.data(), blocks, root); })) return;
      AddGather(schedule, send, recv.data(), blocks, root);
    });
  }

  arrow::Result<RequestPtr> Iallgatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                        std::vector<int64_t> displacements, Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckBlocks("allgather", "receive", counts, displacements, recv.size(), world_size()));
    const Blocks blocks(std::move(counts), std::move(displacements));
    ARROW_RETURN_NOT_OK(CheckOwnBlock("allgather", send, recv, blocks, rank()));
    CollectiveCall call{.collective = Collective::kAllgather};
    call.SetCounts(blocks.counts());
    return Start(call, std::move(owner), [&](Schedule& schedule) {
      if (UseNative(schedule, [&](auto& it) { return it.Allgather(send, recv.data(), blocks); })) return;
      AddAllgather(schedule, send, recv.data(), blocks);
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
    return Start({.collective = Collective::kScatter, .root = root}, std::move(owner), [&](Schedule& schedule) {
      if (UseNative(schedule, [&](auto& it) { return it.Scatter(send.data(), blocks, recv, root); })) return;
      AddScatter(schedule, send.data(), blocks, recv, root);
    });
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
    return Start({.collective = Collective::kAlltoall}, std::move(owner), [&](Schedule& schedule) {
      const std::byte* from = Apart(schedule, send, recv);
      if (UseNative(schedule, [&](auto& it) { return it.Alltoallv(from, send_blocks, recv.data(), recv_blocks); })) {
        return;
      }
      AddAlltoallv(schedule, from, send_blocks, recv.data(), recv_blocks);
    });
  }

  arrow::Result<RequestPtr> Ialltoall(ConstBytes send, MutableBytes recv, Owner owner) override {
    if (recv.size() % context_->ranks.size() != 0 || send.size() != recv.size()) {
      return arrow::Status::Invalid("alltoall: buffers of ", send.size(), " and ", recv.size(), " bytes are not ",
                                    world_size(), " equal blocks");
    }
    ARROW_RETURN_NOT_OK(CheckInPlace("alltoall", send, recv));
    const auto block = static_cast<int64_t>(recv.size() / context_->ranks.size());
    return Start({.collective = Collective::kAlltoall, .count = block}, std::move(owner), [&](Schedule& schedule) {
      const std::byte* from = Apart(schedule, send, recv);
      if (UseNative(schedule, [&](auto& it) { return it.Alltoall(from, recv.data(), block); })) return;
      AddAlltoall(schedule, from, recv.data(), block);
    });
  }

  arrow::Result<RequestPtr> Ireduce(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction,
                                    Rank root, Owner owner) override {
    ARROW_RETURN_NOT_OK(CheckRank("reduce", "root", root, world_size()));
    ARROW_ASSIGN_OR_RAISE(Reducer reducer, CheckReduction("reduce", send, recv, count, reduction, rank() == root));
    CollectiveCall call{.collective = Collective::kReduce, .root = root, .count = count};
    call.SetReduction(reduction, reducer.element_size());
    return Start(call, std::move(owner), [&](Schedule& schedule) {
      if (UseNative(schedule, [&](auto& it) { return it.Reduce(send.data(), recv.data(), count, reduction, root); })) {
        return;
      }
      schedule.set_reducer(std::move(reducer));
      AddReduce(schedule, send.data(), recv.data(), count, root);
    });
  }

  arrow::Result<RequestPtr> Iallreduce(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction,
                                       Owner owner) override {
    ARROW_ASSIGN_OR_RAISE(Reducer reducer, CheckReduction("allreduce", send, recv, count, reduction, true));
    CollectiveCall call{.collective = Collective::kAllreduce, .count = count};
    call.SetReduction(reduction, reducer.element_size());
    return Start(call, std::move(owner), [&](Schedule& schedule) {
      if (UseNative(schedule, [&](auto& it) { return it.Allreduce(send.data(), recv.data(), count, reduction); })) {
        return;
      }
      const auto bytes = static_cast<size_t>(count * reducer.element_size());
      schedule.set_reducer(std::move(reducer));
      schedule.Copy(send.first(bytes), recv.data());
      AddAllreduce(schedule, recv.data(), count);
    });
  }

  arrow::Result<RequestPtr> IreduceScatter(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                           const Reduction& reduction, Owner owner) override {
    ARROW_RETURN_NOT_OK(
        CheckBlocks("reduce_scatter", "element", counts, {}, std::numeric_limits<int64_t>::max(), world_size()));
    const int64_t own = counts[static_cast<size_t>(rank())];
    const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    ARROW_ASSIGN_OR_RAISE(Reducer reducer, CheckReduction("reduce_scatter", send, {}, total, reduction, false));
    ARROW_RETURN_NOT_OK(CheckElements("reduce_scatter", "receive", own, reducer.element_size(), recv.size()));
    if (own < total || send.data() != recv.data()) ARROW_RETURN_NOT_OK(CheckOverlapAt("reduce_scatter", send, recv));
    CollectiveCall call{.collective = Collective::kReduceScatter};
    call.SetCounts(counts);
    call.SetReduction(reduction, reducer.element_size());
    return Start(call, std::move(owner), [&](Schedule& schedule) {
      if (UseNative(schedule,
                    [&](auto& it) { return it.ReduceScatter(send.data(), recv.data(), counts, reduction); })) {
        return;
      }
      schedule.set_reducer(std::move(reducer));
      AddReduceScatter(schedule, send.data(), recv.data(), counts);
    });
  }

  arrow::Result<RequestPtr> Iscan(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction,
                                  Owner owner) override {
    ARROW_ASSIGN_OR_RAISE(Reducer reducer, CheckReduction("scan", send, recv, count, reduction, true));
    CollectiveCall call{.collective = Collective::kScan, .count = count};
    call.SetReduction(reduction, reducer.element_size());
    return Start(call, std::move(owner), [&](Schedule& schedule) {
      schedule.set_reducer(std::move(reducer));
      AddScan(schedule, send.data(), recv.data(), count);
    });
  }

  arrow::Status Progress(Duration max_wait) override {
    const OneThread call(*context_, shared_->held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    ARROW_RETURN_NOT_OK(CheckUsable("progress"));
    return shared_->Progress(*context_, max_wait);
  }

  arrow::Result<std::unique_ptr<Communicator>> Dup() override { return Divide(0, rank()); }
  arrow::Result<std::unique_ptr<Communicator>> Split(int color, int key) override { return Divide(color, key); }

  arrow::Status Close(Duration timeout) override {
    const OneThread call(*context_, shared_->held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    return CloseUntil(Deadline::After(timeout));
  }

 private:
  arrow::Status CloseUntil(Deadline deadline) {
    const bool healthy = failure().ok();
    const arrow::Status status = shared_->RemoveContext(*context_, deadline);
    if (native_ != nullptr) native_->Close(deadline, healthy);
    return status;
  }

  /// Adds what `make` returns, the library's collective, as a step; false where there is none.
  template <typename Make>
  bool UseNative(Schedule& schedule, Make&& make) {
    NativeCollectivePtr made = native_ == nullptr ? nullptr : make(*native_);
    if (made == nullptr) return false;
    schedule.AddNative(std::move(made));
    return true;
  }

  arrow::Status CheckUsable(const char* name) const {
    if (context_->closed) return arrow::Status::Invalid("the communicator is closed");
    const arrow::Status failed = failure();
    // What was found between two calls is told by the next, which names itself.
    const CommunicationError* const error = GetCommunicationError(failed);
    if (error == nullptr || !error->operation.empty()) return failed;
    return OperationError(name, rank(), error->peer, Clock::now(), failed);
  }

  std::shared_ptr<Activity> NewActivity(const char* name, Owner owner) const {
    auto activity = std::make_shared<Activity>();
    activity->context = context_;
    activity->schedule = std::make_shared<Schedule>(rank(), world_size());
    activity->schedule->set_owner(std::move(owner));
    activity->name = name;
    activity->begin = Clock::now();
    return activity;
  }

  arrow::Result<RequestPtr> Message(const char* name, Rank peer, Tag tag, bool receive,
                                    std::vector<ConstBytes> send_parts, std::vector<MutableBytes> recv_parts,
                                    Owner owner) {
    const OneThread call(*context_, shared_->held_by_this_thread());
    ARROW_RETURN_NOT_OK(call.status());
    ARROW_RETURN_NOT_OK(CheckUsable(name));
    ARROW_RETURN_NOT_OK(CheckRank(name, "peer", peer, world_size()));
    if (tag > kMaxTag) return arrow::Status::Invalid(name, ": tag ", tag, " is above ", kMaxTag);
    const auto activity = NewActivity(name, std::move(owner));
    activity->tag = MessageTag(context_->id, tag);
    activity->peer = peer;
    shared_->StartMessage(activity, receive, std::move(send_parts), std::move(recv_parts));
    return std::make_unique<P2PRequest>(shared_, activity);
  }

  /// `build` adds the steps; arguments have been checked.
  template <typename Build>
  arrow::Result<RequestPtr> Start(const CollectiveCall& call, Owner owner, Build&& build) {
    const OneThread one_thread(*context_, shared_->held_by_this_thread());
    ARROW_RETURN_NOT_OK(one_thread.status());
    ARROW_RETURN_NOT_OK(CheckUsable(CollectiveName(call.collective)));
    const auto activity = NewActivity(CollectiveName(call.collective), std::move(owner));
    activity->number = context_->next_number++;
    activity->tag = CollectiveTag(context_->id, activity->number);
    if (context_->options.check_collectives && world_size() > 1) AddAgreement(*activity->schedule, call);
    build(*activity->schedule);
    shared_->Start(activity, call);
    return std::make_unique<P2PRequest>(shared_, activity);
  }

  /// `send`, or a copy of it where the operation is in place and would overwrite what is still to be sent.
  static const std::byte* Apart(Schedule& schedule, ConstBytes send, MutableBytes recv) {
    if (send.empty() || send.data() != recv.data() || schedule.size() == 1) return send.data();
    std::byte* copy = schedule.Temporary(static_cast<int64_t>(send.size())).data();
    schedule.Copy(send, copy);
    return copy;
  }

  arrow::Result<std::unique_ptr<Communicator>> Divide(int color, int key);

  std::string backend_;
  const std::shared_ptr<SharedTransport> shared_;
  const std::shared_ptr<CommunicatorContext> context_;
  std::unique_ptr<NativeCollectives> native_;
};

arrow::Result<std::unique_ptr<Communicator>> P2PCommunicator::Divide(int color, int key) {
  struct Member {
    int32_t color;
    int32_t key;
    uint32_t next_context;
  };
  const size_t size = context_->ranks.size();
  // On the heap and owned by the operation: this frame may be gone before the transport lets go of it.
  const auto memory = std::make_shared<std::vector<Member>>(size + 1);
  (*memory)[size] = {color, key, shared_->next_context_id()};
  const std::span<Member> members = std::span(*memory).first(size);
  const Blocks blocks(std::vector<int64_t>(size, sizeof(Member)), {});
  const ConstBytes send = std::as_bytes(std::span(*memory).last(1));
  auto* recv = reinterpret_cast<std::byte*>(memory->data());
  {
    ARROW_ASSIGN_OR_RAISE(const RequestPtr request,
                          Start({.collective = Collective::kSplit}, memory,
                                [&](Schedule& schedule) { AddAllgather(schedule, send, recv, blocks); }));
    ARROW_RETURN_NOT_OK(request->Wait());
  }
  // The first id that none of these ranks has used. Groups of other colors share no rank, so they may have the same.
  uint32_t id = 0;
  for (const Member& member : members) id = std::max(id, member.next_context);
  if (id > kMaxContext) return arrow::Status::Invalid("split: all ", kMaxContext, " communicator ids have been used");
  shared_->set_next_context_id(id + 1);
  if (color < 0) return nullptr;
  std::vector<Rank> group;
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].color == color) group.push_back(static_cast<Rank>(i));
  }
  std::stable_sort(group.begin(), group.end(), [&](Rank a, Rank b) {
    return members[static_cast<size_t>(a)].key < members[static_cast<size_t>(b)].key;
  });
  auto context = std::make_shared<CommunicatorContext>();
  context->id = id;
  context->options = context_->options;
  for (size_t i = 0; i < group.size(); ++i) {
    if (group[i] == rank()) context->rank = static_cast<Rank>(i);
    context->ranks.push_back(context_->ranks[static_cast<size_t>(group[i])]);
  }
  auto made = std::make_unique<P2PCommunicator>(backend_, shared_, std::move(context));
  if (native_ != nullptr) {
    ARROW_ASSIGN_OR_RAISE(auto native, native_->ForGroup(*made));
    made->UseNative(backend_, std::move(native));
  }
  return made;
}

}  // namespace

arrow::Result<std::unique_ptr<Communicator>> MakeP2PCommunicator(std::string backend,
                                                                 std::unique_ptr<Transport> transport,
                                                                 CommunicatorOptions options) {
  if (transport == nullptr) return arrow::Status::Invalid("a communicator needs a transport");
  auto context = std::make_shared<CommunicatorContext>();
  context->rank = transport->rank();
  context->ranks.resize(static_cast<size_t>(transport->world_size()));
  std::iota(context->ranks.begin(), context->ranks.end(), 0);
  context->options = std::move(options);
  auto shared = std::make_shared<SharedTransport>(std::move(transport));
  return std::make_unique<P2PCommunicator>(std::move(backend), std::move(shared), std::move(context));
}

}  // namespace weft
