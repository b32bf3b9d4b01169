// UCC (github.com/openucx/ucc): collectives of the installed version over UCX.
#pragma once

#include <arrow/result.h>

#include <memory>

#include "weft/communicator/backend.h"

namespace weft::ucc {

/// The factory of the backend "ucc": the communicator that backend "ucx" makes, whose collectives are UCC's where it
/// has them. Messages, scans, functions and what differs in meaning (UccTeam) stay with ucx.
arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context);

}  // namespace weft::ucc
