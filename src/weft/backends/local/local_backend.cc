#include "weft/backends/local/local_backend.h"

#include <utility>

#include "weft/communicator/p2p_communicator.h"

namespace weft::local {

arrow::Result<std::vector<std::unique_ptr<Communicator>>> MakeCommunicators(int world_size,
                                                                            const CommunicatorOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto transports, MakeTransports(world_size));
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (auto& transport : transports) {
    ARROW_ASSIGN_OR_RAISE(auto communicator, MakeP2PCommunicator("local", std::move(transport), options));
    communicators.push_back(std::move(communicator));
  }
  return communicators;
}

arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context) {
  const int world_size = context.membership == nullptr ? 1 : context.membership->world_size();
  if (world_size != 1) {
    return arrow::Status::Invalid("backend 'local' is for a world of 1, and this one has ", world_size,
                                  " ranks; use backend 'tcp'");
  }
  ARROW_ASSIGN_OR_RAISE(auto communicators, MakeCommunicators(1, context.communicator));
  return std::move(communicators.front());
}

}  // namespace weft::local
