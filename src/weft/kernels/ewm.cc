#include "weft/kernels/ewm.h"

#include <cmath>
#include <utility>

#include "weft/kernels/column_reals.h"
#include "weft/kernels/group_runs.h"
#include "weft/kernels/row_results.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

/// Takes rows one by one.
class Walker {
 public:
  Walker(const EwmOptions& options, const EwmState& state) : options_(options), state_(state) {}

  /// Whether the row has a mean.
  bool Next(bool there, double value) {
    if (state_.count > 0 && (there || !options_.ignore_missing)) state_.weight *= 1 - options_.alpha;
    if (there) {
      if (state_.count++ == 0) {
        state_.mean = value;
        state_.weight = 1;
      } else {
        Mix(value);
      }
    }
    return state_.count > 0 && state_.count >= options_.min_periods;
  }
  const EwmState& state() const { return state_; }

 private:
  void Mix(double value) {
    const double own = options_.adjust ? 1 : options_.alpha;
    // Equal values stay what they are.
    if (state_.mean != value) {
      state_.mean = (state_.weight * state_.mean + own * value) / (state_.weight + own);
    }
    state_.weight = options_.adjust ? state_.weight + own : 1;
  }

  const EwmOptions& options_;
  EwmState state_;
};

bool IsThere(const Reals& reals, int64_t row) { return !reals.missing(row) && std::isfinite(reals[row]); }

EwmSpan SpanOf(const Reals& reals, const EwmOptions& options) {
  EwmSpan span;
  Walker walker(options, EwmState());
  double weight = 1;
  for (int64_t row = 0; row < reals.size(); ++row) {
    const bool there = IsThere(reals, row);
    if (there || !options.ignore_missing) {
      ++span.decays;
      weight *= 1 - options.alpha;
    }
    if (there) {
      if (walker.state().count == 0) {
        span.first = reals[row];
        span.decays_to_first = span.decays;
      } else {
        span.kept *= weight / (weight + options.alpha);
      }
      weight = 1;
    }
    walker.Next(there, reals[row]);
  }
  span.own = walker.state();
  return span;
}

double Decayed(double weight, int64_t times, const EwmOptions& options) {
  return weight * std::pow(1 - options.alpha, static_cast<double>(times));
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> EwmSchema(const arrow::Schema& input, const EwmOptions& options) {
  arrow::FieldVector fields;
  if (!(options.alpha > 0 && options.alpha <= 1)) {
    return arrow::Status::Invalid("ewm: alpha=", options.alpha, "; it is above 0 and at most 1");
  }
  for (const int column : options.columns) {
    const auto& field = *input.field(column);
    const auto id = field.type()->id();
    if (!arrow::is_integer(id) && !arrow::is_floating(id) && !arrow::is_decimal(id) && id != arrow::Type::BOOL &&
        id != arrow::Type::NA) {
      return arrow::Status::TypeError("ewm: column '", field.name(), "' of type ", field.type()->ToString(),
                                      " has no mean of windows");
    }
    fields.push_back(arrow::field(field.name(), arrow::float64()));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::vector<EwmSpan>> SpansOfEwm(const arrow::Table& table, const EwmOptions& options,
                                               const Context& context) {
  std::vector<EwmSpan> spans;
  for (const int column : options.columns) {
    ARROW_ASSIGN_OR_RAISE(const auto reals, Reals::Make(table.column(column), /*nan_is_null=*/true, context));
    spans.push_back(SpanOf(reals, options));
  }
  return spans;
}

EwmState Advance(const EwmState& state, const EwmSpan& span, const EwmOptions& options) {
  if (state.count == 0) return span.own;
  EwmState made{state.count + span.own.count, state.mean, Decayed(state.weight, span.decays, options)};
  if (span.own.count == 0) return made;
  if (options.adjust) {
    const double whole = made.weight + span.own.weight;
    made.mean =
        state.mean == span.own.mean ? state.mean : (made.weight * state.mean + span.own.weight * span.own.mean) / whole;
    made.weight = whole;
    return made;
  }
  const double old = Decayed(state.weight, span.decays_to_first, options);
  const double at_first = (old * state.mean + options.alpha * span.first) / (old + options.alpha);
  made.mean = span.own.mean + span.kept * (at_first - span.first);
  made.weight = span.own.weight;
  return made;
}

arrow::Result<std::shared_ptr<arrow::Table>> Ewm(const arrow::Table& table, const EwmOptions& options,
                                                 std::span<const EwmState> before, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, EwmSchema(*table.schema(), options));
  TraceSpan span(context.tracer, "ewm");
  span.AddRows(table.num_rows());
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t c = 0; c < options.columns.size(); ++c) {
    ARROW_ASSIGN_OR_RAISE(const auto reals,
                          Reals::Make(table.column(options.columns[c]), /*nan_is_null=*/true, context));
    ARROW_ASSIGN_OR_RAISE(auto results, RowResults<double>::Make(table.num_rows(), context));
    Walker walker(options, before.empty() ? EwmState() : before[c]);
    for (int64_t row = 0; row < reals.size(); ++row) {
      if (walker.Next(IsThere(reals, row), reals[row])) results.Set(row, walker.state().mean);
    }
    ARROW_ASSIGN_OR_RAISE(auto column, results.Finish(arrow::float64(), context));
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(schema, std::move(columns), table.num_rows());
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupEwm(const arrow::Table& table, const std::vector<int>& keys,
                                                      bool drop_null_keys, const EwmOptions& options,
                                                      const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, EwmSchema(*table.schema(), options));
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(*table.schema(), keys, "groupby"));
  TraceSpan span(context.tracer, "groupby.ewm");
  span.AddRows(table.num_rows());
  ARROW_ASSIGN_OR_RAISE(const auto grouping,
                        GroupRows(table, keys, {.nan_is_null = true, .drop_nulls = drop_null_keys}, context));
  ARROW_ASSIGN_OR_RAISE(const auto runs, MakeGroupRuns(grouping, context));
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const int position : options.columns) {
    ARROW_ASSIGN_OR_RAISE(const auto reals, Reals::Make(table.column(position), /*nan_is_null=*/true, context));
    ARROW_ASSIGN_OR_RAISE(auto results, RowResults<double>::Make(table.num_rows(), context));
    ARROW_RETURN_NOT_OK(VisitRuns(runs, context, [&](int64_t first, int64_t end) {
      for (int64_t group = first; group < end; ++group) {
        Walker walker(options, EwmState());
        for (int64_t i = runs.starts[group]; i < runs.starts[group + 1]; ++i) {
          const int64_t row = runs.rows[i];
          if (walker.Next(IsThere(reals, row), reals[row])) results.Set(row, walker.state().mean);
        }
      }
      return arrow::Status::OK();
    }));
    ARROW_ASSIGN_OR_RAISE(auto column, results.Finish(arrow::float64(), context));
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(schema, std::move(columns), table.num_rows());
}

}  // namespace weft::kernels
