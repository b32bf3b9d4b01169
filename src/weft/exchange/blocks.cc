#include "weft/exchange/blocks.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/util/byte_size.h>

#include <algorithm>

#include "weft/table/runs.h"

namespace weft::exchange {
namespace {

constexpr int64_t kSmallRows = 4 * 1024;
constexpr int64_t kCombinedRows = 64 * 1024;

arrow::Result<std::shared_ptr<arrow::RecordBatch>> Concatenate(
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, arrow::MemoryPool* pool) {
  int64_t rows = 0;
  for (const auto& batch : batches) rows += batch->num_rows();
  arrow::ArrayVector columns;
  for (int c = 0; c < batches[0]->num_columns(); ++c) {
    arrow::ArrayVector pieces;
    for (const auto& batch : batches) pieces.push_back(batch->column(c));
    ARROW_ASSIGN_OR_RAISE(auto column, arrow::Concatenate(pieces, pool));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(batches[0]->schema(), rows, std::move(columns));
}

}  // namespace

BatchSource::BatchSource(std::shared_ptr<arrow::Table> table, int64_t batch_bytes)
    : schema_(table->schema()), rows_(table->num_rows()) {
  const auto referenced = arrow::util::ReferencedBufferSize(*table);
  int64_t bytes = std::max<int64_t>(1, referenced.ok() ? *referenced : arrow::util::TotalBufferSize(*table));
  // Rows of a run take work, and room where they are made plain: a batch has no more of them than it would have then.
  for (const auto& field : schema_->fields()) {
    if (table::HasRuns(*field->type())) bytes += rows_ * static_cast<int64_t>(sizeof(int64_t));
  }
  const double share = static_cast<double>(std::max<int64_t>(1, batch_bytes)) / static_cast<double>(bytes);
  // Rows are counted in doubles here: exactness does not matter and nothing overflows.
  const double rows = std::clamp(share * static_cast<double>(rows_), 1.0, static_cast<double>(int64_t{1} << 24));
  batch_rows_ = static_cast<int64_t>(rows);
  for (const auto& column : table->columns()) columns_.push_back({column->chunks()});
}

std::shared_ptr<arrow::RecordBatch> BatchSource::Next(int64_t parts) {
  if (position_ >= rows_) return nullptr;
  int64_t count = std::min(batch_rows_, rows_ - position_);
  if (rows_ / 2 > batch_rows_) count = std::max<int64_t>(count / parts, 1);
  for (Column& column : columns_) {
    while (column.offset == column.chunks[column.chunk]->length()) {
      column.chunks[column.chunk++] = nullptr;
      column.offset = 0;
    }
    count = std::min(count, column.chunks[column.chunk]->length() - column.offset);
  }
  arrow::ArrayVector arrays;
  for (Column& column : columns_) {
    auto& chunk = column.chunks[column.chunk];
    const bool whole = column.offset == 0 && count == chunk->length();
    arrays.push_back(whole ? chunk : chunk->Slice(column.offset, count));
    column.offset += count;
    if (column.offset == chunk->length()) {
      // Not held here any longer: the batch is its last owner.
      chunk = nullptr;
      ++column.chunk;
      column.offset = 0;
    }
  }
  position_ += count;
  return arrow::RecordBatch::Make(schema_, count, std::move(arrays));
}

std::vector<std::shared_ptr<arrow::RecordBatch>> CombineSmall(std::vector<std::shared_ptr<arrow::RecordBatch>> batches,
                                                              arrow::MemoryPool* pool) {
  int64_t rows = 0;
  for (const auto& batch : batches) rows += batch->num_rows();
  if (batches.size() < 2 || rows / static_cast<int64_t>(batches.size()) >= kSmallRows) return batches;
  std::vector<std::shared_ptr<arrow::RecordBatch>> out;
  std::vector<std::shared_ptr<arrow::RecordBatch>> group;
  int64_t group_rows = 0;
  const auto flush = [&] {
    if (group.size() > 1) {
      auto combined = Concatenate(group, pool);
      if (combined.ok()) group = {*std::move(combined)};
    }
    out.insert(out.end(), group.begin(), group.end());
    group.clear();
    group_rows = 0;
  };
  for (auto& batch : batches) {
    group_rows += batch->num_rows();
    group.push_back(std::move(batch));
    if (group_rows >= kCombinedRows) flush();
  }
  flush();
  return out;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> CopyBatch(const arrow::RecordBatch& batch, arrow::MemoryPool* pool) {
  return Concatenate({batch.Slice(0, batch.num_rows())}, pool);
}

std::shared_ptr<arrow::Table> TableOf(const std::shared_ptr<arrow::Schema>& schema,
                                      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  int64_t rows = 0;
  for (const auto& batch : batches) rows += batch->num_rows();
  arrow::ChunkedArrayVector columns;
  for (int c = 0; c < schema->num_fields(); ++c) {
    arrow::ArrayVector chunks;
    for (const auto& batch : batches) chunks.push_back(batch->column(c));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), schema->field(c)->type()));
  }
  return arrow::Table::Make(schema, std::move(columns), rows);
}

arrow::Status CheckSameColumns(const arrow::Schema& mine, const arrow::Schema& theirs, int their_rank) {
  bool same = mine.num_fields() == theirs.num_fields();
  for (int i = 0; same && i < mine.num_fields(); ++i) {
    same = mine.field(i)->name() == theirs.field(i)->name() &&
           table::WithoutRuns(mine.field(i)->type())->Equals(*table::WithoutRuns(theirs.field(i)->type()));
  }
  if (same) return arrow::Status::OK();
  return arrow::Status::TypeError("rank ", their_rank, " sent rows of other columns: ", theirs.ToString(),
                                  "\nwhere this rank has: ", mine.ToString());
}

}  // namespace weft::exchange
