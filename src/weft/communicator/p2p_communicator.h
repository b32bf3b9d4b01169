// All collectives, built once from a Transport.
#pragma once

#include <memory>
#include <string>

#include "weft/communicator/communicator.h"
#include "weft/communicator/native_collectives.h"
#include "weft/communicator/transport.h"

namespace weft {

/// Makes a Communicator whose every collective is a schedule of sends, receives and local steps on `transport` (the
/// form of LibNBC: Hoefler, Lumsdaine, Rehm, "Implementation and performance analysis of non-blocking collective
/// operations for MPI", SC 2007). `backend` is the name it reports.
arrow::Result<std::unique_ptr<Communicator>> MakeP2PCommunicator(std::string backend,
                                                                 std::unique_ptr<Transport> transport,
                                                                 CommunicatorOptions options,
                                                                 std::shared_ptr<NativeCollectives> natives = nullptr);

}  // namespace weft
