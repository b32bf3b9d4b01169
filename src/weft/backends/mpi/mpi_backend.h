// MPI's own collectives, on a communicator duplicated from MPI_COMM_WORLD or from one that the caller has.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <string>

#include "weft/communicator/backend.h"

namespace weft::mpi {

/// The factory of the backend "mpi". Collective over MPI's ranks: rank and world size are MPI's, and need no
/// membership.
arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context);

}  // namespace weft::mpi
