// What a Status that comes from communication carries besides its text.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <string>

#include "weft/base/deadline.h"
#include "weft/base/types.h"

namespace weft {

/// Why communication failed. The Python binding has one exception class for each.
enum class CommunicationFailure : uint8_t {
  kOther,                 // CommunicatorError
  kPeerLost,              // the peer's process, host or every path to it is gone
  kTimedOut,              // the peer is alive but did not come within the timeout
  kAuthenticationFailed,  // a peer or server does not know the secret
  kSuperseded,            // a higher epoch of the job, or a duplicate of this rank, has taken over
  kAborted,               // another rank failed and said so; `peer` is that rank
  kCancelled,             // this rank gave the operation up (Ctrl-C, Cancel)
  kMismatch,              // ranks called different collectives, or the same one with different arguments
};

std::string_view CommunicationFailureName(CommunicationFailure failure);

/// The facts of a communication error. Fields that do not apply keep their defaults and are not printed.
struct CommunicationError {
  CommunicationFailure failure = CommunicationFailure::kOther;
  std::string operation = {};  // "alltoallv", "shuffle", "init" ...
  std::string phase = {};      // "rendezvous", "connect", "handshake", "header", "payload", "wait"
  Rank rank = -1;              // the rank on which the error arose
  Rank peer = -1;              // the rank it is about
  int64_t bytes = -1;          // moved before it arose
  Duration elapsed = Duration::zero();
};

/// An IOError whose text is `message` and then the facts, and whose detail holds them.
/// `message` says the cause and, where there is one, the way out.
arrow::Status MakeCommunicationError(CommunicationError error, const std::string& message);

/// The facts in `status`, or nullptr where it is no communication error. Valid as long as `status` is.
const CommunicationError* GetCommunicationError(const arrow::Status& status);

/// True where `status` is a communication error of that kind.
bool IsCommunicationError(const arrow::Status& status, CommunicationFailure failure);

}  // namespace weft
