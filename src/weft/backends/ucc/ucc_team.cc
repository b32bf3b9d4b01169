#include "weft/backends/ucc/ucc_team.h"

#include <optional>
#include <utility>

#include "weft/backends/ucc/ucc_collective.h"
#include "weft/base/communication_error.h"

namespace weft::ucc {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kLongCounts = UCC_COLL_ARGS_FLAG_COUNT_64BIT | UCC_COLL_ARGS_FLAG_DISPLACEMENTS_64BIT;
/// UCC's own timeout is the net under ours, which names ranks.
constexpr Duration kAfterOurs = 1s;

struct Elements {
  ucc_datatype_t type;
  int64_t size;
};

std::optional<Elements> ElementsOf(arrow::Type::type type) {
  switch (type) {
    case arrow::Type::INT8:
      return Elements{UCC_DT_INT8, 1};
    case arrow::Type::INT16:
      return Elements{UCC_DT_INT16, 2};
    case arrow::Type::INT32:
      return Elements{UCC_DT_INT32, 4};
    case arrow::Type::INT64:
      return Elements{UCC_DT_INT64, 8};
    case arrow::Type::UINT8:
      return Elements{UCC_DT_UINT8, 1};
    case arrow::Type::UINT16:
      return Elements{UCC_DT_UINT16, 2};
    case arrow::Type::UINT32:
      return Elements{UCC_DT_UINT32, 4};
    case arrow::Type::UINT64:
      return Elements{UCC_DT_UINT64, 8};
    case arrow::Type::FLOAT:
      return Elements{UCC_DT_FLOAT32, 4};
    case arrow::Type::DOUBLE:
      return Elements{UCC_DT_FLOAT64, 8};
    default:
      return std::nullopt;
  }
}

ucc_reduction_op_t OperationOf(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return UCC_OP_SUM;
    case ReduceOp::kProd:
      return UCC_OP_PROD;
    case ReduceOp::kMin:
      return UCC_OP_MIN;
    case ReduceOp::kMax:
      return UCC_OP_MAX;
    case ReduceOp::kLogicalAnd:
      return UCC_OP_LAND;
    case ReduceOp::kLogicalOr:
      return UCC_OP_LOR;
    case ReduceOp::kBitAnd:
      return UCC_OP_BAND;
    case ReduceOp::kBitOr:
      return UCC_OP_BOR;
  }
  return UCC_OP_LAST;
}

/// `one_result`: each element is combined on one rank alone.
std::optional<Elements> Reducible(const Reduction& reduction, bool one_result) {
  if (reduction.function) return std::nullopt;
  const std::optional<Elements> elements = ElementsOf(reduction.type);
  if (!elements) return std::nullopt;
  const bool floats = reduction.type == arrow::Type::FLOAT || reduction.type == arrow::Type::DOUBLE;
  const bool adds = reduction.op == ReduceOp::kSum || reduction.op == ReduceOp::kProd;
  if (floats && !(adds && one_result)) return std::nullopt;
  return elements;
}

ucc_coll_buffer_info_t Buffer(const void* data, int64_t count, ucc_datatype_t type = UCC_DT_UINT8) {
  return {const_cast<void*>(data), static_cast<ucc_count_t>(count), type, UCC_MEMORY_TYPE_HOST};
}

ucc_coll_buffer_info_v_t Buffer(const void* data, BlockTable& table, ucc_datatype_t type = UCC_DT_UINT8) {
  ucc_coll_buffer_info_v_t made = {};
  made.buffer = const_cast<void*>(data);
  made.counts = table.counts_data();
  made.displacements = table.displacements_data();
  made.datatype = type;
  made.mem_type = UCC_MEMORY_TYPE_HOST;
  return made;
}

}  // namespace

UccTeam::UccTeam(std::shared_ptr<UccLibrary> library, Communicator& group)
    : library_(std::move(library)),
      group_(group),
      rank_(group.rank()),
      size_(group.world_size()),
      timeout_(group.options().timeout) {}

arrow::Result<std::unique_ptr<UccTeam>> UccTeam::Make(std::shared_ptr<UccLibrary> library, Communicator& group,
                                                      Deadline deadline) {
  std::unique_ptr<UccTeam> team(new UccTeam(std::move(library), group));
  team->library_->AddTeam();
  team->counted_ = true;
  if (team->size_ > 1) ARROW_RETURN_NOT_OK(team->Create(deadline));
  return team;
}

UccTeam::~UccTeam() { Close(Deadline::After(Duration::zero()), false); }

arrow::Status UccTeam::Create(Deadline deadline) {
  exchange_ = {&group_, deadline};
  ucc_team_params_t params = {};
  params.mask = UCC_TEAM_PARAM_FIELD_OOB | UCC_TEAM_PARAM_FIELD_EP | UCC_TEAM_PARAM_FIELD_EP_RANGE;
  params.oob = MakeOutOfBand(&exchange_);
  params.ep = static_cast<uint64_t>(rank_);
  params.ep_range = UCC_COLLECTIVE_EP_RANGE_CONTIG;
  ucc_context_h context = library_->context();
  ucc_status_t status = UCC_INPROGRESS;
  {
    const std::lock_guard lock(library_->mutex());
    status = ucc_team_create_post(&context, 1, &params, &team_);
  }
  if (status >= 0) status = UCC_INPROGRESS;
  Clock::time_point next_check = Clock::now();
  while (status == UCC_INPROGRESS) {
    {
      const std::lock_guard lock(library_->mutex());
      ucc_context_progress(context);
      status = ucc_team_create_test(team_);
    }
    ARROW_RETURN_NOT_OK(group_.failure());
    if (status == UCC_INPROGRESS && deadline.Passed()) status = UCC_ERR_TIMED_OUT;
    if (Clock::now() < next_check || !group_.options().check_interrupt) continue;
    next_check = Clock::now() + 50ms;
    const arrow::Status interrupted = group_.options().check_interrupt();
    if (!interrupted.ok()) {
      group_.Abort(interrupted);
      return interrupted;
    }
  }
  if (status == UCC_OK) return arrow::Status::OK();
  team_ = nullptr;
  const arrow::Status error = UccError("creating a team", status);
  group_.Abort(error);
  return error;
}

arrow::Result<std::unique_ptr<NativeCollectives>> UccTeam::ForGroup(Communicator& group) {
  return Make(library_, group, Deadline::After(timeout_));
}

void UccTeam::Progress() {
  const std::unique_lock lock(library_->mutex(), std::try_to_lock);
  if (lock.owns_lock() && library_->healthy()) ucc_context_progress(library_->context());
}

void UccTeam::Close(Deadline deadline, bool healthy) {
  if (!std::exchange(counted_, false)) return;
  if (team_ != nullptr && healthy && library_->healthy()) {
    ucc_status_t status = UCC_INPROGRESS;
    while (status == UCC_INPROGRESS) {
      const std::lock_guard lock(library_->mutex());
      status = ucc_team_destroy(team_);
      if (status == UCC_INPROGRESS) ucc_context_progress(library_->context());
      if (deadline.Passed()) break;
    }
  }
  team_ = nullptr;
  library_->RemoveTeam(deadline, healthy);
}

ucc_coll_args_t UccTeam::Arguments(ucc_coll_type_t type) const {
  ucc_coll_args_t made = {};
  made.mask = UCC_COLL_ARGS_FIELD_FLAGS;
  made.coll_type = type;
  made.flags = kLongCounts;
  if (timeout_ < 24h * 365) {
    made.flags |= UCC_COLL_ARGS_FLAG_TIMEOUT;
    made.timeout = Seconds(timeout_ + kAfterOurs);
  }
  return made;
}

NativeCollectivePtr UccTeam::Begin(std::unique_ptr<UccCollective> collective) const {
  if (team_ == nullptr || !library_->Supports(collective->arguments.coll_type)) return nullptr;
  const std::lock_guard lock(library_->mutex());
  // UCC chooses by type, operation and length, which are alike on all ranks, so all come to the same answer.
  return collective->Init(team_) == UCC_OK ? std::move(collective) : nullptr;
}

NativeCollectivePtr UccTeam::Barrier() {
  return Begin(std::make_unique<UccCollective>(library_, Arguments(UCC_COLL_TYPE_BARRIER)));
}

NativeCollectivePtr UccTeam::Broadcast(MutableBytes data, Rank root) {
  if (data.empty()) return nullptr;
  ucc_coll_args_t arguments = Arguments(UCC_COLL_TYPE_BCAST);
  arguments.src.info = Buffer(data.data(), static_cast<int64_t>(data.size()));
  arguments.root = static_cast<uint64_t>(root);
  return Begin(std::make_unique<UccCollective>(library_, arguments));
}

NativeCollectivePtr UccTeam::Gather(ConstBytes send, std::byte* recv, const Blocks& blocks, Rank root) {
  auto made = std::make_unique<UccCollective>(library_, Arguments(UCC_COLL_TYPE_GATHERV));
  made->arguments.src.info = Buffer(send.data(), static_cast<int64_t>(send.size()));
  made->arguments.root = static_cast<uint64_t>(root);
  if (rank_ == root) {
    made->destination = BlockTable(blocks, size_);
    made->arguments.dst.info_v = Buffer(recv, made->destination);
    if (send.data() == recv + blocks.at(root)) made->arguments.flags |= UCC_COLL_ARGS_FLAG_IN_PLACE;
  }
  return Begin(std::move(made));
}

NativeCollectivePtr UccTeam::Scatter(const std::byte* send, const Blocks& blocks, MutableBytes recv, Rank root) {
  auto made = std::make_unique<UccCollective>(library_, Arguments(UCC_COLL_TYPE_SCATTERV));
  made->arguments.dst.info = Buffer(recv.data(), static_cast<int64_t>(recv.size()));
  made->arguments.root = static_cast<uint64_t>(root);
  if (rank_ == root) {
    made->source = BlockTable(blocks, size_);
    made->arguments.src.info_v = Buffer(send, made->source);
    if (recv.data() == send + blocks.at(root)) made->arguments.flags |= UCC_COLL_ARGS_FLAG_IN_PLACE;
  }
  return Begin(std::move(made));
}

NativeCollectivePtr UccTeam::Allgather(ConstBytes send, std::byte* recv, const Blocks& blocks) {
  if (blocks.total() == 0) return nullptr;
  auto made = std::make_unique<UccCollective>(library_, Arguments(UCC_COLL_TYPE_ALLGATHERV));
  made->destination = BlockTable(blocks, size_);
  made->arguments.src.info = Buffer(send.data(), static_cast<int64_t>(send.size()));
  made->arguments.dst.info_v = Buffer(recv, made->destination);
  if (send.data() == recv + blocks.at(rank_)) made->arguments.flags |= UCC_COLL_ARGS_FLAG_IN_PLACE;
  return Begin(std::move(made));
}

NativeCollectivePtr UccTeam::Alltoall(const std::byte* send, std::byte* recv, int64_t block) {
  if (block == 0) return nullptr;
  ucc_coll_args_t arguments = Arguments(UCC_COLL_TYPE_ALLTOALL);
  arguments.src.info = Buffer(send, block * size_);
  arguments.dst.info = Buffer(recv, block * size_);
  return Begin(std::make_unique<UccCollective>(library_, arguments));
}

NativeCollectivePtr UccTeam::Alltoallv(const std::byte* send, const Blocks& send_blocks, std::byte* recv,
                                       const Blocks& recv_blocks) {
  auto made = std::make_unique<UccCollective>(library_, Arguments(UCC_COLL_TYPE_ALLTOALLV));
  made->source = BlockTable(send_blocks, size_);
  made->destination = BlockTable(recv_blocks, size_);
  made->arguments.src.info_v = Buffer(send, made->source);
  made->arguments.dst.info_v = Buffer(recv, made->destination);
  return Begin(std::move(made));
}

NativeCollectivePtr UccTeam::Reduce(const std::byte* send, std::byte* recv, int64_t count, const Reduction& reduction,
                                    Rank root) {
  const auto elements = Reducible(reduction, true);
  if (!elements || count == 0) return nullptr;
  auto made = std::make_unique<UccCollective>(library_, Arguments(UCC_COLL_TYPE_REDUCE));
  ucc_coll_args_t& arguments = made->arguments;
  const int64_t bytes = count * elements->size;
  arguments.op = OperationOf(reduction.op);
  arguments.root = static_cast<uint64_t>(root);
  arguments.src.info = Buffer(made->Aligned(send, bytes, elements->size), count, elements->type);
  if (rank_ == root) {
    const bool in_place = send == recv;
    arguments.dst.info = Buffer(made->Aligned(recv, bytes, elements->size, in_place), count, elements->type);
    if (in_place) arguments.flags |= UCC_COLL_ARGS_FLAG_IN_PLACE;
  }
  return Begin(std::move(made));
}

NativeCollectivePtr UccTeam::Allreduce(const std::byte* send, std::byte* recv, int64_t count,
                                       const Reduction& reduction) {
  const auto elements = Reducible(reduction, size_ == 2);
  if (!elements || count == 0) return nullptr;
  auto made = std::make_unique<UccCollective>(library_, Arguments(UCC_COLL_TYPE_ALLREDUCE));
  ucc_coll_args_t& arguments = made->arguments;
  const int64_t bytes = count * elements->size;
  const bool in_place = send == recv;
  arguments.op = OperationOf(reduction.op);
  arguments.src.info = Buffer(made->Aligned(send, bytes, elements->size), count, elements->type);
  arguments.dst.info = Buffer(made->Aligned(recv, bytes, elements->size, in_place), count, elements->type);
  if (in_place) arguments.flags |= UCC_COLL_ARGS_FLAG_IN_PLACE;
  return Begin(std::move(made));
}

NativeCollectivePtr UccTeam::ReduceScatter(const std::byte* send, std::byte* recv, const std::vector<int64_t>& counts,
                                           const Reduction& reduction) {
  const auto elements = Reducible(reduction, true);
  const Blocks blocks(counts, {});
  if (!elements || blocks.total() == 0) return nullptr;
  auto made = std::make_unique<UccCollective>(library_, Arguments(UCC_COLL_TYPE_REDUCE_SCATTERV));
  ucc_coll_args_t& arguments = made->arguments;
  made->destination = BlockTable(blocks, size_);
  arguments.op = OperationOf(reduction.op);
  const std::byte* from = made->Aligned(send, blocks.total() * elements->size, elements->size, send == recv);
  arguments.src.info = Buffer(from, blocks.total(), elements->type);
  arguments.dst.info_v = Buffer(made->Aligned(recv, blocks.size(rank_) * elements->size, elements->size, false),
                                made->destination, elements->type);
  return Begin(std::move(made));
}

}  // namespace weft::ucc
