#include "weft/backends/mpi/mpi_backend.h"

#include <numeric>
#include <utility>

#include "weft/backends/mpi/mpi_communicator.h"
#include "weft/base/fault_point.h"
#include "weft/bootstrap/mpi_process.h"

namespace weft::mpi {
namespace {

arrow::Status CheckOptions(const BackendContext& context) {
  if (context.encryption == "on") {
    return arrow::Status::Invalid("encryption=on: MPI trusts its fabric and encrypts nothing; use backend tcp");
  }
  if (!context.advertise.empty()) {
    return arrow::Status::Invalid("advertise: MPI finds its own addresses; choose its interfaces by its own settings");
  }
  return arrow::Status::OK();
}

arrow::Status CheckPlace(const BackendContext& context, Rank rank, int size) {
  if (context.world_size >= 0 && context.world_size != size) {
    return arrow::Status::Invalid("MPI has a world of ", size, ", and world_size is ", context.world_size,
                                  ": start that many ranks with mpirun or srun, or leave world_size out");
  }
  if (context.rank >= 0 && context.rank != rank) {
    return arrow::Status::Invalid("this is MPI's rank ", rank, ", and rank is ", context.rank, ": leave rank out");
  }
  return arrow::Status::OK();
}

/// Duplicates `from`, with errors returned.
arrow::Result<MPI_Comm> Duplicate(MPI_Comm from, const BackendContext& context, Deadline deadline) {
  // On the heap: MPI may write to it after the deadline.
  auto* const made = new MPI_Comm(MPI_COMM_NULL);
  MPI_Request request = MPI_REQUEST_NULL;
  {
    const std::lock_guard lock(ProcessLock());
    ARROW_RETURN_NOT_OK(Check(MPI_Comm_idup(from, made, &request), "MPI_Comm_idup"));
    FaultPoint(FaultPhase::kHandshake);
  }
  ARROW_RETURN_NOT_OK(WaitFor(&request, deadline, context.communicator.check_interrupt, "init",
                              "not all ranks of MPI's communicator have come: does each of them call weft.init?"));
  const std::unique_ptr<MPI_Comm> owned(made);
  const std::lock_guard lock(ProcessLock());
  ARROW_RETURN_NOT_OK(Check(MPI_Comm_set_errhandler(*made, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
  return *made;
}

}  // namespace

arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context) {
  ARROW_RETURN_NOT_OK(CheckOptions(context));
  ARROW_RETURN_NOT_OK(EnsureInitialized());
  ARROW_ASSIGN_OR_RAISE(const MPI_Comm parent, FromNative(context.native_communicator));
  int rank = 0;
  int size = 0;
  {
    const std::lock_guard lock(ProcessLock());
    ARROW_RETURN_NOT_OK(Check(MPI_Comm_rank(parent, &rank), "MPI_Comm_rank"));
    ARROW_RETURN_NOT_OK(Check(MPI_Comm_size(parent, &size), "MPI_Comm_size"));
  }
  ARROW_RETURN_NOT_OK(CheckPlace(context, rank, size));
  const Deadline deadline = Deadline::After(context.connect_timeout);
  FaultPoint(FaultPhase::kConnect);
  ARROW_ASSIGN_OR_RAISE(const MPI_Comm control, Duplicate(parent, context, deadline));
  auto made = std::make_shared<MpiContext>();
  ARROW_ASSIGN_OR_RAISE(made->comm, Duplicate(parent, context, deadline));
  made->rank = rank;
  made->ranks.resize(static_cast<size_t>(size));
  std::iota(made->ranks.begin(), made->ranks.end(), 0);
  made->options = context.communicator;
  return MakeMpiCommunicator(std::make_shared<MpiWorld>(control, rank, size), std::move(made));
}

}  // namespace weft::mpi

WEFT_EXPORT_BACKEND(&weft::mpi::MakeCommunicator);
WEFT_EXPORT_BACKEND_VERSION(&weft::mpi::LibraryVersion);
