// Rows of both sides of a join to the ranks where their keys meet, keys with very many rows spread over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/distributed/placement.h"
#include "weft/kernels/join.h"

namespace weft::distributed {

/// What is known of the sides of a join before rows move, left and right; the same on all ranks.
struct JoinSides {
  /// Over all ranks.
  std::array<int64_t, 2> bytes = {0, 0};
  std::array<int64_t, 2> rows = {0, 0};
  /// Whether each rank shares memory with every other.
  bool through_memory = false;
  /// Which sides' rows lie by the hash of the keys `order` already.
  std::array<bool, 2> placed = {false, false};
  /// Pairs of keys, in the order in which the hash takes them; where both sides are placed, some of them may be enough.
  std::vector<int> order;

  /// What travels where both sides are shuffled.
  int64_t moved_bytes() const { return (placed[0] ? 0 : bytes[0]) + (placed[1] ? 0 : bytes[1]); }
};

/// Collective. `left_lies` and `right_lies` tell where the rows of the tables are, whose columns the options name.
arrow::Result<JoinSides> DescribeSides(Communicator& communicator, const arrow::Table& left, const Placement& left_lies,
                                       const arrow::Table& right, const Placement& right_lies,
                                       const kernels::JoinOptions& options);

/// Collective. Replaces both tables by what this rank joins: rows go by the hash of their key, except for keys that a
/// sample of each rank's rows shows to have a large part of a side. Of such a key the rows of that side are dealt out
/// over all ranks, and the other side's are copied to all; this keeps the join right where the side dealt out may keep
/// rows without a match and the other not (kInner: either; kLeft, kLeftSemi, kLeftAnti: left; kRight: right; kOuter:
/// neither). Source: Xu, Kostamaa, Zhou, Chen, "Handling data skew in parallel joins in shared-nothing systems", SIGMOD
/// 2008. A side that is placed stays where it is; rows that can have no match, of a side whose rows vanish then, stay
/// at home where a filter of the other side's keys pays. Returns whether all rows now lie by the hash of `sides.order`.
arrow::Result<bool> ShuffleForJoin(Communicator& communicator, const kernels::JoinOptions& options,
                                   const JoinSides& sides, const Context& context, std::shared_ptr<arrow::Table>* left,
                                   std::shared_ptr<arrow::Table>* right);

}  // namespace weft::distributed
