// Both sides of a join cut into partitions that fit a core's cache.
#pragma once

#include <arrow/buffer.h>
#include <arrow/result.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/join_gather.h"
#include "weft/kernels/radix_partition.h"

namespace weft::kernels {

/// What falls into each partition of a side's rows, or of some of them.
struct PartitionCounts {
  std::vector<int64_t> rows;
  /// By slot, then by partition: bytes of texts that are moved by place; empty for other slots.
  std::vector<std::vector<int64_t>> text_bytes;
};

/// The slots of both sides, by partition; rows of one side keep their order in a partition.
class JoinPartitions {
 public:
  /// On up to context.threads threads; the same for any number.
  static arrow::Result<JoinPartitions> Make(JoinSide* left, JoinSide* right, const WordCut& cut,
                                            const Context& context);

  int64_t count() const { return static_cast<int64_t>(memory_.size()); }
  SideView View(Side side, int64_t partition) const;
  /// Frees a partition; its views are no longer valid. Partitions may be freed by several threads at a time.
  void Free(int64_t partition) { memory_[static_cast<size_t>(partition)].reset(); }

 private:
  arrow::Status Allocate(arrow::MemoryPool* pool);
  /// Calls `visit(side, slot, bytes of the values, bytes of the texts they are places of)` in the order in which these
  /// lie in a partition's memory.
  template <typename Visit>
  void ForSlots(size_t partition, Visit&& visit) const;

  std::array<JoinSide*, 2> sides_{};
  std::array<PartitionCounts, 2> counts_;
  std::vector<std::shared_ptr<arrow::Buffer>> memory_;
};

/// Rows of a side as they lie, copied only where they are in several pieces or in bits.
struct RangeView {
  SideView view;
  std::vector<std::shared_ptr<arrow::Buffer>> memory;
};
arrow::Result<RangeView> ViewRange(JoinSide* side, int64_t begin, int64_t end, arrow::MemoryPool* pool);

}  // namespace weft::kernels
