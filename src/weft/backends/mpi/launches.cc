#include "weft/backends/mpi/launches.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "weft/bootstrap/mpi_process.h"

namespace weft::mpi {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int>::max();
/// Elements that one reduction of MPI's takes.
constexpr int64_t kMaxElements = int64_t{1} << 30;
/// Messages of several parts up to this are put together; longer ones go as a datatype, which was measured to be faster
/// from 8 parts of 1 KiB on.
constexpr int64_t kPack = 4 << 10;

/// Runs `call(request)` and keeps the request.
template <typename Call>
arrow::Status Begin(Operation& operation, const char* name, Call&& call) {
  MPI_Request request = MPI_REQUEST_NULL;
  ARROW_RETURN_NOT_OK(Check(call(&request), name));
  operation.requests.push_back(request);
  return arrow::Status::OK();
}

arrow::Status BeginSend(Operation& operation, const Typed& data, Rank to, int tag) {
  return Begin(operation, "MPI_Isend", [&](MPI_Request* request) {
    return MPI_Isend(data.address, data.count, data.type, to, tag, operation.context->comm, request);
  });
}

void Await(Operation& operation, const Typed& place, int64_t bytes, Rank from, int tag) {
  operation.awaited.push_back({operation.Keep(place), bytes, from, tag});
}

arrow::Status BeginMessage(Operation& operation, MpiWorld& world, const Typed& data) {
  if (operation.receive) {
    const int tag = world.Fits(operation.tag) ? static_cast<int>(operation.tag)
                                              : world.TagFor(MpiWorld::Use::kLongPayload, operation.number);
    Await(operation, data, operation.bytes, operation.peer, tag);
    return arrow::Status::OK();
  }
  operation.Keep(data);
  if (world.Fits(operation.tag)) return BeginSend(operation, data, operation.peer, static_cast<int>(operation.tag));
  const uint32_t sequence = operation.context->peers[static_cast<size_t>(operation.peer)].long_tags++;
  const std::vector<LongTag>& head = operation.Keep(std::vector<LongTag>{{operation.tag, sequence, -1}});
  ARROW_ASSIGN_OR_RAISE(const Typed described,
                        DescribeBlock(reinterpret_cast<const std::byte*>(head.data()), sizeof(LongTag)));
  ARROW_RETURN_NOT_OK(BeginSend(operation, described, operation.peer, world.LongHeadTag()));
  return BeginSend(operation, data, operation.peer, world.TagFor(MpiWorld::Use::kLongPayload, sequence));
}

/// The arguments of MPI_Ialltoallw for one side. They live as long as the operation.
struct Sides {
  std::vector<int>* counts;
  std::vector<int>* displacements;
  std::vector<MPI_Datatype>* types;
};

arrow::Result<Sides> DescribeSides(Operation& operation, const Blocks& blocks) {
  const size_t size = blocks.counts().size();
  const Sides sides{&operation.Keep(std::vector<int>(size)), &operation.Keep(std::vector<int>(size)),
                    &operation.Keep(std::vector<MPI_Datatype>(size, MPI_BYTE))};
  for (size_t i = 0; i < size; ++i) {
    const int64_t bytes = blocks.size(static_cast<Rank>(i));
    const int64_t at = blocks.at(static_cast<Rank>(i));
    if (bytes == 0) continue;
    if (bytes <= kMaxInt && at <= kMaxInt) {
      (*sides.counts)[i] = static_cast<int>(bytes);
      (*sides.displacements)[i] = static_cast<int>(at);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const Typed typed, DescribeAt(at, bytes));
    (*sides.types)[i] = operation.Keep(typed).type;
    (*sides.counts)[i] = 1;
  }
  return sides;
}

arrow::Status BeginAlltoallw(Operation& operation, const std::byte* from, const Blocks& send_blocks, std::byte* into,
                             const Blocks& recv_blocks) {
  ARROW_ASSIGN_OR_RAISE(const Sides send, DescribeSides(operation, send_blocks));
  ARROW_ASSIGN_OR_RAISE(const Sides recv, DescribeSides(operation, recv_blocks));
  return Begin(operation, "MPI_Ialltoallw", [&](MPI_Request* request) {
    return MPI_Ialltoallw(from, send.counts->data(), send.displacements->data(), send.types->data(), into,
                          recv.counts->data(), recv.displacements->data(), recv.types->data(), operation.context->comm,
                          request);
  });
}

std::vector<int> Ints(std::span<const int64_t> values) {
  std::vector<int> ints;
  for (const int64_t value : values) ints.push_back(static_cast<int>(value));
  return ints;
}

/// Calls `begin(first, count)` for as many pieces as `count` elements need, one at least.
template <typename BeginPiece>
arrow::Status InPieces(int64_t count, BeginPiece&& begin) {
  int64_t first = 0;
  do {
    const int64_t piece = std::min(kMaxElements, count - first);
    ARROW_RETURN_NOT_OK(begin(first, static_cast<int>(piece)));
    first += piece;
  } while (first < count);
  return arrow::Status::OK();
}

}  // namespace

Starter SendParts(Operation& operation, MpiWorld& world, std::vector<ConstBytes> parts) {
  if (operation.owner == nullptr || (parts.size() > 1 && operation.bytes <= kPack)) {
    std::byte* const packed = operation.Temporary(operation.bytes);
    std::byte* next = packed;
    for (const ConstBytes part : parts) {
      if (next != nullptr && !part.empty()) next = std::copy(part.begin(), part.end(), next);
    }
    parts.assign(1, ConstBytes(packed, static_cast<size_t>(operation.bytes)));
  }
  return [&world, parts = std::move(parts)](Operation& started) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const Typed typed, DescribeParts(parts));
    return BeginMessage(started, world, typed);
  };
}

Starter ReceiveParts(Operation& operation, MpiWorld& world, std::vector<MutableBytes> parts) {
  std::vector<ConstBytes> places(parts.begin(), parts.end());
  if (operation.owner == nullptr || (parts.size() > 1 && operation.bytes <= kPack)) {
    places.assign(1, ConstBytes(operation.OutParts(parts, operation.bytes), static_cast<size_t>(operation.bytes)));
  }
  return [&world, places = std::move(places)](Operation& started) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const Typed typed, DescribeParts(places));
    return BeginMessage(started, world, typed);
  };
}

Starter StartBarrier() {
  return [](Operation& started) {
    return Begin(started, "MPI_Ibarrier",
                 [&](MPI_Request* request) { return MPI_Ibarrier(started.context->comm, request); });
  };
}

Starter StartBroadcast(Operation& operation, MutableBytes data, Rank root) {
  const auto bytes = static_cast<int64_t>(data.size());
  const std::byte* const at = operation.context->rank == root ? operation.In(data) : operation.Out(data);
  return [=](Operation& started) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const Typed made, DescribeBlock(at, bytes));
    const Typed typed = started.Keep(made);
    return Begin(started, "MPI_Ibcast", [&](MPI_Request* request) {
      return MPI_Ibcast(typed.address, typed.count, typed.type, root, started.context->comm, request);
    });
  };
}

Starter StartGather(Operation& operation, MpiWorld& world, ConstBytes send, std::byte* recv, Blocks blocks, Rank root) {
  const Rank rank = operation.context->rank;
  if (rank != root) {
    const std::byte* const from = operation.In(send);
    world.Count(operation.context->ranks[static_cast<size_t>(root)], static_cast<int64_t>(send.size()), 0);
    return [&world, from, root, bytes = static_cast<int64_t>(send.size())](Operation& started) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const Typed typed, DescribeBlock(from, bytes));
      return BeginSend(started, started.Keep(typed), root, world.TagFor(MpiWorld::Use::kBlocks, started.number));
    };
  }
  std::byte* const into = operation.Out(recv, &blocks);
  if (into != nullptr && !send.empty()) std::memmove(into + blocks.at(rank), send.data(), send.size());
  for (size_t i = 0; i < blocks.counts().size(); ++i) {
    world.Count(operation.context->ranks[i], 0, blocks.counts()[i]);
  }
  return [&world, into, blocks = std::move(blocks)](Operation& started) -> arrow::Status {
    for (Rank peer = 0; peer < static_cast<Rank>(blocks.counts().size()); ++peer) {
      if (peer == started.context->rank) continue;
      ARROW_ASSIGN_OR_RAISE(const Typed typed, DescribeBlock(into + blocks.at(peer), blocks.size(peer)));
      Await(started, typed, blocks.size(peer), peer, world.TagFor(MpiWorld::Use::kBlocks, started.number));
    }
    return arrow::Status::OK();
  };
}

Starter StartScatter(Operation& operation, MpiWorld& world, const std::byte* send, Blocks blocks, MutableBytes recv,
                     Rank root) {
  const Rank rank = operation.context->rank;
  if (rank != root) {
    std::byte* const into = operation.Out(recv);
    const auto bytes = static_cast<int64_t>(recv.size());
    world.Count(operation.context->ranks[static_cast<size_t>(root)], 0, bytes);
    return [&world, into, bytes, root](Operation& started) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const Typed typed, DescribeBlock(into, bytes));
      Await(started, typed, bytes, root, world.TagFor(MpiWorld::Use::kBlocks, started.number));
      return arrow::Status::OK();
    };
  }
  if (!recv.empty()) std::memmove(recv.data(), send + blocks.at(rank), recv.size());
  const std::byte* const from = operation.In(send, &blocks);
  for (size_t i = 0; i < blocks.counts().size(); ++i) {
    world.Count(operation.context->ranks[i], blocks.counts()[i], 0);
  }
  return [&world, from, blocks = std::move(blocks)](Operation& started) -> arrow::Status {
    for (Rank peer = 0; peer < static_cast<Rank>(blocks.counts().size()); ++peer) {
      if (peer == started.context->rank) continue;
      ARROW_ASSIGN_OR_RAISE(const Typed typed, DescribeBlock(from + blocks.at(peer), blocks.size(peer)));
      ARROW_RETURN_NOT_OK(
          BeginSend(started, started.Keep(typed), peer, world.TagFor(MpiWorld::Use::kBlocks, started.number)));
    }
    return arrow::Status::OK();
  };
}

Starter StartAllgather(Operation& operation, ConstBytes send, std::byte* recv, Blocks blocks) {
  const Rank rank = operation.context->rank;
  // The sum is the same on all ranks, so they all come to the same choice; places are each rank's own business.
  const bool fits = blocks.total() <= kMaxInt;
  bool near = true;
  for (Rank peer = 0; peer < static_cast<Rank>(blocks.counts().size()); ++peer) {
    near = near && blocks.at(peer) <= kMaxInt;
  }
  const bool packed = operation.owner == nullptr || (fits && !near);
  const bool in_place = fits && !packed && send.data() == recv + blocks.at(rank);
  const std::byte* const from = operation.In(send);
  std::byte* const into = packed ? operation.OutPacked(recv, &blocks) : recv;
  const auto bytes = static_cast<int64_t>(send.size());
  if (!fits) {
    // By address: the first rank's own block begins where all do, and Open MPI takes equal buffers for "in place".
    const std::vector<int64_t> places(blocks.counts().size(), reinterpret_cast<intptr_t>(from));
    const Blocks same(std::vector<int64_t>(places.size(), bytes), places);
    return [same, into, blocks = std::move(blocks)](Operation& started) {
      return BeginAlltoallw(started, static_cast<const std::byte*>(MPI_BOTTOM), same, into, blocks);
    };
  }
  return [=, blocks = std::move(blocks)](Operation& started) {
    const std::vector<int>& counts = started.Keep(Ints(blocks.counts()));
    std::vector<int>& places = started.Keep(std::vector<int>(counts.size()));
    for (size_t i = 0; i < counts.size(); ++i) places[i] = static_cast<int>(blocks.at(static_cast<Rank>(i)));
    return Begin(started, "MPI_Iallgatherv", [&](MPI_Request* request) {
      return MPI_Iallgatherv(in_place ? MPI_IN_PLACE : from, static_cast<int>(bytes), MPI_BYTE, into, counts.data(),
                             places.data(), MPI_BYTE, started.context->comm, request);
    });
  };
}

Starter StartAlltoallv(Operation& operation, ConstBytes send, Blocks send_blocks, MutableBytes recv,
                       Blocks recv_blocks) {
  const bool in_place = operation.owner != nullptr && send.data() == recv.data();
  const std::byte* const from = in_place ? operation.Copy(send) : operation.In(send.data(), &send_blocks);
  std::byte* const into = operation.Out(recv.data(), &recv_blocks);
  return [from, into, send_blocks = std::move(send_blocks), recv_blocks = std::move(recv_blocks)](Operation& started) {
    return BeginAlltoallw(started, from, send_blocks, into, recv_blocks);
  };
}

Starter StartAlltoall(Operation& operation, ConstBytes send, MutableBytes recv, int64_t block) {
  if (static_cast<int64_t>(recv.size()) > kMaxInt) {
    const Blocks blocks(std::vector<int64_t>(operation.context->ranks.size(), block), {});
    return StartAlltoallv(operation, send, blocks, recv, blocks);
  }
  const bool in_place = operation.owner != nullptr && send.data() == recv.data();
  const std::byte* const from = in_place ? operation.Copy(send) : operation.In(send);
  std::byte* const into = operation.Out(recv);
  return [=](Operation& started) {
    return Begin(started, "MPI_Ialltoall", [&](MPI_Request* request) {
      return MPI_Ialltoall(from, static_cast<int>(block), MPI_BYTE, into, static_cast<int>(block), MPI_BYTE,
                           started.context->comm, request);
    });
  };
}

Starter StartReduce(Operation& operation, ConstBytes send, MutableBytes recv, int64_t count, Rank root) {
  const auto bytes = static_cast<size_t>(count * operation.reduction.element_size);
  const bool at_root = operation.context->rank == root;
  const bool in_place = at_root && operation.owner != nullptr && send.data() == recv.data();
  const std::byte* const from = operation.In(send.first(bytes));
  std::byte* const into = at_root ? operation.Out(recv.first(bytes)) : nullptr;
  return [=](Operation& started) {
    const Operator& by = started.reduction;
    return InPieces(count, [&](int64_t first, int piece) {
      const int64_t at = first * by.element_size;
      return Begin(started, "MPI_Ireduce", [&](MPI_Request* request) {
        return MPI_Ireduce(in_place ? MPI_IN_PLACE : from + at, at_root ? into + at : nullptr, piece, by.type, by.op,
                           root, started.context->comm, request);
      });
    });
  };
}

Starter StartAllreduce(Operation& operation, ConstBytes send, MutableBytes recv, int64_t count) {
  const auto bytes = static_cast<size_t>(count * operation.reduction.element_size);
  const bool in_place = operation.owner != nullptr && send.data() == recv.data();
  const std::byte* const from = operation.In(send.first(bytes));
  std::byte* const into = operation.Out(recv.first(bytes));
  return [=](Operation& started) {
    const Operator& by = started.reduction;
    return InPieces(count, [&](int64_t first, int piece) {
      const int64_t at = first * by.element_size;
      return Begin(started, "MPI_Iallreduce", [&](MPI_Request* request) {
        return MPI_Iallreduce(in_place ? MPI_IN_PLACE : from + at, into + at, piece, by.type, by.op,
                              started.context->comm, request);
      });
    });
  };
}

Starter StartReduceScatter(Operation& operation, ConstBytes send, MutableBytes recv,
                           const std::vector<int64_t>& counts) {
  const int64_t element = operation.reduction.element_size;
  const Rank rank = operation.context->rank;
  const Blocks blocks(counts, {});
  const auto bytes = static_cast<size_t>(blocks.total() * element);
  // Both are the same memory where this rank gets all: MPI's own form of "in place" is another.
  const bool same = operation.owner != nullptr && send.data() == recv.data();
  const std::byte* const from = same ? operation.Copy(send.first(bytes)) : operation.In(send.first(bytes));
  std::byte* const into = operation.Out(recv.first(static_cast<size_t>(blocks.size(rank) * element)));
  if (blocks.total() <= kMaxInt) {
    return [=](Operation& started) {
      const std::vector<int>& ints = started.Keep(Ints(blocks.counts()));
      const Operator& by = started.reduction;
      return Begin(started, "MPI_Ireduce_scatter", [&](MPI_Request* request) {
        return MPI_Ireduce_scatter(from, into, ints.data(), by.type, by.op, started.context->comm, request);
      });
    };
  }
  return [=](Operation& started) -> arrow::Status {
    const Operator& by = started.reduction;
    for (Rank root = 0; root < static_cast<Rank>(blocks.counts().size()); ++root) {
      ARROW_RETURN_NOT_OK(InPieces(blocks.size(root), [&](int64_t first, int piece) {
        return Begin(started, "MPI_Ireduce", [&](MPI_Request* request) {
          return MPI_Ireduce(from + (blocks.at(root) + first) * element,
                             root == rank ? into + first * element : nullptr, piece, by.type, by.op, root,
                             started.context->comm, request);
        });
      }));
    }
    return arrow::Status::OK();
  };
}

Starter StartScan(Operation& operation, ConstBytes send, MutableBytes recv, int64_t count) {
  const auto bytes = static_cast<size_t>(count * operation.reduction.element_size);
  const bool in_place = operation.owner != nullptr && send.data() == recv.data();
  const std::byte* const from = operation.In(send.first(bytes));
  std::byte* const into = operation.Out(recv.first(bytes));
  return [=](Operation& started) {
    const Operator& by = started.reduction;
    return InPieces(count, [&](int64_t first, int piece) {
      const int64_t at = first * by.element_size;
      return Begin(started, "MPI_Iscan", [&](MPI_Request* request) {
        return MPI_Iscan(in_place ? MPI_IN_PLACE : from + at, into + at, piece, by.type, by.op, started.context->comm,
                         request);
      });
    });
  };
}

}  // namespace weft::mpi
