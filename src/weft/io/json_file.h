// JSON lines: pieces of files as tables, whose types are made to agree when all are known.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/csv_text.h"
#include "weft/io/read.h"

namespace weft::io {

/// The first byte at or after `at` at which a line begins; the file's size where there is none. For files that are not
/// compressed.
arrow::Result<int64_t> NextLine(const std::string& path, int64_t at, int64_t size, const Context& context);

/// A schema and the file that it comes from.
struct JsonSchema {
  std::string source;
  std::shared_ptr<arrow::Schema> schema;

  arrow::Result<std::string> Pack() const;
  static arrow::Result<JsonSchema> Unpack(std::string_view bytes);
};

/// All columns of all schemas, each of a type that holds what both types do: null gives way, integers widen to double,
/// structs have all fields of both. Status::TypeError naming column and files where there is none.
arrow::Result<std::shared_ptr<arrow::Schema>> UnifyJsonSchemas(const std::vector<JsonSchema>& all);

/// Pieces of files, read with the types that each was inferred to have.
class JsonShare {
 public:
  static arrow::Result<JsonShare> Read(const std::vector<CsvPiece>& pieces, const JsonOptions& json,
                                       const Context& context);
  /// One for each piece, empty ones too.
  std::vector<JsonSchema> Schemas() const;
  /// The rows as `schema`, which unifies all; pieces whose types differ are read again.
  arrow::Result<std::shared_ptr<arrow::Table>> Fit(const std::shared_ptr<arrow::Schema>& schema,
                                                   const Context& context) &&;

 private:
  explicit JsonShare(const JsonOptions& json) : json_(&json) {}

  /// Outlives this.
  const JsonOptions* json_;
  std::vector<CsvPiece> pieces_;
  std::vector<std::shared_ptr<arrow::Table>> tables_;
};

}  // namespace weft::io
