// Order statistics without sorting: the k-th least values of columns that are spread over ranks, found by counting.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// A column's values that are not missing (null, NaN) as unsigned numbers in the order of the values. For types whose
/// key encoding has one piece (see KeyColumn): bool, integers, floats, small decimals, dates, times, durations.
struct OrderCodes {
  PoolArray<uint64_t> codes;
  uint64_t least = ~uint64_t{0};
  uint64_t greatest = 0;
  /// Rows of the column, missing ones too.
  int64_t rows = 0;

  static arrow::Result<OrderCodes> Make(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context);
};

/// What parts of the values on several ranks need of each other; each call is collective. `local` is an error that this
/// rank has: then every rank returns an error.
struct SelectExchange {
  /// Sums over ranks, in place.
  std::function<arrow::Status(const arrow::Status& local, std::span<int64_t> counts)> sum;
  /// All ranks' bytes, by rank.
  std::function<arrow::Result<std::vector<std::string>>(const arrow::Status& local, std::string_view bytes)> gather;
};

/// The exchange of a world of one.
SelectExchange SelectAlone();

/// How many there are of a column over all ranks, and between which codes they lie.
struct OrderRange {
  int64_t rows = 0;
  int64_t values = 0;
  uint64_t least = ~uint64_t{0};
  uint64_t greatest = 0;
};
arrow::Result<std::vector<OrderRange>> FindRanges(const arrow::Result<std::vector<OrderCodes>>& columns,
                                                  const SelectExchange& exchange);

/// For each column, the codes at the places wanted[column] (ascending, different, 0 <= place < range.values) in the
/// order of all ranks' values; the same on all ranks. All columns go on together, each round counting values by 2048
/// ranges of codes and keeping only those in ranges that hold a wanted place; few left are gathered. At most six
/// rounds. Source of the idea: Saukas, Song, "A note on parallel selection on coarse-grained multicomputers",
/// Algorithmica 1999, with radix counting in the place of pivots.
arrow::Result<std::vector<std::vector<uint64_t>>> SelectCodes(std::vector<OrderCodes> columns,
                                                              const std::vector<OrderRange>& ranges,
                                                              const std::vector<std::vector<int64_t>>& wanted,
                                                              const SelectExchange& exchange, const Context& context);

}  // namespace weft::kernels
