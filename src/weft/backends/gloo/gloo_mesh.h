// A full mesh of Gloo's pairs over TCP.
#pragma once

#include <arrow/result.h>
#include <gloo/transport/context.h>
#include <gloo/transport/device.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/without_sigpipe.h"
#include "weft/communicator/backend.h"

namespace weft::gloo {

struct Mesh {
  std::shared_ptr<::gloo::transport::Device> device;
  std::shared_ptr<::gloo::transport::Context> context;
  std::vector<std::string> addresses;  // that ranks listen on, by rank
};

/// Connects this rank with all others; collective. Ranks of one host meet on loopback, others on the address from which
/// the host's default route leaves, or on `advertise`. Gloo authenticates nobody: whoever connects first to a port is
/// taken for the peer that it was opened for, so the network must be trusted. `name` tells several meshes of one job
/// apart.
arrow::Result<Mesh> ConnectMesh(const BackendContext& context, const std::string& name, Deadline deadline);

/// Runs `call`, which uses Gloo, and turns what it throws into a Status. Gloo writes to connections that peers have
/// closed.
template <typename Call>
arrow::Status Guard(const char* what, Call&& call) {
  const WithoutSigpipe guard;
  try {
    call();
    return arrow::Status::OK();
  } catch (const std::exception& error) {
    return arrow::Status::IOError("gloo: ", what, ": ", error.what());
  }
}

}  // namespace weft::gloo
