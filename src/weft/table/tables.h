// Whole tables: what they take in memory, copied, and one upon the other.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace weft::table {

/// About what an array takes in memory: of a slice its own rows, of a dictionary array the indices alone.
int64_t ArrayBytes(const arrow::Array& array);

/// About what a table's columns take in memory: slices count for their own rows alone, dictionaries do not.
int64_t TableBytes(const arrow::Table& table);

/// A copy of all rows in memory of `pool`, in fewer and larger chunks.
arrow::Result<std::shared_ptr<arrow::Table>> CopyTable(const arrow::Table& table, arrow::MemoryPool* pool);

/// The rows of all tables in order, as they lie in memory. Unlike arrow::ConcatenateTables, tables without columns keep
/// their rows.
std::shared_ptr<arrow::Table> StackTables(const std::shared_ptr<arrow::Schema>& schema,
                                          const std::vector<std::shared_ptr<arrow::Table>>& tables);

}  // namespace weft::table
