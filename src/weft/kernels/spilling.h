// What operators that go by way of disk have in common: when they do, where their memory is, rows in parts by key.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/table/spill_file.h"

namespace weft::kernels {

/// Whether an operator over inputs of so many bytes is to go by way of disk: there is a spill directory, and they are
/// more than half of what an operator may hold.
bool MustSpill(const Context& context, int64_t bytes);

/// About how many bytes of input are worked on at once: a quarter of what an operator may hold.
int64_t WorkPiece(const Context& context);

/// The same context for work on one piece: memory from the work pool, and nothing is spilled any more. What does not
/// fit after all lies on disk, mapped (Spill).
Context ForPiece(const Context& context);

/// A piece's result among the tables.
arrow::Result<std::shared_ptr<arrow::Table>> Keep(const arrow::Result<std::shared_ptr<arrow::Table>>& result,
                                                  const Context& context);

/// The next rows of an input, nullptr at its end.
using NextBatch = std::function<arrow::Result<std::shared_ptr<arrow::RecordBatch>>()>;

/// A table's rows in slices of about 4 MiB.
NextBatch BatchesOf(std::shared_ptr<arrow::Table> table);

/// The rows of a part that was spilled, segment by segment.
NextBatch BatchesOf(table::SpillFile* file, int part);

/// Into how many parts `bytes` are to be cut.
int PartsFor(int64_t bytes, const Context& context);

/// The level of CutByKey; those of inputs that are spilled are below it.
constexpr int kKeyPartsLevel = 16;

/// The rows of a batch by the hash of their keys, a batch a part: other parts at each level, and independent of the
/// rank that owns a row.
arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> CutBatchByKey(const arrow::RecordBatch& batch,
                                                                              const std::vector<int>& keys,
                                                                              bool nan_is_null, int level, int parts,
                                                                              const Context& context);

/// All rows of an input, in parts by the hash of their keys; equal keys are in one part, in the order they had. Another
/// `level` cuts otherwise, and all levels otherwise than rows are shared out to ranks.
arrow::Result<std::unique_ptr<table::SpillFile>> SpillByKey(const std::shared_ptr<arrow::Schema>& schema,
                                                            const NextBatch& next, const std::vector<int>& keys,
                                                            bool nan_is_null, int parts, int level,
                                                            const Context& context);

}  // namespace weft::kernels
