// A table's rows in parts by key, on one rank: what an operator does part by part.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

/// Which rows go into which part.
struct KeyParts {
  std::vector<int> keys;
  bool nan_is_null = false;
  /// At least 1.
  int parts = 1;
};

/// The rows of the parts that are `wanted` (0 <= part < parts), in that order; rows of one part in the order they had.
/// A row's part depends on its keys' values and the number of parts alone (table::HashRows), so that the parts of
/// tables that are to be joined fit together, on all ranks and whatever the world size; and it is independent of the
/// rank that owns the key, and of how operators partition by it. New memory; the table is read once. Uses up to
/// context.threads threads with the same result for any number. Status::Invalid for numbers out of range.
arrow::Result<std::vector<std::shared_ptr<arrow::Table>>> CutByKey(const std::shared_ptr<arrow::Table>& table,
                                                                   const KeyParts& how, const std::vector<int>& wanted,
                                                                   const Context& context);

}  // namespace weft::kernels
