// A join whose result has pandas' row order: both sides' rows are numbered, and the result is sorted by the numbers.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <string>

#include "weft/base/context.h"
#include "weft/kernels/join.h"
#include "weft/kernels/sort.h"

namespace weft::kernels {

/// The table with a last column `name`, int64 without nulls: first, first + 1, ...
arrow::Result<std::shared_ptr<arrow::Table>> AppendRowNumbers(const std::shared_ptr<arrow::Table>& table,
                                                              const std::string& name, int64_t first,
                                                              const Context& context);

/// A join in any order, the sort that follows it, and how many columns at the end of its result are then dropped.
struct OrderedJoin {
  std::shared_ptr<arrow::Table> left;
  std::shared_ptr<arrow::Table> right;
  JoinOptions options;
  SortOptions sort;
  int hidden = 0;

  std::shared_ptr<arrow::Table> Finish(const std::shared_ptr<arrow::Table>& sorted) const;
};

/// Whether numbers are what gives this join its order; kOuter's is that of its keys, kCross's its own.
bool OrdersByNumbers(const JoinOptions& options);

/// The steps of a join for which OrdersByNumbers. Rows are numbered from left_first and right_first on.
arrow::Result<OrderedJoin> MakeOrderedJoin(const std::shared_ptr<arrow::Table>& left, int64_t left_first,
                                           const std::shared_ptr<arrow::Table>& right, int64_t right_first,
                                           const JoinOptions& options, const Context& context);

}  // namespace weft::kernels
