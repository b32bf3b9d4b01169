// UCC's context: one a rank, used by all its teams.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <ucc/api/ucc.h>

#include <memory>
#include <mutex>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/communicator/communicator.h"

namespace weft::ucc {

/// A communication error: what failed, and UCC's word for it.
arrow::Status UccError(const char* what, ucc_status_t status);

/// How UCC exchanges addresses before it can talk by itself: an all-gather of `communicator` that is tested, never
/// waited for, and fails when `deadline` has passed.
struct OutOfBand {
  Communicator* communicator = nullptr;
  Deadline deadline = Deadline::Infinite();
  /// Refuses: a rank that leaves does not wait for the others, who may have more to do.
  bool closing = false;
};
ucc_oob_coll_t MakeOutOfBand(OutOfBand* exchange);

/// UCC takes one thread at a time: `mutex` is held around every call. A thread that runs schedules only tries to get
/// it, for whoever has it may wait for that thread's turn on the transport.
class UccLibrary : public std::enable_shared_from_this<UccLibrary> {
 public:
  /// Collective over `control`, a communicator of the library's own, on whose failure all that waits here ends.
  static arrow::Result<std::shared_ptr<UccLibrary>> Open(std::unique_ptr<Communicator> control, Deadline deadline);
  ~UccLibrary();

  ucc_context_h context() const { return context_; }
  bool Supports(ucc_coll_type_t type) const { return (collectives_ & type) != 0; }
  std::mutex& mutex() { return mutex_; }

  /// `memory` belongs to an operation that UCC has not ended, and that cannot be taken back: it is kept as long as the
  /// context is, and the context is not used any more.
  void Abandon(Owner memory);

  void AddTeam() { ++teams_; }
  /// The last team closes the context: where `healthy` and all ranks come to it before the deadline in good order,
  /// which frees it; else it is left as it is until the process ends, for UCC would wait for peers that are gone.
  void RemoveTeam(Deadline deadline, bool healthy);
  bool healthy() const;

 private:
  UccLibrary() = default;
  bool Destroy(Deadline deadline);

  std::unique_ptr<Communicator> control_;
  OutOfBand exchange_;
  ucc_lib_h library_ = nullptr;
  ucc_context_h context_ = nullptr;
  uint64_t collectives_ = 0;
  std::mutex mutex_;
  mutable std::mutex kept_mutex_;
  std::vector<Owner> kept_;
  int teams_ = 0;
};

}  // namespace weft::ucc
