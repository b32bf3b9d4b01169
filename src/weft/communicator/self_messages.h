// Messages of a rank to itself, for transports.
#pragma once

#include "weft/communicator/matching.h"
#include "weft/communicator/message_operation.h"

namespace weft {

/// Guarded by the transport's mutex. A message is copied once where its receive is there, else kept: a short one as a
/// copy, so that its send is done, a longer one by its send.
class SelfMessages {
 public:
  SelfMessages(Rank rank, int world_size, Ledger* ledger);

  void Send(const OperationRef& operation);
  void Recv(const OperationRef& operation);
  void Cancel(Operation& operation, const arrow::Status& status);
  /// Ends everything that waits with `status`.
  void CompleteAll(const arrow::Status& status);

  const LinkInfo& info() const { return info_; }

 private:
  const Rank rank_;
  const int64_t window_;
  Ledger* const ledger_;
  Matching matching_;
  LinkInfo info_;
  int64_t buffered_ = 0;
};

}  // namespace weft
