#include "weft/backends/gloo/gloo_backend.h"

#include <utility>

#include "weft/backends/gloo/gloo_collectives.h"
#include "weft/backends/gloo/gloo_mesh.h"
#include "weft/backends/gloo/gloo_wire.h"
#include "weft/base/open_files.h"
#include "weft/communicator/p2p_communicator.h"
#include "weft/communicator/start_up.h"
#include "weft/communicator/wire_transport.h"

namespace weft::gloo {
namespace {

arrow::Result<std::unique_ptr<Transport>> Meet(StartUp& start_up, WireTransportOptions options, Mesh* collectives) {
  options.check_interrupt = [&start_up] { return start_up.Check(); };
  options.met = [&start_up](Rank peer) { start_up.Met(peer); };
  ARROW_ASSIGN_OR_RAISE(Mesh messages, ConnectMesh(start_up.context(), "messages", options.deadline));
  // Connections of their own, so that heartbeats need not wait for what a collective sends.
  ARROW_ASSIGN_OR_RAISE(*collectives, ConnectMesh(start_up.context(), "collectives", options.deadline));
  ARROW_ASSIGN_OR_RAISE(auto wire, GlooWire::Make(std::move(messages)));
  return WireTransport::Make(std::move(wire), options);
}

/// Files of a rank: the library's own, as they were counted, with some to spare; and for each peer.
constexpr int64_t kOwnFiles = 12;
constexpr int64_t kFilesOfPeer = 2;

}  // namespace

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
  options.name = "gloo";
  if (membership.world_size() == 1) {
    ARROW_ASSIGN_OR_RAISE(auto alone, WireTransport::Make(nullptr, options));
    return MakeP2PCommunicator("gloo", std::move(alone), context.communicator);
  }
  ARROW_ASSIGN_OR_RAISE(const auto start_up, StartUp::Begin(context));
  ARROW_RETURN_NOT_OK(RequireOpenFiles("gloo: init", kOwnFiles + kFilesOfPeer * (options.world_size - 1)));
  Mesh collectives;
  auto transport = Meet(*start_up, std::move(options), &collectives);
  // Gloo knows that a connection has ended, and not whose it was.
  if (!transport.ok()) return start_up->Explain(transport.status());
  ARROW_ASSIGN_OR_RAISE(auto communicator, MakeP2PCommunicator("gloo", *std::move(transport), context.communicator));
  auto* const host = dynamic_cast<NativeHost*>(communicator.get());
  if (host == nullptr) return arrow::Status::UnknownError("gloo: its communicator takes no collectives of a library");
  host->UseNative("gloo", MakeCollectives(std::make_shared<Mesh>(std::move(collectives))));
  return communicator;
}

}  // namespace weft::gloo

WEFT_EXPORT_BACKEND(weft::gloo::MakeCommunicator);
