// Ranks over Gloo's TCP transport.
#pragma once

#include <arrow/result.h>

#include <memory>

#include "weft/communicator/backend.h"

namespace weft::gloo {

/// The factory of the backend "gloo". Collective. Trusts the network: nothing is authenticated or encrypted, so
/// encryption="on" is Status::Invalid.
arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context);

}  // namespace weft::gloo
