#include "weft/communicator/message_operation.h"

#include "weft/base/communication_error.h"

namespace weft {

std::string MismatchText(int64_t size, int64_t expected, int64_t tag) {
  return "message of " + std::to_string(size) + " bytes for a receive of " + std::to_string(expected) + " bytes, tag " +
         std::to_string(tag) +
         "; do all ranks call the same operations, with the same sizes? check_collectives=True says who does not";
}

arrow::Status MismatchError(Rank self, const Operation& receive, int64_t size) {
  CommunicationError error;
  error.failure = CommunicationFailure::kMismatch;
  error.operation = "recv";
  error.phase = "header";
  error.rank = self;
  error.peer = receive.peer;
  return MakeCommunicationError(std::move(error), MismatchText(size, receive.size, receive.tag));
}

}  // namespace weft
