// Checks of a collective's arguments, before anything is sent. All return Status::Invalid that names the operation.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <vector>

#include "weft/base/types.h"

namespace weft {

arrow::Status CheckRank(const char* operation, const char* what, Rank rank, int world_size);

/// One count a rank, none negative; displacements empty or one a rank; every block within `bytes`.
arrow::Status CheckBlocks(const char* operation, const char* what, const std::vector<int64_t>& counts,
                          const std::vector<int64_t>& displacements, size_t bytes, int world_size);

/// `count` elements of `element_size` bytes fit in `bytes`.
arrow::Status CheckElements(const char* operation, const char* what, int64_t count, int64_t element_size, size_t bytes);

/// The two do not overlap, unless they are the very same memory.
arrow::Status CheckOverlap(const char* operation, ConstBytes send, MutableBytes recv);

}  // namespace weft
