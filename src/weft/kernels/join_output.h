// From pairs of row numbers to the chunks of a join's result.
#pragma once

#include <arrow/array/data.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/join_gather.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/scratch.h"

namespace weft::kernels {

struct ViewPair {
  SideView left;
  SideView right;
  const SideView& side(Side s) const { return s == Side::kLeft ? left : right; }
};

/// Pairs of row numbers that wait to become a chunk.
class PairBuffer {
 public:
  /// What an Open should find.
  static constexpr uint32_t kLeastRoom = 64;

  PairBuffer(arrow::MemoryPool* pool, uint32_t capacity)
      : capacity_(capacity < kLeastRoom ? kLeastRoom : capacity),
        rows_{Scratch<uint32_t>(pool), Scratch<uint32_t>(pool)} {}

  uint32_t size() const { return size_; }
  uint32_t room() const { return capacity_ - size_; }
  const uint32_t* rows(Side side) const { return rows_[static_cast<size_t>(side)].data(); }
  bool padded(Side side) const { return padded_[static_cast<size_t>(side)]; }

  /// To be called before rows are written behind the pairs there are.
  arrow::Status Open() {
    for (auto& rows : rows_) ARROW_RETURN_NOT_OK(rows.Reserve(capacity_));
    return arrow::Status::OK();
  }
  uint32_t* open(Side side) { return rows_[static_cast<size_t>(side)].data() + size_; }
  void Add(uint32_t n) { size_ += n; }
  /// Rows of that side may be kNoRow.
  void SetPadded(Side side) { padded_[static_cast<size_t>(side)] = true; }
  /// Rows of that side are those of its view, each once and in order.
  void SetAll(Side side) { all_[static_cast<size_t>(side)] = true; }
  bool all(Side side) const { return all_[static_cast<size_t>(side)]; }
  void Clear() {
    size_ = 0;
    padded_[0] = padded_[1] = false;
    all_[0] = all_[1] = false;
  }

 private:
  uint32_t capacity_;
  uint32_t size_ = 0;
  bool padded_[2] = {false, false};
  bool all_[2] = {false, false};
  Scratch<uint32_t> rows_[2];
};

struct Chunk {
  int64_t rows = 0;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
};
using ChunkList = std::vector<Chunk>;

/// Makes sure that both sides have what the result needs. Not thread-safe.
arrow::Status NeedOutput(const JoinPlan& plan, JoinSide* left, JoinSide* right, arrow::MemoryPool* pool);

/// Makes a chunk of the pairs (several where an array cannot hold their bytes), adds it to `out`, and clears them.
arrow::Status EmitPairs(const JoinPlan& plan, const JoinSide& left, const JoinSide& right, const ViewPair& views,
                        PairBuffer* pairs, arrow::MemoryPool* pool, ChunkList* out);

/// The result: all chunks in order, those put together that are small.
arrow::Result<std::shared_ptr<arrow::Table>> FinishTable(const std::shared_ptr<arrow::Schema>& schema,
                                                         std::vector<ChunkList> lists, int64_t least_rows,
                                                         const Context& context);

}  // namespace weft::kernels
