// A Communicator on MPI's own non-blocking collectives and messages.
#pragma once

#include <arrow/result.h>
#include <mpi.h>

#include <memory>

#include "weft/backends/mpi/mpi_world.h"
#include "weft/communicator/communicator.h"

namespace weft::mpi {

/// Takes over `context`, whose `comm` is this communicator's own. Gather and scatter are messages to and from the root,
/// as in Open MPI: only the root knows whether lengths and places fit in MPI's ints. `links` count what was asked for,
/// reductions left out, not what the library makes of it.
std::unique_ptr<Communicator> MakeMpiCommunicator(std::shared_ptr<MpiWorld> world, std::shared_ptr<MpiContext> context);

}  // namespace weft::mpi
