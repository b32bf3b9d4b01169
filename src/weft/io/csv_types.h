// One type for a column of which different texts, read apart, made different types.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/context.h"

namespace weft::io {

/// The type that holds what both were inferred from: null gives way to the other; integers widen to double; dates
/// widen to timestamps, and timestamps to nanoseconds; text that is not UTF-8 makes binary; anything else that differs
/// is text, and must be read again as such to be what the file says.
std::shared_ptr<arrow::DataType> UnifyCsvTypes(const std::shared_ptr<arrow::DataType>& left,
                                               const std::shared_ptr<arrow::DataType>& right);

/// A schema and the file or files it comes from, for messages.
struct NamedSchema {
  std::string source;
  std::shared_ptr<arrow::Schema> schema;
};

/// The first schema's names in its order, with unified types. Status::KeyError naming source and column where another
/// schema has not the same names (the order is free).
arrow::Result<std::shared_ptr<arrow::Schema>> UnifyCsvSchemas(const std::vector<NamedSchema>& schemas);

/// Whether CastNulls can make `from` into `to` without reading again: they differ only in columns that are null type.
bool OnlyNullsDiffer(const arrow::Schema& from, const arrow::Schema& to);

/// The table with `schema`'s order of columns, and null columns made nulls of the type they have there.
arrow::Result<std::shared_ptr<arrow::Table>> CastNulls(const arrow::Table& table,
                                                       const std::shared_ptr<arrow::Schema>& schema,
                                                       const Context& context);

}  // namespace weft::io
