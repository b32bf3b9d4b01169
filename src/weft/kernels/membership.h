// Which rows' keys another table has, on one rank; in halves, so that ranks can be between them.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/join.h"

namespace weft::kernels {

/// A semi join of the keys that gives the numbers of the rows that have a match, as its only column, in any order.
struct Membership {
  std::shared_ptr<arrow::Table> left;
  std::shared_ptr<arrow::Table> right;
  JoinOptions options;
};

/// Left rows are numbered from `first` on. Missing values (null, NaN) are equal.
arrow::Result<Membership> PlanMembership(const std::shared_ptr<arrow::Table>& left,
                                         const std::shared_ptr<arrow::Table>& right, const std::vector<int>& left_keys,
                                         const std::vector<int>& right_keys, int64_t first, const Context& context);

/// A table of one boolean column with `rows` rows: true where the first column of `members` has first + row.
arrow::Result<std::shared_ptr<arrow::Table>> MarkMembers(const arrow::Table& members, int64_t first, int64_t rows,
                                                         const Context& context);

/// A table of one boolean column, by left row: whether the right table has a row with its key.
arrow::Result<std::shared_ptr<arrow::Table>> IsMember(const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const std::vector<int>& left_keys,
                                                      const std::vector<int>& right_keys, const Context& context);

}  // namespace weft::kernels
