// Tables cut into blocks on the one side and put together from them on the other.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <vector>

#include "weft/base/context.h"

namespace weft::exchange {

/// Cuts a table into batches, in order, and lets go of its chunks as they have been given out.
class BatchSource {
 public:
  /// Batches have about `batch_bytes`, and never span two chunks.
  BatchSource(std::shared_ptr<arrow::Table> table, int64_t batch_bytes);

  /// nullptr at the end. Slices of the table's chunks. Of a table of more than two batches the next one may be asked
  /// for as a part, 1 / `parts` of its rows.
  std::shared_ptr<arrow::RecordBatch> Next(int64_t parts = 1);

  /// Number of the row with which the next batch begins.
  int64_t position() const { return position_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

 private:
  struct Column {
    std::vector<std::shared_ptr<arrow::Array>> chunks;
    size_t chunk = 0;
    int64_t offset = 0;
  };

  std::shared_ptr<arrow::Schema> schema_;
  std::vector<Column> columns_;
  int64_t rows_ = 0;
  int64_t batch_rows_ = 1;
  int64_t position_ = 0;
};

/// Batches of one source that are small on average (below 4 Ki rows) put together to larger ones, in order. Where that
/// cannot be (dictionaries that do not go together, no memory for the copy), they stay as they are.
std::vector<std::shared_ptr<arrow::RecordBatch>> CombineSmall(std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
                                                              arrow::MemoryPool* pool);

/// A copy with memory of its own.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> CopyBatch(const arrow::RecordBatch& batch, arrow::MemoryPool* pool);

/// A table of the batches, in order, under `schema`, whose types theirs equal.
std::shared_ptr<arrow::Table> TableOf(const std::shared_ptr<arrow::Schema>& schema,
                                      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);

/// Status::TypeError where the names or types of two ranks' schemas differ, but for runs.
arrow::Status CheckSameColumns(const arrow::Schema& mine, const arrow::Schema& theirs, int their_rank);

}  // namespace weft::exchange
