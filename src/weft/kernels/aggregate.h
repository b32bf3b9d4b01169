// What is kept by group while rows are aggregated: one class of states each for sums, counts, least and greatest
// values.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>
#include <arrow/util/decimal.h>

#include <cstdint>
#include <memory>
#include <span>

#include "weft/base/context.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// A state that one column is folded into, by group.
enum class StateKind {
  kSum,       // of integers (128 bit), floats (double) or decimals (256 bit); nulls skipped
  kCount,     // of values that are not null
  kSize,      // of rows; needs no column
  kMin,       // first row of the least value
  kMax,       // first row of the greatest value
  kAddCounts  // the sum of counts that were made elsewhere
};

/// The type of the column that holds such states of a column of type `input`: what partial results are exchanged as.
/// Sums of integers, durations and points in time are decimal128(38, 0), of decimals decimal256(76, scale).
std::shared_ptr<arrow::DataType> StateType(StateKind kind, const std::shared_ptr<arrow::DataType>& input);

/// The states of all groups for one column.
class GroupStates {
 public:
  virtual ~GroupStates() = default;

  /// Folds all rows in. Called once. Rows of one group are folded in a fixed order, whatever the number of threads.
  virtual arrow::Status Aggregate(const Grouping& grouping, const Context& context) = 0;

  /// The states as a column of StateType, groups in the order given.
  virtual arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                                     const Context& context) const = 0;

  /// Of kSum: the state of a group as a 256-bit integer (not of floats), or as a double (of floats).
  virtual arrow::Decimal256 Integer(int64_t group) const;
  virtual double Real(int64_t group) const;
  /// Of kCount, kSize, kAddCounts.
  virtual int64_t Count(int64_t group) const;
};

/// `column` holds values of type `of`, or states that an earlier round made from such values; it may be nullptr for
/// kSize. The type must be one that the kind takes.
arrow::Result<std::unique_ptr<GroupStates>> MakeGroupStates(StateKind kind, const std::shared_ptr<arrow::DataType>& of,
                                                            const std::shared_ptr<arrow::ChunkedArray>& column,
                                                            bool nan_is_null, const Context& context);

/// A sum of less than 2^127 divided exactly, then rounded once to the nearest double.
double ExactQuotient(const arrow::Decimal256& sum, int64_t count);

}  // namespace weft::kernels
