#include "weft/backends/tcp/tcp_backend.h"

#include <utility>

#include "weft/backends/tcp/linker.h"
#include "weft/backends/tcp/relinker.h"
#include "weft/backends/tcp/tcp_transport.h"
#include "weft/communicator/p2p_communicator.h"

namespace weft::tcp {

arrow::Result<std::unique_ptr<Transport>> MakeTransport(const BackendContext& context) {
  ARROW_ASSIGN_OR_RAISE(const Encryption encryption, ParseEncryption(context.encryption));
  if (context.membership == nullptr) return arrow::Status::Invalid("tcp needs a membership");
  Membership& membership = *context.membership;
  if (membership.world_size() == 1) return TcpTransport::Make(0, std::vector<LinkedPeer>(1));
  ARROW_ASSIGN_OR_RAISE(LinkIdentity identity,
                        LinkIdentity::Make(context.secret, membership.job(), membership.epoch(), membership.rank(),
                                           membership.world_size(), encryption));
  Linker::Options options;
  options.advertise = context.advertise;
  options.deadline = Deadline::After(context.connect_timeout);
  options.check_interrupt = context.communicator.check_interrupt;
  options.relay_after = context.relay_after;
  options.listener = context.listener;
  if (context.rendezvous != nullptr) {
    options.rendezvous = context.rendezvous;
    ARROW_ASSIGN_OR_RAISE(options.room,
                          rendezvous::RoomKey::Derive(context.secret, membership.job(), membership.epoch()));
  }
  auto linker = std::make_unique<Linker>(&membership, std::move(identity), std::move(options));
  ARROW_ASSIGN_OR_RAISE(std::vector<LinkedPeer> links, linker->Run());
  return TcpTransport::Make(membership.rank(), std::move(links), std::make_unique<Relinker>(std::move(linker)),
                            context.shm ? context.shm_bytes : 0);
}

arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context) {
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Transport> transport, MakeTransport(context));
  return MakeP2PCommunicator("tcp", std::move(transport), context.communicator);
}

}  // namespace weft::tcp
