// Whether all ranks call the same collective.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "weft/communicator/communicator.h"
#include "weft/communicator/schedule.h"

namespace weft {

enum class Collective : uint8_t {
  kNone,
  kBarrier,
  kBroadcast,
  kGather,
  kAllgather,
  kScatter,
  kAlltoall,
  kReduce,
  kAllreduce,
  kReduceScatter,
  kScan,
  kSplit,
  // Made of messages, above the communicator (Communicator::Enter).
  kShuffleRows,
  kGatherRows,
  kAllgatherRows,
  kBroadcastRows,
};

const char* CollectiveName(Collective collective);

/// What must be alike on all ranks that call one collective. Of one size, compared field by field.
struct CollectiveCall {
  Collective collective = Collective::kNone;
  uint8_t op = 0;            // of a reduction by an operation
  uint16_t type = 0;         // of a reduction: arrow::Type + 1, or 0 for a function
  Rank root = -1;            // -1: has none
  int64_t count = -1;        // -1: need not be alike
  uint64_t counts_hash = 0;  // of a vector of counts
  int64_t element_size = 0;  // of a reduction

  void SetReduction(const Reduction& reduction, int64_t size);
  void SetCounts(std::span<const int64_t> counts);
  /// "reduce of 5 double by sum to root 2".
  std::string Describe() const;
  bool operator==(const CollectiveCall&) const = default;
};
static_assert(std::is_trivially_copyable_v<CollectiveCall>);

/// Begins messages of errors that come from ranks that call different collectives, on whichever rank they show.
inline constexpr const char* kDifferentCollectives = "ranks call different collectives";

/// kMismatch on `rank`, which names who calls what, where the calls, by rank, differ. The same text on all ranks.
arrow::Status CheckAlike(Rank rank, std::span<const CollectiveCall> calls);

/// Adds the rounds in which all ranks tell each other `call` (an all-gather after Bruck et al. 1997) and fail with
/// kMismatch, all of them with the same text, where the calls differ.
void AddAgreement(Schedule& schedule, const CollectiveCall& call);

}  // namespace weft
