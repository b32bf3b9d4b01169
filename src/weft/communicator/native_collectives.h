// A library's own collectives beside those that are built from its messages.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/communicator/agreement.h"
#include "weft/communicator/reduction.h"
#include "weft/communicator/schedule.h"
#include "weft/communicator/transport.h"

namespace weft {

/// A collective of the library that is under way, on a thread of its own.
class NativeOperation : public TransportOperation {
 public:
  /// Makes the library's waits end; the thread lets go of the memory soon afterwards. Called by any thread, with the
  /// transport's locks held; does not wait.
  virtual void Interrupt() = 0;
  /// Gives it up: completes with kCancelled unless it is done.
  virtual void Cancel() = 0;
  /// Ranks of the communicator that it waits for, in order.
  virtual std::vector<Rank> waits_for() const = 0;
  /// The same as ranks of the transport.
  virtual std::vector<Rank> waits_for_in_world() const = 0;
};

/// Arguments of a collective, already checked and alike on all ranks but for the addresses. Blocks lie one after the
/// other.
struct NativeCall {
  Collective collective = Collective::kNone;
  const std::byte* send = nullptr;
  std::byte* recv = nullptr;
  int64_t count = 0;                 // bytes: of a broadcast, of a block of alltoall; elements: of reductions
  std::vector<int64_t> counts = {};  // bytes of each rank's block
  Rank root = -1;
  Reducer reducer = {};
};

/// Those of one communicator. Under the communicator's own rules for threads.
class NativeCollectives {
 public:
  virtual ~NativeCollectives() = default;

  /// Whether `call` is run by the library: the same on all ranks.
  virtual bool Has(const NativeCall& call) const = 0;
  /// Starts the collective of this number, which all ranks give alike. `keep` holds the memory until the library has
  /// let go of it.
  virtual arrow::Result<std::shared_ptr<NativeOperation>> Start(const NativeCall& call, uint32_t number,
                                                                Owner keep) = 0;
  /// Those of a communicator made from this one; `ranks` are the transport's.
  virtual std::shared_ptr<NativeCollectives> ForGroup(uint32_t id, Rank rank, std::vector<Rank> ranks) = 0;
};

}  // namespace weft
