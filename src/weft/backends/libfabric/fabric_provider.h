// Which provider of libfabric a job uses.
#pragma once

#include <arrow/result.h>
#include <rdma/fabric.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/communicator/backend.h"

namespace weft::libfabric {

struct InfoDeleter {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};
using InfoPtr = std::unique_ptr<fi_info, InfoDeleter>;

/// An error of libfabric, which gives them as negative numbers.
arrow::Status FabricError(const char* call, ssize_t code);

/// The best provider that all ranks have, of those that do reliable datagrams with tags: in this order efa,
/// verbs;ofi_rxm, shm (only where all ranks are on one host), tcp;ofi_rxm, then any other in libfabric's own order but
/// the deprecated sockets. FI_PROVIDER narrows the choice, as in every program that uses libfabric; `advertise` is the
/// local address that providers over IP bind. Collective.
arrow::Result<InfoPtr> ChooseProvider(const BackendContext& context, Deadline deadline);

}  // namespace weft::libfabric
