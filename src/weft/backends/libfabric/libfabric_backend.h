// Ranks over libfabric (OFI): whatever network a host has that libfabric knows.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <string>

#include "weft/communicator/backend.h"

namespace weft::libfabric {

/// The factory of the backend "libfabric". Collective. Trusts the fabric: nothing is authenticated or encrypted, so
/// encryption="on" is Status::Invalid.
arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context);

/// Of the library that is loaded.
std::string Version();

}  // namespace weft::libfabric
