#include "weft/backends/ucc/ucc_backend.h"

#include <utility>

#include "weft/backends/ucc/ucc_library.h"
#include "weft/backends/ucc/ucc_team.h"
#include "weft/base/open_files.h"

namespace weft::ucc {

namespace {

/// Files of a rank, UCX's among them, as they were counted, with some to spare; and for each peer.
constexpr int64_t kOwnFiles = 40;
constexpr int64_t kFilesOfPeer = 3;

}  // namespace

arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context) {
  const Deadline deadline = Deadline::After(context.connect_timeout);
  const int64_t peers = context.membership != nullptr ? context.membership->world_size() - 1 : 0;
  if (peers > 0) ARROW_RETURN_NOT_OK(RequireOpenFiles("ucc: init", kOwnFiles + kFilesOfPeer * peers));
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Communicator> communicator, weft::MakeCommunicator("ucx", context));
  auto* const host = dynamic_cast<NativeHost*>(communicator.get());
  if (host == nullptr) return arrow::Status::UnknownError("backend 'ucx' takes no collectives from a library");
  if (communicator->world_size() == 1) {
    host->UseNative("ucc", nullptr);
    return communicator;
  }
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Communicator> control, communicator->Dup());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<UccLibrary> library, UccLibrary::Open(std::move(control), deadline));
  ARROW_ASSIGN_OR_RAISE(auto team, UccTeam::Make(std::move(library), *communicator, deadline));
  host->UseNative("ucc", std::move(team));
  return communicator;
}

}  // namespace weft::ucc

WEFT_EXPORT_BACKEND(weft::ucc::MakeCommunicator);