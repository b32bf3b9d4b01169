// UCX (openucx.org): shared memory, TCP, InfiniBand, RoCE and whatever else the installed library can do.
#pragma once

#include <arrow/result.h>

#include <memory>

#include "weft/communicator/backend.h"
#include "weft/communicator/transport.h"

namespace weft::ucx {

/// Links this rank with all others of the membership and returns when every one has answered. Collective. A rank that
/// does not come is kTimedOut and named; one with another version of UCX or of this protocol is Status::Invalid on
/// both. Variables named UCX_... are read at each call.
arrow::Result<std::unique_ptr<Transport>> MakeTransport(const BackendContext& context);

/// The factory of the backend "ucx".
arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context);

}  // namespace weft::ucx
