#include "weft/table/tables.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/device.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/checked_cast.h>

#include <utility>

namespace weft::table {
namespace {

/// Chunks of a copied table are put together up to this.
constexpr int64_t kChunkBytes = 16 << 20;

/// One array of new memory; dictionaries are copied too.
arrow::Result<std::shared_ptr<arrow::Array>> CopyArrays(const arrow::ArrayVector& arrays, arrow::MemoryPool* pool) {
  auto made = arrow::Concatenate(arrays, pool);
  const auto manager = arrow::CPUDevice::memory_manager(pool);
  // What cannot be put together can be copied as it is.
  if (!made.ok() && !made.status().IsOutOfMemory() && arrays.size() == 1) return arrays[0]->CopyTo(manager);
  if (!made.ok() || (*made)->type_id() != arrow::Type::DICTIONARY) return made;
  return (*made)->CopyTo(manager);
}

}  // namespace

int64_t ArrayBytes(const arrow::Array& array) {
  if (array.type_id() == arrow::Type::DICTIONARY) {
    return ArrayBytes(*arrow::internal::checked_cast<const arrow::DictionaryArray&>(array).indices());
  }
  const auto bytes = arrow::util::ReferencedBufferSize(array);
  return bytes.ok() ? *bytes : arrow::util::TotalBufferSize(array);
}

int64_t TableBytes(const arrow::Table& table) {
  int64_t bytes = 0;
  for (const auto& column : table.columns()) {
    for (const auto& chunk : column->chunks()) bytes += ArrayBytes(*chunk);
  }
  return bytes;
}

arrow::Result<std::shared_ptr<arrow::Table>> CopyTable(const arrow::Table& table, arrow::MemoryPool* pool) {
  arrow::ChunkedArrayVector columns;
  for (const auto& column : table.columns()) {
    arrow::ArrayVector chunks;
    arrow::ArrayVector group;
    int64_t bytes = 0;
    const auto flush = [&]() -> arrow::Status {
      if (group.empty()) return arrow::Status::OK();
      auto made = CopyArrays(group, pool);
      if (made.ok()) {
        chunks.push_back(*std::move(made));
      } else if (group.size() > 1 && !made.status().IsOutOfMemory()) {
        // Dictionaries that do not go together.
        for (const auto& one : group) {
          ARROW_ASSIGN_OR_RAISE(auto copied, CopyArrays({one}, pool));
          chunks.push_back(std::move(copied));
        }
      } else {
        return made.status();
      }
      group.clear();
      bytes = 0;
      return arrow::Status::OK();
    };
    for (const auto& chunk : column->chunks()) {
      if (chunk->length() == 0) continue;
      const int64_t more = ArrayBytes(*chunk);
      if (bytes + more > kChunkBytes) ARROW_RETURN_NOT_OK(flush());
      group.push_back(chunk);
      bytes += more;
    }
    ARROW_RETURN_NOT_OK(flush());
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), column->type()));
  }
  return arrow::Table::Make(table.schema(), std::move(columns), table.num_rows());
}

std::shared_ptr<arrow::Table> StackTables(const std::shared_ptr<arrow::Schema>& schema,
                                          const std::vector<std::shared_ptr<arrow::Table>>& tables) {
  int64_t rows = 0;
  for (const auto& table : tables) rows += table->num_rows();
  arrow::ChunkedArrayVector columns;
  for (int c = 0; c < schema->num_fields(); ++c) {
    arrow::ArrayVector chunks;
    for (const auto& table : tables) {
      for (const auto& chunk : table->column(c)->chunks()) {
        if (chunk->length() > 0) chunks.push_back(chunk);
      }
    }
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), schema->field(c)->type()));
  }
  return arrow::Table::Make(schema, std::move(columns), rows);
}

}  // namespace weft::table
