#include "weft/communicator/communicator.h"

#include <utility>

namespace weft {
namespace {

arrow::Status WaitFor(arrow::Result<RequestPtr> started) {
  ARROW_ASSIGN_OR_RAISE(const RequestPtr request, std::move(started));
  return request->Wait();
}

std::vector<int64_t> Equal(int64_t block, int world_size) {
  return std::vector<int64_t>(static_cast<size_t>(world_size), block);
}

}  // namespace

arrow::Status Communicator::Send(Rank to, Tag tag, ConstBytes data) { return WaitFor(Isend(to, tag, {data})); }

arrow::Result<int64_t> Communicator::Recv(Rank from, Tag tag, MutableBytes data) {
  ARROW_ASSIGN_OR_RAISE(const RequestPtr request, Irecv(from, tag, {data}));
  ARROW_RETURN_NOT_OK(request->Wait());
  return request->received_bytes();
}

arrow::Result<RequestPtr> Communicator::Igather(ConstBytes send, MutableBytes recv, Rank root, Owner owner) {
  return Igatherv(send, recv, Equal(static_cast<int64_t>(send.size()), world_size()), {}, root, std::move(owner));
}

arrow::Result<RequestPtr> Communicator::Iallgather(ConstBytes send, MutableBytes recv, Owner owner) {
  return Iallgatherv(send, recv, Equal(static_cast<int64_t>(send.size()), world_size()), {}, std::move(owner));
}

arrow::Result<RequestPtr> Communicator::Iscatter(ConstBytes send, MutableBytes recv, Rank root, Owner owner) {
  return Iscatterv(send, Equal(static_cast<int64_t>(recv.size()), world_size()), {}, recv, root, std::move(owner));
}

arrow::Result<RequestPtr> Communicator::Ialltoall(ConstBytes send, MutableBytes recv, Owner owner) {
  if (recv.size() % static_cast<size_t>(world_size()) != 0) {
    return arrow::Status::Invalid("alltoall: a buffer of ", recv.size(), " bytes has no ", world_size(),
                                  " equal blocks");
  }
  const std::vector<int64_t> counts = Equal(static_cast<int64_t>(recv.size()) / world_size(), world_size());
  return Ialltoallv(send, counts, {}, recv, counts, {}, std::move(owner));
}

arrow::Status Communicator::Barrier() { return WaitFor(Ibarrier()); }

arrow::Status Communicator::Broadcast(MutableBytes data, Rank root) { return WaitFor(Ibroadcast(data, root)); }

arrow::Status Communicator::Gather(ConstBytes send, MutableBytes recv, Rank root) {
  return WaitFor(Igather(send, recv, root));
}

arrow::Status Communicator::Gatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                    std::vector<int64_t> displacements, Rank root) {
  return WaitFor(Igatherv(send, recv, std::move(counts), std::move(displacements), root));
}

arrow::Status Communicator::Allgather(ConstBytes send, MutableBytes recv) { return WaitFor(Iallgather(send, recv)); }

arrow::Status Communicator::Allgatherv(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                       std::vector<int64_t> displacements) {
  return WaitFor(Iallgatherv(send, recv, std::move(counts), std::move(displacements)));
}

arrow::Status Communicator::Scatter(ConstBytes send, MutableBytes recv, Rank root) {
  return WaitFor(Iscatter(send, recv, root));
}

arrow::Status Communicator::Scatterv(ConstBytes send, std::vector<int64_t> counts, std::vector<int64_t> displacements,
                                     MutableBytes recv, Rank root) {
  return WaitFor(Iscatterv(send, std::move(counts), std::move(displacements), recv, root));
}

arrow::Status Communicator::Alltoall(ConstBytes send, MutableBytes recv) { return WaitFor(Ialltoall(send, recv)); }

arrow::Status Communicator::Alltoallv(ConstBytes send, std::vector<int64_t> send_counts,
                                      std::vector<int64_t> send_displacements, MutableBytes recv,
                                      std::vector<int64_t> recv_counts, std::vector<int64_t> recv_displacements) {
  return WaitFor(Ialltoallv(send, std::move(send_counts), std::move(send_displacements), recv, std::move(recv_counts),
                            std::move(recv_displacements)));
}

arrow::Status Communicator::Reduce(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction,
                                   Rank root) {
  return WaitFor(Ireduce(send, recv, count, reduction, root));
}

arrow::Status Communicator::Allreduce(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction) {
  return WaitFor(Iallreduce(send, recv, count, reduction));
}

arrow::Status Communicator::ReduceScatter(ConstBytes send, MutableBytes recv, std::vector<int64_t> counts,
                                          const Reduction& reduction) {
  return WaitFor(IreduceScatter(send, recv, std::move(counts), reduction));
}

arrow::Status Communicator::Scan(ConstBytes send, MutableBytes recv, int64_t count, const Reduction& reduction) {
  return WaitFor(Iscan(send, recv, count, reduction));
}

}  // namespace weft
