#include "weft/communicator/message_operation.h"

#include "weft/base/communication_error.h"

namespace weft {

arrow::Status MismatchError(Rank self, const Operation& receive, int64_t size) {
  CommunicationError error;
  error.failure = CommunicationFailure::kMismatch;
  error.operation = "recv";
  error.phase = "header";
  error.rank = self;
  error.peer = receive.peer;
  return MakeCommunicationError(std::move(error), "message of " + std::to_string(size) + " bytes for a receive of " +
                                                      std::to_string(receive.size) + " bytes, tag " +
                                                      std::to_string(receive.tag));
}

}  // namespace weft
