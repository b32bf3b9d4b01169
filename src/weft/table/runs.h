// Columns of runs: Arrow's run-end encoding, which tables may have where their rows only move. What looks at values
// takes plain columns.
#pragma once

#include <arrow/array/array_base.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <memory>
#include <span>

#include "weft/base/context.h"

namespace weft::table {

/// Whether columns of this type may stay as they are: run-end encoded with ends of 32 bits, of values that can be keys
/// and are no dictionary.
bool HasRuns(const arrow::DataType& type);
/// Whether a column of the schema is run-end encoded, in that way or another.
bool HasRuns(const arrow::Schema& schema);

/// The type of the values, for run-end encoding of any kind; else the type itself.
std::shared_ptr<arrow::DataType> WithoutRuns(const std::shared_ptr<arrow::DataType>& type);
/// The schema with its columns' types so, metadata kept; itself where there is nothing to do.
std::shared_ptr<arrow::Schema> WithoutRuns(const std::shared_ptr<arrow::Schema>& schema);

/// The values, one a row. Every kind of run-end encoding; what is not encoded is itself.
arrow::Result<std::shared_ptr<arrow::Array>> WithoutRuns(const std::shared_ptr<arrow::Array>& array,
                                                         arrow::MemoryPool* pool);
/// The batch with its columns so.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithoutRuns(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                               arrow::MemoryPool* pool);
/// The table with its columns so, chunk by chunk.
arrow::Result<std::shared_ptr<arrow::Table>> WithoutRuns(const std::shared_ptr<arrow::Table>& table,
                                                         const Context& context);
/// The same for the columns with these numbers.
arrow::Result<std::shared_ptr<arrow::Table>> WithoutRuns(const std::shared_ptr<arrow::Table>& table,
                                                         std::span<const int> columns, const Context& context);

/// The table with every run-end encoded column as HasRuns has it: with ends of 32 bits where its values can stay
/// encoded, else without runs.
arrow::Result<std::shared_ptr<arrow::Table>> WithOurRuns(const std::shared_ptr<arrow::Table>& table,
                                                         const Context& context);

/// Whether `rows` rows in `runs` runs, of values of `width` bytes, take less than half the bytes with their runs than
/// without once they are dealt out to `parts` parts at random. Rows of runs take longer to deal out than plain ones.
bool RunsPay(double width, int64_t rows, int64_t runs, int parts);

/// The table without the columns of runs for which they do not pay.
arrow::Result<std::shared_ptr<arrow::Table>> WithRunsThatPay(const std::shared_ptr<arrow::Table>& table, int parts,
                                                             const Context& context);

}  // namespace weft::table
