#include "weft/backends/libfabric/libfabric_backend.h"

#include <rdma/fabric.h>
#include <signal.h>

#include <array>
#include <utility>

#include "weft/backends/libfabric/fabric_provider.h"
#include "weft/backends/libfabric/fabric_wire.h"
#include "weft/communicator/p2p_communicator.h"
#include "weft/communicator/wire_transport.h"

namespace weft::libfabric {

std::string Version() {
  const uint32_t version = fi_version();
  return "libfabric " + std::to_string(FI_MAJOR(version)) + "." + std::to_string(FI_MINOR(version));
}

namespace {

/// Providers (shm) catch signals to clean up; the program's own actions are put back in their place.
class SignalsKept {
 public:
  SignalsKept() {
    for (int number = 1; number < kSignals; ++number) ::sigaction(number, nullptr, &actions_[Place(number)]);
  }
  ~SignalsKept() {
    for (int number = 1; number < kSignals; ++number) {
      struct sigaction now = {};
      ::sigaction(number, nullptr, &now);
      if (now.sa_sigaction != actions_[Place(number)].sa_sigaction) {
        ::sigaction(number, &actions_[Place(number)], nullptr);
      }
    }
  }
  SignalsKept(const SignalsKept&) = delete;
  SignalsKept& operator=(const SignalsKept&) = delete;

 private:
  static constexpr int kSignals = 32;
  static size_t Place(int number) { return static_cast<size_t>(number); }
  std::array<struct sigaction, kSignals> actions_{};
};

}  // namespace

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
  options.check_interrupt = context.communicator.check_interrupt;
  options.name = "libfabric";
  std::unique_ptr<Wire> wire;
  if (membership.world_size() > 1) {
    const SignalsKept kept;
    ARROW_ASSIGN_OR_RAISE(InfoPtr info, ChooseProvider(context, options.deadline));
    ARROW_ASSIGN_OR_RAISE(wire, FabricWire::Make(context, std::move(info), options.deadline));
  }
  ARROW_ASSIGN_OR_RAISE(auto transport, WireTransport::Make(std::move(wire), options));
  return MakeP2PCommunicator("libfabric", std::move(transport), context.communicator);
}

}  // namespace weft::libfabric

WEFT_EXPORT_BACKEND(weft::libfabric::MakeCommunicator);
#ifdef WEFT_EXPORT_BACKEND_VERSION
WEFT_EXPORT_BACKEND_VERSION(weft::libfabric::Version);
#endif
