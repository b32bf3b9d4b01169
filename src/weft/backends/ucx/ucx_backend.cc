#include "weft/backends/ucx/ucx_backend.h"

#include <utility>

#include "weft/backends/ucx/ucx_transport.h"
#include "weft/communicator/p2p_communicator.h"

namespace weft::ucx {

arrow::Result<std::unique_ptr<Transport>> MakeTransport(const BackendContext& context) {
  if (context.membership == nullptr) return arrow::Status::Invalid("ucx needs a membership");
  if (context.encryption == "on") {
    return arrow::Status::Invalid("encryption=on: UCX trusts its fabric and encrypts nothing; use backend 'tcp'");
  }
  return UcxTransport::Make(context);
}

arrow::Result<std::unique_ptr<Communicator>> MakeCommunicator(const BackendContext& context) {
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Transport> transport, MakeTransport(context));
  return MakeP2PCommunicator("ucx", std::move(transport), context.communicator);
}

}  // namespace weft::ucx

WEFT_EXPORT_BACKEND(weft::ucx::MakeCommunicator);
WEFT_EXPORT_BACKEND_VERSION(ucp_get_version_string);
