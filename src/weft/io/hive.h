// Columns whose values are in the names of directories: "year=2013/carrier=AA/part-00000.parquet".
#pragma once

#include <arrow/compute/expression.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/table.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/read.h"

namespace weft::io {

/// What the directories of a relative path say, from the outside in: "year=2013" is {"year", "2013"}, decoded; a
/// directory without "=" says nothing.
std::vector<HiveKey> ParseHive(std::string_view relative_path);

/// Whether a directory's name holds a column's value.
bool IsHiveDirectory(std::string_view name);

/// The columns that the files' directories hold: int64 where all values are such, else text. Status::Invalid where two
/// files have different keys.
arrow::Result<arrow::FieldVector> HiveFields(std::span<const DataFile> files);

/// A value as one of a column of HiveFields.
arrow::Result<std::shared_ptr<arrow::Scalar>> HiveScalar(const HiveKey& key, const arrow::Field& field);

/// "year is 2013 and carrier is AA", of those columns that `schema` has, for simplifying a filter; literal(true) where
/// nothing is known.
arrow::Result<arrow::compute::Expression> HiveFact(const DataFile& file, const arrow::FieldVector& fields,
                                                   const arrow::Schema& schema);

/// Rows with the same values of the partition columns, without these.
struct HivePart {
  /// "year=2013/carrier=AA".
  std::string directory;
  std::shared_ptr<arrow::Table> table;
};

/// Status::KeyError for a column that is not there, TypeError for one that no name can hold, Invalid where none is
/// left.
arrow::Status CheckHiveColumns(const arrow::Schema& schema, const std::vector<std::string>& columns);

/// Parts in the order in which their values first come, rows in the table's.
arrow::Result<std::vector<HivePart>> SplitHive(const arrow::Table& table, const std::vector<std::string>& columns,
                                               const Context& context);

}  // namespace weft::io
