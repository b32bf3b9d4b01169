// Ranks that meet over a library which does not say that one of them is gone.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>

#include "weft/communicator/backend.h"

namespace weft {

/// Sees, by the rendezvous server, which ranks have left while this one waits for them. Where there is no such server
/// nothing is seen, and the deadline of the waits is what ends them. One thread at a time.
class StartUp {
 public:
  /// From here on others see whether this rank is there. Not collective.
  static arrow::Result<std::unique_ptr<StartUp>> Begin(const BackendContext& context);
  /// All have met, or this rank gives up: nobody is looked for any more.
  ~StartUp();

  /// The one that was given, with a check_interrupt that calls Check, too; valid as long as this.
  const BackendContext& context() const { return context_; }
  /// kPeerLost where a rank that has not been met has left and not come back soon; it names the rank that was the first
  /// to leave.
  arrow::Status Check();
  /// What the library or the store said of a peer that it cannot reach, or where a rank has left, which is waited for a
  /// little, the error of Check. A time-out stays what it is.
  arrow::Status Explain(const arrow::Status& said);
  /// What this rank needed of `peer` to meet it has come.
  void Met(Rank peer);

 private:
  struct Peers;
  arrow::Status CheckLeft(Duration come_back_within);
  explicit StartUp(const BackendContext& context);

  BackendContext context_;
  std::function<arrow::Status()> interrupted_;
  std::unique_ptr<Peers> peers_;
};

}  // namespace weft
