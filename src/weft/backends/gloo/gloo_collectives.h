// Gloo's own collectives.
#pragma once

#include <memory>

#include "weft/backends/gloo/gloo_group.h"
#include "weft/communicator/native_collectives.h"

namespace weft::gloo {

/// Those of all ranks of `mesh`. Barrier, broadcast, allgather(v), alltoall of equal blocks, and reduce and allreduce
/// of all types by all operations but functions are Gloo's. They block, so each communicator has a thread that runs
/// them in order (gloo_worker.h). Gather(v), scatter(v) and alltoallv are not: Gloo trusts that lengths agree, and
/// there no rank can know.
std::unique_ptr<NativeCollectives> MakeCollectives(std::shared_ptr<Mesh> mesh);

}  // namespace weft::gloo
