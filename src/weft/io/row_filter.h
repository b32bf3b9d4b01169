// Rows for which an expression is true, while they are read.
#pragma once

#include <arrow/array.h>
#include <arrow/compute/expression.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"

namespace weft::io {

/// The columns that an expression names, each once, in order. Status::Invalid for one named by position.
arrow::Result<std::vector<std::string>> FilterColumns(const arrow::compute::Expression& filter,
                                                      std::string_view operation);

/// A column at `rows` (ascending, each below its length), in as many chunks as before.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> TakeRows(const arrow::ChunkedArray& column,
                                                             const arrow::Int64Array& rows, const Context& context);

/// A filter bound to a schema. Immutable; may be used by several threads.
class RowFilter {
 public:
  /// Status::KeyError for a column that is not there, Status::TypeError for an expression that does not fit the types
  /// or is not boolean.
  static arrow::Result<RowFilter> Make(const arrow::compute::Expression& filter, std::shared_ptr<arrow::Schema> schema,
                                       std::string_view operation, const Context& context);

  /// True where every row passes.
  bool trivial() const { return trivial_; }
  const arrow::compute::Expression& bound() const { return bound_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

  /// False where no row can pass of which `known` (not bound) is true.
  arrow::Result<bool> MayPass(const arrow::compute::Expression& known) const;

  /// Which rows of a table of the schema the filter is true for (null is not), ascending; nullptr: for all.
  arrow::Result<std::shared_ptr<arrow::Int64Array>> Select(const std::shared_ptr<arrow::Table>& table,
                                                           const Context& context) const;

  /// The rows for which the filter is true (null is not), of a table of the schema; its batches on context.threads.
  arrow::Result<std::shared_ptr<arrow::Table>> Apply(const std::shared_ptr<arrow::Table>& table,
                                                     const Context& context) const;

 private:
  bool trivial_ = true;
  arrow::compute::Expression bound_;
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace weft::io
