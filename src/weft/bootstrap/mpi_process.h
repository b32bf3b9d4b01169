// MPI as this process has it. Part of the module "mpi"; nothing in libweft includes this.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <mpi.h>

#include <cstdint>
#include <functional>
#include <string>

#include "weft/base/deadline.h"
#include "weft/base/turn_lock.h"

namespace weft::mpi {

/// Initialises MPI, for calls of any thread where the library can, unless somebody has done so. What was initialised
/// here is finalised when the process exits; MPI cannot be initialised twice, so closing a communicator does not.
/// Status::Invalid where MPI is finalised already, or only its main thread may call it and this is another.
arrow::Status EnsureInitialized();

/// Held around every call of MPI: one thread at a time is enough for libraries that only serialise.
TurnLock& ProcessLock();

/// False where a call that blocks must keep the lock.
bool ThreadsMayCallAtOnce();

/// True between initialisation and finalisation, whoever does it: only then may anything be freed.
bool IsUsable();

/// "Open MPI v4.1.4": may be asked before initialisation.
std::string LibraryVersion();

/// An IOError with the library's own words where `code` is no success.
arrow::Status Check(int code, const char* call);

/// The communicator that `native` is the handle of, as an integer; 0: MPI_COMM_WORLD. Status::Invalid for a null
/// handle or one between two groups.
arrow::Result<MPI_Comm> FromNative(uint64_t native);

/// Waits for `request` without holding the lock for longer than a test; kTimedOut, naming `operation` and `what` did
/// not come, past the deadline. Then the request and its memory are the library's for ever.
arrow::Status WaitFor(MPI_Request* request, Deadline deadline, const std::function<arrow::Status()>& check_interrupt,
                      const char* operation, const std::string& what);

/// Until the next EnsureInitialized the exit of the process waits for the other ranks only for seconds: one has failed.
void ExpectNoGoodEnd();

}  // namespace weft::mpi
