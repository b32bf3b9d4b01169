// Moving and expanding windows: for every row a value from the rows around it.
//
// Sums and moments of a window are made of two stacks of partial results, the front one of suffixes, the back one of
// all that came since: a row that leaves is dropped, never subtracted, so that nothing of a large value stays behind
// when it has gone. Two merges a row, whatever the window's size. Source: Tangwongsan, Hirzel, Schneider, "Low-latency
// sliding-window aggregation in worst-case constant time", DEBS 2017, which describes it as the known two-stacks
// method. Least and greatest values: a deque of the rows that can still win, values monotonic in it (Lemire, "Streaming
// maximum-minimum filter using no more than three comparisons per element", 2006). Medians, quantiles and counts of
// different values: rows are ranked once, and a tree of counts by rank (Fenwick, "A new data structure for cumulative
// frequency tables", 1994) is added to, taken from and searched from the top, each in logarithmic time.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/interpolation.h"
#include "weft/kernels/moments.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/reduce_states.h"

namespace weft::kernels {

enum class WindowFunction {
  kCount,  // values that are not missing, infinities too; of every type
  kSum,
  kMean,
  kVar,
  kStd,
  kSem,
  kSkew,
  kKurt,
  kMin,
  kMax,
  kFirst,  // the first value that is not missing
  kLast,
  kMedian,
  kQuantile,
  kDistinct
};

/// By pandas' name; Status::Invalid for another.
arrow::Result<WindowFunction> ParseWindowFunction(std::string_view name);

/// A number of rows, a span of time, or all rows up to this one.
enum class WindowKind { kRows, kTime, kExpanding };

/// Which rows belong to a row's window.
struct WindowFrame {
  WindowKind kind = WindowKind::kRows;
  /// Rows, not negative; or units of the time column, above 0.
  int64_t size = 0;
  /// The row lies in the middle of its window; else at its end.
  bool center = false;
  /// Whether a row just at the border belongs to the window. Of rows by number: one more before, one less at the end.
  bool closed_left = false;
  bool closed_right = true;
  /// Of kTime: a column of points in time or durations, without missing values, that rises or falls along the rows.
  int time = -1;
};

struct WindowAggregate {
  WindowFunction function = WindowFunction::kSum;
  int column = 0;
  /// Name of the result's column.
  std::string name;
  /// Of variance, standard deviation and error.
  int64_t ddof = 1;
  /// Of kQuantile.
  double quantile = 0.5;
  Interpolation interpolation = Interpolation::kLinear;
};

struct WindowOptions {
  WindowFrame frame;
  /// A window with fewer values that are not missing comes to null; of kCount, one with fewer rows.
  int64_t min_periods = 1;
  std::vector<WindowAggregate> aggregates;
};

/// Doubles, a column an aggregate. Status::TypeError naming column, type and function for what is no number (bool,
/// integers, floats, decimals, null; kCount takes every type) and for a time column of another type; Status::Invalid
/// for a column that is not there or a size below its least.
arrow::Result<std::shared_ptr<arrow::Schema>> WindowSchema(const arrow::Schema& input, const WindowOptions& options);

/// The same of the frame alone.
arrow::Status CheckWindowFrame(const arrow::Schema& input, const WindowFrame& frame);

/// How many rows before a row, and after it, a window of kRows may have.
struct WindowReach {
  int64_t before = 0;
  int64_t after = 0;
};
WindowReach ReachOf(const WindowFrame& frame);

/// The window of row i is rows [begins[i], ends[i]); empty where both are the same. Neither falls along the rows of a
/// segment.
struct WindowBounds {
  PoolArray<int64_t> begins;
  PoolArray<int64_t> ends;
};

/// Of rows in segments [starts[s], starts[s + 1]), which are windows' worlds of their own. Status::Invalid where times
/// are missing or go up and down within one.
arrow::Result<WindowBounds> FindWindows(const arrow::Table& table, const WindowFrame& frame,
                                        std::span<const int64_t> starts, const Context& context);

/// The times of kTime as numbers, in the column's unit. Status::Invalid naming the column where one is missing.
arrow::Result<PoolArray<int64_t>> WindowTimes(const arrow::Table& table, int column, const Context& context);

/// Whether `time` still belongs to the window of a row at `row_time`, which lies `forward` (not before) of it. Times
/// are as they rise along the rows.
bool BeforeInWindow(const WindowFrame& frame, int64_t time, int64_t row_time);
bool AfterInWindow(const WindowFrame& frame, int64_t time, int64_t row_time);

/// What an expanding window knows of the rows before a table. Trivially copyable, so that it can go to other ranks.
struct WindowTotals {
  int64_t rows = 0;
  int64_t present = 0;  // not missing
  int64_t values = 0;   // not missing, and finite: what the others are of
  RealSumState sum;
  Moments moments;
  double least = std::numeric_limits<double>::infinity();
  double greatest = -std::numeric_limits<double>::infinity();
  double first = std::numeric_limits<double>::quiet_NaN();
  double last = std::numeric_limits<double>::quiet_NaN();

  /// As if the rows of `other`, which follow, had been added.
  void Merge(const WindowTotals& other);
};

/// Whether an expanding window of this function needs the totals before it alone, not the rows.
bool HasWindowTotals(WindowFunction function);

/// One an aggregate, of all rows of the table.
arrow::Result<std::vector<WindowTotals>> TotalsOfWindow(const arrow::Table& table, const WindowOptions& options,
                                                        const Context& context);

/// A row of results for each of the rows [first, first + rows) of the table, whose other rows are there to be seen by
/// windows alone. `before`, empty or one an aggregate, is what an expanding window knows of rows that are not there;
/// then every function has HasWindowTotals. Infinities are missing values, as in pandas. The same for any number of
/// threads.
arrow::Result<std::shared_ptr<arrow::Table>> Window(const std::shared_ptr<arrow::Table>& table,
                                                    const WindowOptions& options, int64_t first, int64_t rows,
                                                    std::span<const WindowTotals> before, const Context& context);

/// One row a row of the table, in its order; windows see the rows of the row's group. Rows with a null in any key are
/// in no group, and come to null, where `drop_null_keys`; null and NaN are one key.
arrow::Result<std::shared_ptr<arrow::Table>> GroupWindow(const std::shared_ptr<arrow::Table>& table,
                                                         const std::vector<int>& keys, bool drop_null_keys,
                                                         const WindowOptions& options, const Context& context);

}  // namespace weft::kernels
