#include "weft/backends/gloo/gloo_collectives.h"

#include <algorithm>
#include <utility>

#include "weft/backends/gloo/gloo_run.h"
#include "weft/backends/gloo/gloo_worker.h"

namespace weft::gloo {
namespace {

class GlooCollective : public NativeCollective {
 public:
  GlooCollective(std::shared_ptr<Worker> worker, std::shared_ptr<Run> run)
      : worker_(std::move(worker)), run_(std::move(run)) {}

  arrow::Result<bool> Test() override {
    if (!std::exchange(started_, true)) ARROW_RETURN_NOT_OK(worker_->Add(run_));
    if (!run_->done()) return false;
    ARROW_RETURN_NOT_OK(run_->status());
    return true;
  }
  std::vector<Rank> WaitsFor() const override { return run_->WaitsFor(); }
  void Abandon(Owner memory) override {
    if (started_) worker_->Abandon(run_, std::move(memory));
  }

 private:
  const std::shared_ptr<Worker> worker_;
  const std::shared_ptr<Run> run_;
  bool started_ = false;
};

class Collectives : public NativeCollectives {
 public:
  explicit Collectives(Group group) : group_(std::move(group)) {}
  ~Collectives() override { worker_->Stop(); }

  NativeCollectivePtr Barrier() override { return Begin({.collective = Collective::kBarrier}); }

  NativeCollectivePtr Broadcast(MutableBytes data, Rank root) override {
    if (data.empty()) return nullptr;
    return Begin({.collective = Collective::kBroadcast,
                  .recv = data.data(),
                  .count = static_cast<int64_t>(data.size()),
                  .root = root});
  }

  NativeCollectivePtr Gather(ConstBytes, std::byte*, const Blocks&, Rank) override { return nullptr; }
  NativeCollectivePtr Scatter(const std::byte*, const Blocks&, MutableBytes, Rank) override { return nullptr; }

  NativeCollectivePtr Allgather(ConstBytes send, std::byte* recv, const Blocks& blocks) override {
    if (blocks.total() == 0) return nullptr;
    return Begin({.collective = Collective::kAllgather, .send = send.data(), .recv = recv, .blocks = blocks});
  }

  NativeCollectivePtr Alltoall(const std::byte* send, std::byte* recv, int64_t block) override {
    if (block == 0) return nullptr;
    return Begin({.collective = Collective::kAlltoall, .send = send, .recv = recv, .count = block});
  }
  NativeCollectivePtr Alltoallv(const std::byte*, const Blocks&, std::byte*, const Blocks&) override { return nullptr; }

  NativeCollectivePtr Reduce(const std::byte* send, std::byte* recv, int64_t count, const Reduction& reduction,
                             Rank root) override {
    return BeginReduction({.collective = Collective::kReduce, .send = send, .recv = recv, .count = count, .root = root},
                          reduction);
  }

  NativeCollectivePtr Allreduce(const std::byte* send, std::byte* recv, int64_t count,
                                const Reduction& reduction) override {
    return BeginReduction({.collective = Collective::kAllreduce, .send = send, .recv = recv, .count = count},
                          reduction);
  }

  NativeCollectivePtr ReduceScatter(const std::byte*, std::byte*, const std::vector<int64_t>&,
                                    const Reduction&) override {
    return nullptr;
  }

  void Progress() override { worker_->Release(); }

  arrow::Result<std::unique_ptr<NativeCollectives>> ForGroup(Communicator& group) override {
    struct Member {
      Rank rank;
      uint32_t next_child;
    };
    // On the heap: the request's own, should it fail.
    const auto members = std::make_shared<std::vector<Member>>(static_cast<size_t>(group.world_size()));
    const auto mine = std::make_shared<Member>(Member{group_.ranks[static_cast<size_t>(group_.rank)], next_child_});
    ARROW_ASSIGN_OR_RAISE(
        const RequestPtr request,
        group.Iallgather(std::as_bytes(std::span(mine.get(), 1)), std::as_writable_bytes(std::span(*members)),
                         std::make_shared<std::pair<Owner, Owner>>(members, mine)));
    ARROW_RETURN_NOT_OK(request->Wait());
    Group made{group_.mesh, 0, group.rank(), {}};
    // The first number that none of these ranks has used here. Groups of other colors share no rank.
    for (const Member& member : *members) {
      made.ranks.push_back(member.rank);
      next_child_ = std::max(next_child_, member.next_child);
    }
    made.id = Mix(Mix(group_.id) ^ ++next_child_);
    return std::make_unique<Collectives>(std::move(made));
  }

  void Close(Deadline, bool) override { worker_->Stop(); }

 private:
  NativeCollectivePtr Begin(Call call) {
    if (group_.ranks.size() == 1) return nullptr;
    return std::make_unique<GlooCollective>(worker_, std::make_shared<Run>(group_, std::move(call), next_++));
  }

  NativeCollectivePtr BeginReduction(Call call, const Reduction& reduction) {
    arrow::Result<Reducer> reducer = Reducer::Make(reduction);
    if (call.count == 0 || !reducer.ok() || !reducer->commutative()) return nullptr;
    call.reducer = *std::move(reducer);
    return Begin(std::move(call));
  }

  const Group group_;
  const std::shared_ptr<Worker> worker_ = std::make_shared<Worker>();
  uint32_t next_ = 0;
  uint32_t next_child_ = 0;
};

}  // namespace

std::unique_ptr<NativeCollectives> MakeCollectives(std::shared_ptr<Mesh> mesh) {
  Group group;
  group.rank = mesh->context->rank;
  for (Rank rank = 0; rank < mesh->context->size; ++rank) group.ranks.push_back(rank);
  group.mesh = std::move(mesh);
  return std::make_unique<Collectives>(std::move(group));
}

}  // namespace weft::gloo
