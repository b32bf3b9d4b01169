// What is kept by group while rows are aggregated: one class of states for each kind.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>
#include <arrow/util/decimal.h>

#include <cstdint>
#include <memory>
#include <span>

#include "weft/base/context.h"
#include "weft/base/int128.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/interpolation.h"
#include "weft/kernels/moments.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// A state that one column is folded into, by group. The last three need all rows of a group at once; the others can be
/// made in rounds, a column of states being the input of the next.
enum class StateKind {
  kSum,         // of integers (128 bit), floats (double) or decimals (256 bit); nulls skipped
  kProduct,     // of integers (sign and 64 bits) or floats (double); nulls skipped
  kCount,       // of values that are not null
  kTrue,        // of values that are not null, and not zero, false or empty
  kSize,        // of rows; needs no column
  kMin,         // first row of the least value
  kMax,         // first row of the greatest value
  kFirst,       // first row; first that is not null where nulls are skipped
  kLast,        // last row
  kIndexOfMin,  // label of the first row of the least value
  kIndexOfMax,  // label of the first row of the greatest value
  kMoments,     // count, mean, sums of the second to fourth powers of distances from the mean
  kAddCounts,   // the sum of counts that were made elsewhere
  kDistinct,    // number of different values
  kQuantile     // a quantile of numbers or times
};

/// A kind of state, and what it is made of.
struct StateSpec {
  StateKind kind = StateKind::kSize;
  /// Nulls are passed over: of kFirst, kLast, kDistinct.
  bool skip_nulls = true;
  /// Of kMoments: 2 where the third and fourth power are not needed, else 4.
  int powers = 2;
  /// Of kQuantile.
  double quantile = 0.5;
  Interpolation interpolation = Interpolation::kLinear;

  friend bool operator==(const StateSpec&, const StateSpec&) = default;
};

/// The columns a state is made from, in its first round or a later one.
struct StateInput {
  /// The type of the values that the first round began with.
  std::shared_ptr<arrow::DataType> of;
  /// Values, or states of an earlier round; nullptr for kSize.
  std::shared_ptr<arrow::ChunkedArray> column;
  /// Of kIndexOfMin and kIndexOfMax, in the first round: labels of rows. Where nullptr, a row's label is its number,
  /// int64, the first being `first_row`.
  std::shared_ptr<arrow::ChunkedArray> labels;
  int64_t first_row = 0;
  /// NaN is null: among values, not among sums of an earlier round.
  bool nan_is_null = false;
  bool first_round = true;
};

/// The product of integers: sign, and magnitude where it is at most 2^64 - 1.
struct IntegerProduct {
  uint64_t magnitude = 1;
  /// Bit 0: negative. Bit 1: the magnitude has not fit, and no factor was zero.
  uint64_t flags = 0;
  bool negative() const { return (flags & 1) != 0; }
  bool overflow() const { return (flags & 2) != 0; }
};

/// The type of the column that holds such states of a column of type `input`: what partial results are exchanged as.
/// Sums of integers, durations and points in time are decimal128(38, 0), of decimals decimal256(76, scale); moments and
/// products of integers are fixed-size binary; an index of a least or greatest value is a struct of value and label (of
/// type `label`).
std::shared_ptr<arrow::DataType> StateType(StateKind kind, const std::shared_ptr<arrow::DataType>& input,
                                           const std::shared_ptr<arrow::DataType>& label = nullptr);

/// The states of all groups for one column.
class GroupStates {
 public:
  virtual ~GroupStates() = default;

  /// Folds all rows in. Called once. Rows of one group are folded in a fixed order, whatever the number of threads.
  virtual arrow::Status Aggregate(const Grouping& grouping, const Context& context) = 0;

  /// The states as a column of StateType, groups in the order given.
  virtual arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                                     const Context& context) const = 0;
  /// What the states come to: of kIndexOfMin and kIndexOfMax the labels, of others the same as Column.
  virtual arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Result(std::span<const int64_t> order,
                                                                     const Context& context) const {
    return Column(order, context);
  }

  /// Of kSum: the states of groups. Of integers, durations and points in time; of floats; of decimals, one at a time.
  virtual void Integers(std::span<const int64_t> groups, Int128* out) const;
  virtual void Reals(std::span<const int64_t> groups, double* out) const;
  virtual arrow::Decimal256 Decimal(int64_t group) const;
  /// Of counts.
  virtual void Counts(std::span<const int64_t> groups, int64_t* out) const;
  int64_t Count(int64_t group) const {
    int64_t count = 0;
    Counts(std::span(&group, 1), &count);
    return count;
  }
  /// Of kMoments.
  virtual Moments MomentsOf(int64_t group) const;
  /// Of kProduct of integers.
  virtual IntegerProduct Product(int64_t group) const;
};

/// The input must be of a type that the kind takes.
arrow::Result<std::unique_ptr<GroupStates>> MakeGroupStates(const StateSpec& spec, const StateInput& input,
                                                            const Context& context);

/// A sum of less than 2^127 divided exactly, then rounded once to the nearest double.
double ExactQuotient(Int128 sum, int64_t count);

}  // namespace weft::kernels
