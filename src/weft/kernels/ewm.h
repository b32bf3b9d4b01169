// Exponentially weighted means along the rows.
//
// A mean's state is its value and the weight of all that it is made of. A stretch of rows changes any state that comes
// in by a formula of a few numbers (EwmSpan), so that ranks find theirs alone and put them together in order.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

struct EwmOptions {
  std::vector<int> columns;
  /// 0 < alpha <= 1: the weight of the row itself where `adjust` is false.
  double alpha = 0.5;
  /// Weights (1 - alpha)^age, divided by their sum; otherwise each row's mean is (1 - alpha) of the one before and
  /// alpha of the value.
  bool adjust = true;
  /// Age counts values that are not missing alone; otherwise rows.
  bool ignore_missing = false;
  /// Rows with fewer values so far come to null.
  int64_t min_periods = 1;
};

/// Doubles. Status::TypeError naming column and type for what is no number (bool, integers, floats, decimals, null).
arrow::Result<std::shared_ptr<arrow::Schema>> EwmSchema(const arrow::Schema& input, const EwmOptions& options);

/// A mean in the making.
struct EwmState {
  int64_t count = 0;
  double mean = 0;
  double weight = 0;
};

/// What a stretch of rows does to a state. Trivially copyable.
struct EwmSpan {
  /// As if nothing had come before.
  EwmState own;
  /// How often weights decay in it, and up to and with its first value.
  int64_t decays = 0;
  int64_t decays_to_first = 0;
  double first = 0;
  /// Where means are not adjusted: what is left of the mean at the first value, at the end.
  double kept = 1;
};

/// One a column: of all rows of the table.
arrow::Result<std::vector<EwmSpan>> SpansOfEwm(const arrow::Table& table, const EwmOptions& options,
                                               const Context& context);

/// The state behind the span's rows, that had `state` before them.
EwmState Advance(const EwmState& state, const EwmSpan& span, const EwmOptions& options);

/// A row a row of the table; `before`, empty or one a column: the states that it goes on from. Infinities are missing
/// values, as in pandas.
arrow::Result<std::shared_ptr<arrow::Table>> Ewm(const arrow::Table& table, const EwmOptions& options,
                                                 std::span<const EwmState> before, const Context& context);

/// The same within groups; rows with a null in any key come to null where `drop_null_keys`.
arrow::Result<std::shared_ptr<arrow::Table>> GroupEwm(const arrow::Table& table, const std::vector<int>& keys,
                                                      bool drop_null_keys, const EwmOptions& options,
                                                      const Context& context);

}  // namespace weft::kernels
