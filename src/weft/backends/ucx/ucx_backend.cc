#include "weft/backends/ucx/ucx_backend.h"

#include <utility>

#include "weft/backends/ucx/ucx_transport.h"
#include "weft/base/open_files.h"
#include "weft/communicator/p2p_communicator.h"

namespace weft::ucx {

namespace {

/// Files of a rank: the library's own, as they were counted, with some to spare; and for each peer.
constexpr int64_t kOwnFiles = 24;
constexpr int64_t kFilesOfPeer = 3;

}  // namespace

arrow::Result<std::unique_ptr<Transport>> MakeTransport(const BackendContext& context) {
  if (context.membership == nullptr) return arrow::Status::Invalid("ucx needs a membership");
  if (context.encryption == "on") {
    return arrow::Status::Invalid("encryption=on: UCX trusts its fabric and encrypts nothing; use backend 'tcp'");
  }
  const int64_t peers = context.membership->world_size() - 1;
  if (peers > 0) ARROW_RETURN_NOT_OK(RequireOpenFiles("ucx: init", kOwnFiles + kFilesOfPeer * peers));
  return UcxTransport::Make(context);
}

arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context) {
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Transport> transport, MakeTransport(context));
  return MakeP2PCommunicator("ucx", std::move(transport), context.communicator);
}

}  // namespace weft::ucx

WEFT_EXPORT_BACKEND(weft::ucx::MakeCommunicator);
WEFT_EXPORT_BACKEND_VERSION(ucp_get_version_string);
