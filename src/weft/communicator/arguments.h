// Checks of a collective's arguments, before anything is sent. All return Status::Invalid that names the operation.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <vector>

#include "weft/base/types.h"
#include "weft/communicator/collectives/collectives.h"
#include "weft/communicator/reduction.h"

namespace weft {

arrow::Status CheckRank(const char* operation, const char* what, Rank rank, int world_size);

/// One count a rank, none negative; displacements empty or one a rank; every block within `bytes`.
arrow::Status CheckBlocks(const char* operation, const char* what, const std::vector<int64_t>& counts,
                          const std::vector<int64_t>& displacements, size_t bytes, int world_size);

/// `count` elements of `element_size` bytes fit in `bytes`.
arrow::Status CheckElements(const char* operation, const char* what, int64_t count, int64_t element_size, size_t bytes);

/// The two do not overlap, unless they are the very same memory.
arrow::Status CheckOverlap(const char* operation, ConstBytes send, MutableBytes recv);

/// As CheckOverlap, and the same memory is not allowed either.
arrow::Status CheckOverlapAt(const char* operation, ConstBytes send, MutableBytes recv);

/// Both are the very same memory, or apart.
arrow::Status CheckInPlace(const char* operation, ConstBytes send, MutableBytes recv);

/// What `rank` sends is as long as its own block of what is received, and lies there or apart from it all.
arrow::Status CheckOwnBlock(const char* operation, ConstBytes send, MutableBytes recv, const Blocks& blocks, Rank rank);

/// The reduction is defined, and `count` elements fit in `send`, and in `recv` where this rank `receives`.
arrow::Result<Reducer> CheckReduction(const char* operation, ConstBytes send, MutableBytes recv, int64_t count,
                                      const Reduction& reduction, bool receives);

}  // namespace weft
