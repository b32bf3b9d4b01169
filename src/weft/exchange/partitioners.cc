#include <arrow/record_batch.h>

#include <algorithm>
#include <numeric>

#include "weft/exchange/exchange.h"
#include "weft/table/hash.h"
#include "weft/table/runs.h"

namespace weft::exchange {
namespace {

/// The owners of rows some of whose keys may have runs.
arrow::Status OwnersByHash(const arrow::RecordBatch& batch, const std::vector<int>& columns, bool nan_is_null,
                           uint32_t ranks, const Context& context, std::span<uint32_t> targets) {
  const table::HashOptions options{.nan_is_null = nan_is_null};
  if (!table::HasRuns(*batch.schema())) {
    return table::OwnersOfRows(batch, columns, options, ranks, context, targets.data());
  }
  ARROW_ASSIGN_OR_RAISE(auto keys, batch.SelectColumns(columns));
  ARROW_ASSIGN_OR_RAISE(keys, table::WithoutRuns(keys, context.pool));
  std::vector<int> all(columns.size());
  std::iota(all.begin(), all.end(), 0);
  return table::OwnersOfRows(*keys, all, options, ranks, context, targets.data());
}

}  // namespace

Partitioner ByHash(std::vector<int> columns, bool nan_is_null, int world_size) {
  return
      [columns = std::move(columns), nan_is_null, ranks = static_cast<uint32_t>(world_size)](
          const arrow::RecordBatch& batch, int64_t /*first_row*/, const Context& context, std::span<uint32_t> targets) {
        return OwnersByHash(batch, columns, nan_is_null, ranks, context, targets);
      };
}

Partitioner ByPosition(std::vector<int64_t> ends, int64_t offset) {
  return [ends = std::move(ends), offset](const arrow::RecordBatch& batch, int64_t first_row,
                                          const Context& /*context*/, std::span<uint32_t> targets) {
    int64_t row = offset + first_row;
    const int64_t end = row + batch.num_rows();
    size_t at = 0;
    while (row < end) {
      const auto owner = std::upper_bound(ends.begin(), ends.end(), row);
      if (owner == ends.end()) {
        return arrow::Status::Invalid("row ", row, " lies beyond the last rank's end, ",
                                      ends.empty() ? 0 : ends.back());
      }
      const auto count = static_cast<size_t>(std::min(end, *owner) - row);
      std::fill_n(targets.begin() + static_cast<std::ptrdiff_t>(at), count,
                  static_cast<uint32_t>(owner - ends.begin()));
      at += count;
      row += static_cast<int64_t>(count);
    }
    return arrow::Status::OK();
  };
}

}  // namespace weft::exchange
