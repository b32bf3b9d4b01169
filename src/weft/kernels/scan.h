// Running sums, products, least and greatest values of columns, in two halves so that ranks can go on where others end.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string_view>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

enum class ScanFunction { kSum, kProduct, kMin, kMax };

arrow::Result<ScanFunction> ParseScanFunction(std::string_view name);

struct ScanOptions {
  ScanFunction function = ScanFunction::kSum;
  std::vector<int> columns;
  /// A missing value (null, NaN) gives null at its own place alone; otherwise at all that follow, too.
  bool skip_missing = true;
};

/// The scanned columns in their order. Sum and product of bool and signed integers are int64, of unsigned uint64, of
/// floats double, the sum of decimals a decimal, of durations a duration; least and greatest have the column's type.
/// Status::TypeError naming column, type and function for others.
arrow::Result<std::shared_ptr<arrow::Schema>> ScanSchema(const arrow::Schema& input, const ScanOptions& options);

/// One row: what a scan that goes on behind this table's rows has to know.
arrow::Result<std::shared_ptr<arrow::Table>> ScanTotals(const std::shared_ptr<arrow::Table>& table,
                                                        const ScanOptions& options, const Context& context);

/// As many rows as the table. `before` has the rows of ScanTotals of the parts before this one, in their order; nullptr
/// where there is none. A running sum or product that does not fit its type is Status::Invalid naming the column.
arrow::Result<std::shared_ptr<arrow::Table>> Scan(const std::shared_ptr<arrow::Table>& table,
                                                  const std::shared_ptr<arrow::Table>& before,
                                                  const ScanOptions& options, const Context& context);

}  // namespace weft::kernels
