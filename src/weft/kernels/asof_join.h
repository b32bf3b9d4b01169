// The join of each left row with the nearest right row by an ordered key, on one rank.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// kBackward: the last right row at or before the left's key; kForward: the first at or after it; kNearest: the closer
/// of these two, kBackward's where both are as close.
enum class AsofDirection { kBackward, kForward, kNearest };

struct AsofOptions {
  int left_on = 0;
  int right_on = 0;
  /// Only rows that agree in these are joined (missing values agree).
  std::vector<int> left_by;
  std::vector<int> right_by;
  AsofDirection direction = AsofDirection::kBackward;
  /// Whether "at" counts.
  bool allow_exact_matches = true;
  /// The farthest that keys may be apart: in the key's units, `tolerance` for integers and times and `float_tolerance`
  /// for floats.
  std::optional<uint64_t> tolerance;
  std::optional<double> float_tolerance;
  std::string left_suffix = "_x";
  std::string right_suffix = "_y";
};

/// The schema of the result, as a left join by `by` and `on` would have it; or what is wrong with the arguments
/// (Status::TypeError for keys that are no numbers or times, or of two types).
arrow::Result<std::shared_ptr<arrow::Schema>> AsofSchema(const arrow::Schema& left, const arrow::Schema& right,
                                                         const AsofOptions& options);

/// A key column as unsigned numbers of the same order. Status::Invalid if it has missing values or is not sorted, of
/// which `side` ("left" or "right") is said.
arrow::Result<PoolArray<uint64_t>> AsofKeys(const arrow::ChunkedArray& column, const char* side,
                                            const Context& context);

/// One row a left row, in order. Both sides must be sorted by their key (Status::Invalid).
arrow::Result<std::shared_ptr<arrow::Table>> AsofJoin(const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const AsofOptions& options, const Context& context);

}  // namespace weft::kernels
