#include "weft/backends/gloo/gloo_backend.h"

#include <utility>

#include "weft/backends/gloo/gloo_mesh.h"
#include "weft/backends/gloo/gloo_wire.h"
#include "weft/communicator/p2p_communicator.h"
#include "weft/communicator/wire_transport.h"

namespace weft::gloo {

arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context) {
  if (context.encryption == "on") {
    return arrow::Status::Invalid("encryption=on: Gloo trusts its network and encrypts nothing; use backend 'tcp'");
  }
  if (context.membership == nullptr) return arrow::Status::Invalid("gloo needs a membership");
  Membership& membership = *context.membership;
  WireTransportOptions options;
  options.rank = membership.rank();
  options.world_size = membership.world_size();
  options.job = membership.job() + "/" + std::to_string(membership.epoch());
  options.deadline = Deadline::After(context.connect_timeout);
  options.check_interrupt = context.communicator.check_interrupt;
  options.name = "gloo";
  std::unique_ptr<Wire> wire;
  if (membership.world_size() > 1) {
    ARROW_ASSIGN_OR_RAISE(Mesh mesh, ConnectMesh(context, options.deadline));
    ARROW_ASSIGN_OR_RAISE(wire, GlooWire::Make(std::move(mesh)));
  }
  ARROW_ASSIGN_OR_RAISE(auto transport, WireTransport::Make(std::move(wire), options));
  return MakeP2PCommunicator("gloo", std::move(transport), context.communicator);
}

}  // namespace weft::gloo

WEFT_EXPORT_BACKEND(weft::gloo::MakeCommunicator);
