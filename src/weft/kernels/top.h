// The first rows of an order, without sorting the rest.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/sort.h"

namespace weft::kernels {

/// Which rows stay of those that are equal to the last one that does.
enum class Ties : uint8_t { kFirst, kLast, kAll };

struct TopOptions {
  SortOptions order;
  int64_t rows = 0;
  Ties ties = Ties::kFirst;
};

/// The first `rows` rows of the table sorted by `order` (with Ties::kAll also those equal to the last of them), in that
/// order; equal rows come in row order, with Ties::kLast in the opposite one. Rows that cannot be among them by the
/// leading bits of their keys are passed over; what is left is sorted. Errors as Sort.
arrow::Result<std::shared_ptr<arrow::Table>> Top(const std::shared_ptr<arrow::Table>& table, const TopOptions& options,
                                                 const Context& context);

}  // namespace weft::kernels
