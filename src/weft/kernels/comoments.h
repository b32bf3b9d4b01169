// Covariance and correlation of pairs of columns.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <span>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/moments.h"

namespace weft::kernels {

/// Status::TypeError naming the first of `columns` that is no number (bool, integers, floats, decimals, null), and
/// `operation`.
arrow::Status CheckNumbers(const arrow::Schema& schema, std::span<const int> columns, std::string_view operation);

/// The co-moments of each pair (i, j), i <= j, of `columns`, over the rows in which neither is missing (null, NaN):
/// (0,0), (0,1), ... (1,1), ... Numbers are taken as doubles. What is found does not depend on the number of threads.
arrow::Result<std::vector<CoMoments>> PairMoments(const arrow::Table& table, std::span<const int> columns,
                                                  const Context& context);

}  // namespace weft::kernels
