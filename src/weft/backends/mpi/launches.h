// How each operation is handed to MPI. Each function makes the buffers of an operation ready at once, and returns what
// starts it, which may be later. Arguments have been checked.
#pragma once

#include <arrow/status.h>

#include <functional>
#include <vector>

#include "weft/backends/mpi/mpi_world.h"
#include "weft/backends/mpi/operation.h"
#include "weft/communicator/collectives/collectives.h"

namespace weft::mpi {

using Starter = std::function<arrow::Status(Operation&)>;

Starter SendParts(Operation& operation, MpiWorld& world, std::vector<ConstBytes> parts);
Starter ReceiveParts(Operation& operation, MpiWorld& world, std::vector<MutableBytes> parts);

Starter StartBarrier();
Starter StartBroadcast(Operation& operation, MutableBytes data, Rank root);
Starter StartGather(Operation& operation, MpiWorld& world, ConstBytes send, std::byte* recv, Blocks blocks, Rank root);
Starter StartScatter(Operation& operation, MpiWorld& world, const std::byte* send, Blocks blocks, MutableBytes recv,
                     Rank root);
Starter StartAllgather(Operation& operation, ConstBytes send, std::byte* recv, Blocks blocks);
Starter StartAlltoallv(Operation& operation, ConstBytes send, Blocks send_blocks, MutableBytes recv,
                       Blocks recv_blocks);
Starter StartAlltoall(Operation& operation, ConstBytes send, MutableBytes recv, int64_t block);

// Reductions use operation.reduction; counts are in elements.
Starter StartReduce(Operation& operation, ConstBytes send, MutableBytes recv, int64_t count, Rank root);
Starter StartAllreduce(Operation& operation, ConstBytes send, MutableBytes recv, int64_t count);
Starter StartReduceScatter(Operation& operation, ConstBytes send, MutableBytes recv,
                           const std::vector<int64_t>& counts);
Starter StartScan(Operation& operation, ConstBytes send, MutableBytes recv, int64_t count);

}  // namespace weft::mpi
