// The radix-partitioned hash join.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/join.h"

namespace weft::kernels {

/// How the join is carried out. The defaults are right; tests and benchmarks change them.
struct HashJoinTuning {
  /// 2^bits partitions; -1: by size. At most kMaxPartitionBits.
  int partition_bits = -1;
  /// Row hashes are cut to these bits: a small mask forces collisions.
  uint64_t hash_mask = ~uint64_t{0};
  /// Whether words may be key values instead of hashes.
  bool exact_words = true;
  /// Words that are key values have places of their own in the tables where there are at most so many a build row; 0:
  /// never. A place takes 4 bytes, as does a bucket of mixed words, of which there are two to four a row.
  int64_t places_per_row = 8;
  /// Rows of a result chunk, at most.
  uint32_t chunk_rows = 1 << 17;
  /// Chunks of the result that are smaller than this on average are put together.
  int64_t least_chunk_rows = 4096;
};

/// Join with JoinAlgorithm::kHash. The arguments must have passed JoinSchema.
arrow::Result<std::shared_ptr<arrow::Table>> HashJoin(const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const JoinOptions& options, const HashJoinTuning& tuning,
                                                      const Context& context);

}  // namespace weft::kernels
