#include "weft/kernels/window.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "weft/kernels/column_reals.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/group_fold.h"
#include "weft/kernels/group_runs.h"
#include "weft/kernels/row_results.h"
#include "weft/kernels/window_fold.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

constexpr std::array<std::pair<std::string_view, WindowFunction>, 15> kFunctions{
    {{"count", WindowFunction::kCount},
     {"sum", WindowFunction::kSum},
     {"mean", WindowFunction::kMean},
     {"var", WindowFunction::kVar},
     {"std", WindowFunction::kStd},
     {"sem", WindowFunction::kSem},
     {"skew", WindowFunction::kSkew},
     {"kurt", WindowFunction::kKurt},
     {"min", WindowFunction::kMin},
     {"max", WindowFunction::kMax},
     {"first", WindowFunction::kFirst},
     {"last", WindowFunction::kLast},
     {"median", WindowFunction::kMedian},
     {"quantile", WindowFunction::kQuantile},
     {"nunique", WindowFunction::kDistinct}}};

/// Rows that one task finds results of.
constexpr int64_t kTaskRows = 1 << 16;

std::string_view NameOf(WindowFunction function) {
  for (const auto& [name, known] : kFunctions) {
    if (known == function) return name;
  }
  return "unknown";
}

/// The values that an aggregate is of, in the order in which windows go along them.
struct Values {
  PoolArray<double> values;
  PoolArray<uint8_t> there;
};

/// `order`: which rows, and in what order; empty for all as they come.
arrow::Result<Values> LoadValues(const arrow::Table& table, const WindowAggregate& aggregate,
                                 std::span<const int64_t> order, bool ordered, const Context& context) {
  const auto& column = table.column(aggregate.column);
  const int64_t rows = ordered ? static_cast<int64_t>(order.size()) : column->length();
  const auto row_at = [&](int64_t i) { return ordered ? order[static_cast<size_t>(i)] : i; };
  Values made;
  ARROW_ASSIGN_OR_RAISE(made.there, PoolArray<uint8_t>::Make(rows, context.pool));
  if (aggregate.function == WindowFunction::kCount) {
    ARROW_ASSIGN_OR_RAISE(const auto missing, MissingRows(column, /*nan_is_null=*/true, context));
    for (int64_t i = 0; i < rows; ++i) made.there[i] = missing.empty() || missing[row_at(i)] == 0 ? 1 : 0;
    return made;
  }
  ARROW_ASSIGN_OR_RAISE(const auto reals, Reals::Make(column, /*nan_is_null=*/true, context));
  ARROW_ASSIGN_OR_RAISE(made.values, PoolArray<double>::Make(rows, context.pool));
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = row_at(i);
    const double value = reals[row];
    const bool there = !reals.missing(row) && std::isfinite(value);
    made.values[i] = there ? value : std::numeric_limits<double>::quiet_NaN();
    made.there[i] = there ? 1 : 0;
  }
  return made;
}

/// Writes the results of one aggregate. A value of NaN is a missing one.
class Writer {
 public:
  Writer(const WindowAggregate& aggregate, const WindowOptions& options, RowResults<double>* results,
         std::span<const int64_t> order, bool ordered, int64_t first)
      : aggregate_(aggregate),
        min_periods_(options.min_periods),
        results_(*results),
        order_(order),
        ordered_(ordered),
        first_(first) {}

  void Set(int64_t row, int64_t count, double value) const {
    if (count < min_periods_ || std::isnan(value)) return;
    results_.Set(ordered_ ? order_[static_cast<size_t>(row)] : row - first_, value);
  }
  void operator()(int64_t row, const WindowSum& state) const {
    if (aggregate_.function == WindowFunction::kSum) return Set(row, state.count, state.sum.value());
    if (state.count > 0) Set(row, state.count, state.sum.value() / static_cast<double>(state.count));
  }
  void operator()(int64_t row, const Moments& state) const { Set(row, state.count, OfMoments(state)); }
  void operator()(int64_t row, const RankedValues& window) const {
    if (aggregate_.function == WindowFunction::kDistinct) {
      return Set(row, window.count(), static_cast<double>(window.distinct()));
    }
    if (window.count() == 0) return;
    const bool median = aggregate_.function == WindowFunction::kMedian;
    const auto place = PlaceOf(median ? 0.5 : aggregate_.quantile, window.count(),
                               median ? Interpolation::kLinear : aggregate_.interpolation);
    const double lower = window.At(place.lower);
    const double higher = place.higher == place.lower ? lower : window.At(place.higher);
    Set(row, window.count(), Between(lower, higher, place.share));
  }

 private:
  double OfMoments(const Moments& state) const {
    switch (aggregate_.function) {
      case WindowFunction::kVar:
        return state.Variance(aggregate_.ddof);
      case WindowFunction::kStd:
        return state.StandardDeviation(aggregate_.ddof);
      case WindowFunction::kSem:
        return state.StandardError(aggregate_.ddof);
      case WindowFunction::kSkew:
        return state.Skew();
      default:
        return state.Kurtosis();
    }
  }

  const WindowAggregate& aggregate_;
  const int64_t min_periods_;
  RowResults<double>& results_;
  const std::span<const int64_t> order_;
  const bool ordered_;
  const int64_t first_;
};

/// The results of a stretch of rows, of windows whose rows are all there.
arrow::Status Slide(const WindowStretch& rows, WindowFunction function, const Writer& write, const Context& context) {
  const auto write_value = [&](int64_t row, int64_t count, double value) { write.Set(row, count, value); };
  switch (function) {
    case WindowFunction::kCount:
      // pandas counts flags, of which none is missing: the rows have to be enough, not the values.
      SlideCounts(rows, 0, [&](int64_t row, int64_t count) {
        write.Set(row, rows.ends[row] - rows.begins[row], static_cast<double>(count));
      });
      return arrow::Status::OK();
    case WindowFunction::kFirst:
      SlideEnds<false>(rows, write_value);
      return arrow::Status::OK();
    case WindowFunction::kLast:
      SlideEnds<true>(rows, write_value);
      return arrow::Status::OK();
    case WindowFunction::kSum:
    case WindowFunction::kMean:
      return SlideStates<WindowSum>(rows, context, write);
    case WindowFunction::kMin:
      return SlideExtremes<false>(rows, context, write_value);
    case WindowFunction::kMax:
      return SlideExtremes<true>(rows, context, write_value);
    case WindowFunction::kMedian:
    case WindowFunction::kQuantile:
    case WindowFunction::kDistinct:
      return SlideRanked(rows, context, write);
    default:
      return SlideStates<Moments>(rows, context, write);
  }
}

/// A running extreme.
template <bool kGreatest>
struct RunningExtreme {
  int64_t count = 0;
  double value = std::numeric_limits<double>::quiet_NaN();
  void Add(double other) {
    if (count++ == 0 || (kGreatest ? other > value : other < value)) value = other;
  }
};

/// The same of expanding windows, which go on from `before`.
arrow::Status Expand(const WindowStretch& rows, WindowFunction function, const WindowTotals& before,
                     const Writer& write, const Context& context) {
  const auto extreme = [&]<bool kGreatest>(RunningExtreme<kGreatest> state) {
    state.count = before.values;
    if (before.values > 0) state.value = kGreatest ? before.greatest : before.least;
    ExpandStates(rows, state, [&](int64_t row, const auto& now) { write.Set(row, now.count, now.value); });
    return arrow::Status::OK();
  };
  switch (function) {
    case WindowFunction::kCount:
      SlideCounts(rows, before.present, [&](int64_t row, int64_t count) {
        write.Set(row, before.rows + rows.ends[row] - rows.begins[row], static_cast<double>(count));
      });
      return arrow::Status::OK();
    case WindowFunction::kFirst:
      SlideEnds<false>(rows, [&](int64_t row, int64_t count, double value) {
        write.Set(row, before.values + count, before.values > 0 ? before.first : value);
      });
      return arrow::Status::OK();
    case WindowFunction::kLast:
      SlideEnds<true>(rows, [&](int64_t row, int64_t count, double value) {
        write.Set(row, before.values + count, count > 0 ? value : before.last);
      });
      return arrow::Status::OK();
    case WindowFunction::kSum:
    case WindowFunction::kMean:
      ExpandStates(rows, WindowSum{before.values, before.sum}, write);
      return arrow::Status::OK();
    case WindowFunction::kMin:
      return extreme(RunningExtreme<false>());
    case WindowFunction::kMax:
      return extreme(RunningExtreme<true>());
    case WindowFunction::kMedian:
    case WindowFunction::kQuantile:
    case WindowFunction::kDistinct:
      return SlideRanked(rows, context, write);
    default:
      ExpandStates(rows, before.moments, write);
      return arrow::Status::OK();
  }
}

/// [first, end) cut where tasks begin: into pieces of kTaskRows where no piece has to read much more than that again.
std::vector<int64_t> CutRows(const WindowFrame& frame, const WindowBounds& bounds, int64_t first, int64_t end) {
  std::vector<int64_t> cuts{first};
  if (frame.kind != WindowKind::kExpanding) {
    for (int64_t at = first + kTaskRows; at < end; at += kTaskRows) {
      if (at - bounds.begins[at] > kTaskRows || bounds.ends[at] - at > kTaskRows) return {first, end};
      cuts.push_back(at);
    }
  }
  cuts.push_back(end);
  return cuts;
}

TablePtr Named(const std::shared_ptr<arrow::Schema>& schema, std::vector<std::shared_ptr<arrow::Array>> columns,
               int64_t rows) {
  return arrow::Table::Make(schema, std::move(columns), rows);
}

}  // namespace

arrow::Result<WindowFunction> ParseWindowFunction(std::string_view name) {
  for (const auto& [known, function] : kFunctions) {
    if (known == name) return function;
  }
  return arrow::Status::Invalid("rolling: unknown function '", name, "'");
}

arrow::Result<std::shared_ptr<arrow::Schema>> WindowSchema(const arrow::Schema& input, const WindowOptions& options) {
  ARROW_RETURN_NOT_OK(CheckWindowFrame(input, options.frame));
  arrow::FieldVector fields;
  for (const WindowAggregate& aggregate : options.aggregates) {
    if (aggregate.column < 0 || aggregate.column >= input.num_fields()) {
      return arrow::Status::Invalid("rolling: column ", aggregate.column, " is out of range; the table has ",
                                    input.num_fields(), " columns");
    }
    const auto& field = *input.field(aggregate.column);
    const auto* type = field.type().get();
    if (type->id() == arrow::Type::DICTIONARY) {
      type = static_cast<const arrow::DictionaryType&>(*type).value_type().get();
    }
    const bool number = arrow::is_integer(type->id()) || arrow::is_floating(type->id()) ||
                        arrow::is_decimal(type->id()) || type->id() == arrow::Type::BOOL ||
                        type->id() == arrow::Type::NA;
    if (!number && aggregate.function != WindowFunction::kCount) {
      return arrow::Status::TypeError("rolling: column '", field.name(), "' of type ", field.type()->ToString(),
                                      " has no ", NameOf(aggregate.function), " of windows");
    }
    fields.push_back(arrow::field(aggregate.name, arrow::float64()));
  }
  return arrow::schema(std::move(fields));
}

void WindowTotals::Merge(const WindowTotals& other) {
  if (values == 0) first = other.first;
  if (other.values > 0) last = other.last;
  rows += other.rows;
  present += other.present;
  values += other.values;
  sum.Merge(other.sum);
  moments.Merge(other.moments);
  least = std::min(least, other.least);
  greatest = std::max(greatest, other.greatest);
}

bool HasWindowTotals(WindowFunction function) {
  return function != WindowFunction::kMedian && function != WindowFunction::kQuantile &&
         function != WindowFunction::kDistinct;
}

arrow::Result<std::vector<WindowTotals>> TotalsOfWindow(const arrow::Table& table, const WindowOptions& options,
                                                        const Context& context) {
  std::vector<WindowTotals> totals;
  for (const WindowAggregate& aggregate : options.aggregates) {
    WindowTotals& total = totals.emplace_back();
    ARROW_ASSIGN_OR_RAISE(const auto column, LoadValues(table, aggregate, {}, false, context));
    total.rows = column.there.size();
    for (int64_t i = 0; i < total.rows; ++i) total.present += column.there[i];
    if (aggregate.function == WindowFunction::kCount || total.rows == 0) continue;
    for (int64_t i = 0; i < total.rows; ++i) {
      if (column.there[i] == 0) continue;
      const double value = column.values[i];
      if (total.values++ == 0) total.first = value;
      total.last = value;
      total.sum.AddOne(value);
      total.moments.Add(value);
      total.least = std::min(total.least, value);
      total.greatest = std::max(total.greatest, value);
    }
  }
  return totals;
}

arrow::Result<TablePtr> Window(const TablePtr& table, const WindowOptions& options, int64_t first, int64_t rows,
                               std::span<const WindowTotals> before, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, WindowSchema(*table->schema(), options));
  TraceSpan span(context.tracer, "window");
  span.AddRows(rows);
  const std::array<int64_t, 2> starts{0, table->num_rows()};
  ARROW_ASSIGN_OR_RAISE(const auto bounds, FindWindows(*table, options.frame, starts, context));
  const auto cuts = CutRows(options.frame, bounds, first, first + rows);
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t a = 0; a < options.aggregates.size(); ++a) {
    const WindowAggregate& aggregate = options.aggregates[a];
    ARROW_ASSIGN_OR_RAISE(const auto values, LoadValues(*table, aggregate, {}, false, context));
    ARROW_ASSIGN_OR_RAISE(auto results, RowResults<double>::Make(rows, context));
    const Writer write(aggregate, options, &results, {}, false, first);
    ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(cuts.size()) - 1, [&](int64_t task) {
      const auto t = static_cast<size_t>(task);
      const WindowStretch stretch{
          values.values.data(), values.there.data(), bounds.begins.data(), bounds.ends.data(), cuts[t], cuts[t + 1]};
      if (options.frame.kind != WindowKind::kExpanding) return Slide(stretch, aggregate.function, write, context);
      return Expand(stretch, aggregate.function, before.empty() ? WindowTotals() : before[a], write, context);
    }));
    ARROW_ASSIGN_OR_RAISE(auto column, results.Finish(arrow::float64(), context));
    columns.push_back(std::move(column));
  }
  return Named(schema, std::move(columns), rows);
}

arrow::Result<TablePtr> GroupWindow(const TablePtr& table, const std::vector<int>& keys, bool drop_null_keys,
                                    const WindowOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, WindowSchema(*table->schema(), options));
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(*table->schema(), keys, "groupby"));
  TraceSpan span(context.tracer, "groupby.window");
  span.AddRows(table->num_rows());
  ARROW_ASSIGN_OR_RAISE(const auto grouping,
                        GroupRows(*table, keys, {.nan_is_null = true, .drop_nulls = drop_null_keys}, context));
  ARROW_ASSIGN_OR_RAISE(const auto runs, MakeGroupRuns(grouping, context));
  WindowFrame frame = options.frame;
  TablePtr times = table;
  if (frame.kind == WindowKind::kTime) {
    ARROW_ASSIGN_OR_RAISE(const auto only, table->SelectColumns({frame.time}));
    ARROW_ASSIGN_OR_RAISE(times, GatherRows(only, runs.rows.span(), context));
    frame.time = 0;
  }
  ARROW_ASSIGN_OR_RAISE(const auto bounds, FindWindows(*times, frame, runs.starts.span(), context));
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const WindowAggregate& aggregate : options.aggregates) {
    ARROW_ASSIGN_OR_RAISE(const auto values, LoadValues(*table, aggregate, runs.rows.span(), true, context));
    ARROW_ASSIGN_OR_RAISE(auto results, RowResults<double>::Make(table->num_rows(), context));
    const Writer write(aggregate, options, &results, runs.rows.span(), true, 0);
    ARROW_RETURN_NOT_OK(VisitRuns(runs, context, [&](int64_t first, int64_t end) -> arrow::Status {
      for (int64_t group = first; group < end; ++group) {
        const WindowStretch stretch{values.values.data(), values.there.data(), bounds.begins.data(),
                                    bounds.ends.data(),   runs.starts[group],  runs.starts[group + 1]};
        ARROW_RETURN_NOT_OK(frame.kind == WindowKind::kExpanding
                                ? Expand(stretch, aggregate.function, WindowTotals(), write, context)
                                : Slide(stretch, aggregate.function, write, context));
      }
      return arrow::Status::OK();
    }));
    ARROW_ASSIGN_OR_RAISE(auto column, results.Finish(arrow::float64(), context));
    columns.push_back(std::move(column));
  }
  return Named(schema, std::move(columns), table->num_rows());
}

}  // namespace weft::kernels
