// Authenticated TCP links between processes: laptops, clusters, functions.
#pragma once

#include <arrow/result.h>

#include <memory>

#include "weft/communicator/backend.h"
#include "weft/communicator/transport.h"

namespace weft::tcp {

/// Links this rank with all others of the membership and returns when every link is authenticated. Collective. A rank
/// that does not come is kTimedOut and named; one that does not know the secret is kAuthenticationFailed on both ends.
arrow::Result<std::unique_ptr<Transport>> MakeTransport(const BackendContext& context);

/// The factory of the backend "tcp".
arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context);

}  // namespace weft::tcp
