// From the states of groups to the values that an aggregation gives.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <memory>
#include <span>

#include "weft/base/context.h"
#include "weft/kernels/aggregate.h"
#include "weft/kernels/groupby.h"

namespace weft::kernels {

/// Which counts a result is made from besides its state: of values that are not null, of rows.
struct NeededCounts {
  bool values = false;
  bool rows = false;
};
NeededCounts CountsNeededBy(const Aggregation& aggregation);

/// The states of all groups that one aggregation is made from; `counts` and `sizes` where CountsNeededBy says so.
struct ResultStates {
  const GroupStates* state = nullptr;
  const GroupStates* counts = nullptr;
  const GroupStates* sizes = nullptr;
};

/// One aggregation's column of the result, of `type`, the groups in the order given. Errors name the column, of
/// `input`.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> ResultColumn(
    const Aggregation& aggregation, const ResultStates& states, std::span<const int64_t> order,
    const arrow::Schema& input, const std::shared_ptr<arrow::DataType>& type, const Context& context);

}  // namespace weft::kernels
