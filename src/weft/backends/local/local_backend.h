// Ranks as threads of one process.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <vector>

#include "weft/communicator/backend.h"
#include "weft/communicator/communicator.h"
#include "weft/communicator/transport.h"

namespace weft::local {

/// The transports of a world of `world_size` ranks in this process, by rank; each is then used by a thread of its own.
/// A message is copied once, from the sender's memory to the receiver's.
arrow::Result<std::vector<std::unique_ptr<Transport>>> MakeTransports(int world_size);

/// The same, each as a communicator with backend() "local".
arrow::Result<std::vector<std::unique_ptr<Communicator>>> MakeCommunicators(int world_size,
                                                                            const CommunicatorOptions& options);

/// The factory of the backend "local": a world of 1. A larger one is Status::Invalid, for its ranks are threads that
/// only C++ can start (MakeCommunicators).
arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context);

}  // namespace weft::local
