#include "weft/backends/libfabric/libfabric_backend.h"

#include <rdma/fabric.h>

#include <utility>

#include "weft/backends/libfabric/fabric_provider.h"
#include "weft/backends/libfabric/fabric_wire.h"
#include "weft/base/kept_signals.h"
#include "weft/base/open_files.h"
#include "weft/communicator/p2p_communicator.h"
#include "weft/communicator/start_up.h"
#include "weft/communicator/wire_transport.h"

namespace weft::libfabric {

namespace {

/// Files of a rank: the library's own, as they were counted, with some to spare; and for each peer.
constexpr int64_t kOwnFiles = 12;
constexpr int64_t kFilesOfPeer = 4;

}  // namespace

std::string Version() {
  const uint32_t version = fi_version();
  return "libfabric " + std::to_string(FI_MAJOR(version)) + "." + std::to_string(FI_MINOR(version));
}

arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context) {
  if (context.encryption == "on") {
    return arrow::Status::Invalid("encryption=on: libfabric trusts its fabric and encrypts nothing; use backend 'tcp'");
  }
  if (context.membership == nullptr) return arrow::Status::Invalid("libfabric needs a membership");
  Membership& membership = *context.membership;
  WireTransportOptions options;
  options.rank = membership.rank();
  options.world_size = membership.world_size();
  options.job = membership.job() + "/" + std::to_string(membership.epoch());
  options.deadline = Deadline::After(context.connect_timeout);
  options.name = "libfabric";
  std::unique_ptr<Wire> wire;
  std::unique_ptr<StartUp> start_up;
  if (membership.world_size() > 1) {
    ARROW_ASSIGN_OR_RAISE(start_up, StartUp::Begin(context));
    options.check_interrupt = [&start_up] { return start_up->Check(); };
    options.met = [&start_up](Rank peer) { start_up->Met(peer); };
    ARROW_RETURN_NOT_OK(RequireOpenFiles("libfabric: init", kOwnFiles + kFilesOfPeer * (options.world_size - 1)));
    const KeptSignals kept;  // shm catches some to clean up
    ARROW_ASSIGN_OR_RAISE(InfoPtr info, ChooseProvider(start_up->context(), options.deadline));
    auto made = FabricWire::Make(start_up->context(), std::move(info), options.deadline);
    if (!made.ok()) return start_up->Explain(made.status());
    wire = *std::move(made);
  }
  ARROW_ASSIGN_OR_RAISE(auto transport, WireTransport::Make(std::move(wire), options));
  return MakeP2PCommunicator("libfabric", std::move(transport), context.communicator);
}

}  // namespace weft::libfabric

WEFT_EXPORT_BACKEND(weft::libfabric::MakeCommunicator);
WEFT_EXPORT_BACKEND_VERSION(weft::libfabric::Version);
