// A send or receive under way.
#pragma once

#include <ucp/api/ucp.h>

#include <memory>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/communicator/transport.h"

namespace weft::ucx {

class UcxTransport;

/// Guarded by the transport's mutex but for what TransportOperation gives to its readers. `done` may come before
/// UCX has let go (a failure, Cancel); the transport keeps the operation and its owner until UCX has.
class UcxOperation : public TransportOperation {
 public:
  UcxTransport* transport = nullptr;
  bool receive = false;
  Rank peer = -1;
  Tag tag = 0;
  int64_t size = 0;               // of the message that is sent; room for the one that is received
  std::vector<ucp_dt_iov_t> iov;  // of more than one part; UCX reads it until it has let go
  std::vector<std::byte> packed;  // of several parts that are short in sum
  Owner owner;
  void* request = nullptr;
  bool held = false;  // UCX may still touch it
  size_t index = 0;   // among those that are held
  Clock::time_point started;
};

using UcxOperationPtr = std::shared_ptr<UcxOperation>;

}  // namespace weft::ucx
