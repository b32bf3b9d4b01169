#include "weft/communicator/abort_text.h"

#include <arrow/util/io_util.h>

#include "weft/base/byte_codec.h"
#include "weft/base/communication_error.h"
#include "weft/base/open_files.h"
#include "weft/communicator/message_limits.h"

namespace weft {

namespace {

/// What is passed on with its own kind and peer.
bool IsPassedOn(CommunicationFailure failure) {
  return failure == CommunicationFailure::kPeerLost || failure == CommunicationFailure::kMismatch ||
         failure == CommunicationFailure::kAborted;
}

}  // namespace

std::string EncodeAbort(const arrow::Status& cause, bool own_finding) {
  const CommunicationError* facts = GetCommunicationError(cause);
  const bool keep = own_finding && facts != nullptr && IsPassedOn(facts->failure);
  ByteWriter writer;
  writer.Put(keep ? facts->failure : CommunicationFailure::kAborted);
  writer.Put(keep ? facts->peer : Rank{-1});
  // An error without a kind says all in its text.
  std::string text = cause.IsUnknownError() ? cause.message() : cause.ToString();
  // The system's words go with it: its number does not.
  if (arrow::internal::ErrnoFromStatus(cause) != 0) text = cause.CodeAsString() + ": " + MessageWithErrno(cause);
  writer.PutString(std::string_view(text).substr(0, kMaxText - 9));
  return writer.Take();
}

arrow::Status DecodeAbort(std::string_view payload, Rank from, Rank self) {
  ByteReader reader(payload);
  const auto failure = reader.Get<CommunicationFailure>();
  const auto peer = reader.Get<Rank>();
  const auto text = reader.GetString();
  CommunicationError error;
  error.rank = self;
  error.phase = "wait";
  error.failure = CommunicationFailure::kAborted;
  error.peer = from;
  const std::string said = text.ok() ? std::string(*text) : "no reason that could be read";
  const std::string by = "rank " + std::to_string(from);
  if (!failure.ok() || !peer.ok() || *peer < 0 || *peer == self || !IsPassedOn(*failure)) {
    return MakeCommunicationError(std::move(error), by + " has failed: " + said);
  }
  error.failure = *failure;
  error.peer = *peer;
  return MakeCommunicationError(std::move(error), by + " says: " + said);
}

}  // namespace weft
