#include "weft/kernels/reduce.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>

#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "weft/kernels/aggregate.h"
#include "weft/kernels/dense_values.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/reduce_states.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using ChunkedPtr = std::shared_ptr<arrow::ChunkedArray>;
using ScalarPtr = std::shared_ptr<arrow::Scalar>;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr std::array<std::string_view, 15> kNames{"count", "sum",  "prod", "mean", "min", "max",    "var",   "std",
                                                  "sem",   "skew", "kurt", "any",  "all", "idxmin", "idxmax"};

const TypePtr& ValueType(const TypePtr& type) {
  if (type->id() != Type::DICTIONARY) return type;
  return static_cast<const arrow::DictionaryType&>(*type).value_type();
}

bool IsNumber(Type::type id) {
  return id == Type::BOOL || id == Type::NA || arrow::is_integer(id) || arrow::is_floating(id);
}

/// nullptr where the function does not take the type.
TypePtr ResultType(ReduceFunction function, const TypePtr& input) {
  const TypePtr& type = ValueType(input);
  const Type::type id = type->id();
  switch (function) {
    case ReduceFunction::kCount:
      return arrow::int64();
    case ReduceFunction::kArgMin:
    case ReduceFunction::kArgMax:
      return table::CanBeKey(*input) ? arrow::int64() : nullptr;
    case ReduceFunction::kMin:
    case ReduceFunction::kMax:
      return table::CanBeKey(*input) ? input : nullptr;
    case ReduceFunction::kAny:
    case ReduceFunction::kAll:
      return IsNumber(id) || arrow::is_decimal(id) || id == Type::DURATION || arrow::is_base_binary_like(id)
                 ? arrow::boolean()
                 : nullptr;
    case ReduceFunction::kSum:
      if (arrow::is_decimal(id)) {
        const int32_t scale = static_cast<const arrow::DecimalType&>(*type).scale();
        return id == Type::DECIMAL256 ? arrow::decimal256(76, scale) : arrow::decimal128(38, scale);
      }
      if (id == Type::DURATION) return type;
      [[fallthrough]];
    case ReduceFunction::kProduct:
      if (id == Type::BOOL || arrow::is_signed_integer(id)) return arrow::int64();
      if (arrow::is_unsigned_integer(id)) return arrow::uint64();
      return IsNumber(id) || arrow::is_decimal(id) ? arrow::float64() : nullptr;
    case ReduceFunction::kMean:
      if (IsNumber(id)) return arrow::float64();
      if (arrow::is_decimal(id) || id == Type::DURATION || id == Type::TIMESTAMP || arrow::is_date(id)) return type;
      return nullptr;
    case ReduceFunction::kStandardDeviation:
      if (id == Type::DURATION) return type;
      if (id == Type::TIMESTAMP) return arrow::duration(static_cast<const arrow::TimestampType&>(*type).unit());
      [[fallthrough]];
    default:
      return IsNumber(id) || arrow::is_decimal(id) ? arrow::float64() : nullptr;
  }
}

enum class StateKind {
  kCount,
  kIntegerSum,
  kDecimalSum,
  kRealSum,
  kIntegerProduct,
  kRealProduct,
  kMoments,
  kTruth,
  kMin,
  kMax
};

StateKind StateOf(ReduceFunction function, const arrow::DataType& type) {
  const bool real = arrow::is_floating(type.id()) || type.id() == Type::NA;
  switch (function) {
    case ReduceFunction::kCount:
      return StateKind::kCount;
    case ReduceFunction::kSum:
    case ReduceFunction::kMean:
      if (arrow::is_decimal(type.id())) return StateKind::kDecimalSum;
      return real ? StateKind::kRealSum : StateKind::kIntegerSum;
    case ReduceFunction::kProduct:
      return real || arrow::is_decimal(type.id()) ? StateKind::kRealProduct : StateKind::kIntegerProduct;
    case ReduceFunction::kAny:
    case ReduceFunction::kAll:
      return StateKind::kTruth;
    case ReduceFunction::kMin:
    case ReduceFunction::kArgMin:
      return StateKind::kMin;
    case ReduceFunction::kMax:
    case ReduceFunction::kArgMax:
      return StateKind::kMax;
    default:
      return StateKind::kMoments;
  }
}

/// A state that the reductions need; several of them may share one.
struct ReduceSpec {
  StateKind kind;
  int column;
};

struct Plan {
  std::vector<ReduceSpec> states;
  /// By reduction: its state, and the count of its column.
  std::vector<size_t> state;
  std::vector<size_t> count;
  /// By state: where its columns begin in the partial table. The least and greatest value have two, others one.
  std::vector<int> place;
};

Plan MakePlan(const arrow::Schema& input, const ReduceOptions& options) {
  Plan plan;
  const auto add = [&](StateKind kind, int column) {
    for (size_t s = 0; s < plan.states.size(); ++s) {
      if (plan.states[s].kind == kind && plan.states[s].column == column) return s;
    }
    plan.states.push_back({kind, column});
    return plan.states.size() - 1;
  };
  for (const Reduction& reduction : options.reductions) {
    plan.count.push_back(add(StateKind::kCount, reduction.column));
    const auto& type = ValueType(input.field(reduction.column)->type());
    plan.state.push_back(add(StateOf(reduction.function, *type), reduction.column));
  }
  int place = 0;
  for (const ReduceSpec& state : plan.states) {
    plan.place.push_back(place);
    place += state.kind == StateKind::kMin || state.kind == StateKind::kMax ? 2 : 1;
  }
  return plan;
}

// -- states by kind
// ---------------------------------------------------------------------------------------------------

/// Calls visit with a state of the kind's type; not for least and greatest values.
template <typename Visit>
auto VisitKind(StateKind kind, Visit&& visit) {
  switch (kind) {
    case StateKind::kCount:
      return visit(CountState());
    case StateKind::kIntegerSum:
      return visit(IntegerSumState());
    case StateKind::kDecimalSum:
      return visit(DecimalSumState());
    case StateKind::kRealSum:
      return visit(RealSumState());
    case StateKind::kIntegerProduct:
      return visit(IntegerProductState());
    case StateKind::kRealProduct:
      return visit(RealProductState());
    case StateKind::kTruth:
      return visit(TruthState());
    default:
      return visit(MomentsState());
  }
}

// -- first half
// --------------------------------------------------------------------------------------------------------

arrow::Result<ArrayPtr> MakeInt64(int64_t value, bool valid, const Context& context) {
  arrow::Int64Builder builder(context.pool);
  ARROW_RETURN_NOT_OK(valid ? builder.Append(value) : builder.AppendNull());
  return builder.Finish();
}

arrow::Result<arrow::ArrayVector> FoldState(const ReduceSpec& spec, const ChunkedPtr& column, int64_t first_row,
                                            const Context& context) {
  if (spec.kind == StateKind::kMin || spec.kind == StateKind::kMax) {
    ARROW_ASSIGN_OR_RAISE(const int64_t row, FindExtreme(column, spec.kind == StateKind::kMax, context));
    ARROW_ASSIGN_OR_RAISE(auto value, OneRow(column, row, context));
    ARROW_ASSIGN_OR_RAISE(auto number, MakeInt64(first_row + row, row >= 0, context));
    return arrow::ArrayVector{std::move(value), std::move(number)};
  }
  ChunkedPtr values = column;
  if (spec.kind != StateKind::kCount) {
    ARROW_ASSIGN_OR_RAISE(values, DecodeDictionary(column, context));
  }
  return VisitKind(spec.kind, [&](auto state) -> arrow::Result<arrow::ArrayVector> {
    using State = decltype(state);
    if constexpr (std::is_same_v<State, CountState>) {
      ARROW_ASSIGN_OR_RAISE(state, FoldCount(values, context));
    } else if constexpr (std::is_same_v<State, TruthState>) {
      ARROW_ASSIGN_OR_RAISE(state, FoldTruth(values, context));
    } else {
      ARROW_ASSIGN_OR_RAISE(state, FoldNumbers<State>(*values, context));
    }
    ARROW_ASSIGN_OR_RAISE(auto saved, SaveState(state, context));
    return arrow::ArrayVector{std::move(saved)};
  });
}

// -- second half
// -------------------------------------------------------------------------------------------------------

/// What one reduction is made from.
struct Subject {
  ReduceFunction function;
  const std::string& column;
  /// Of the column's values, and of the result.
  const arrow::DataType& of;
  const TypePtr& type;
  CountState count;
};

arrow::Status Overflow(const Subject& subject) {
  return arrow::Status::Invalid(ReduceFunctionName(subject.function), ": the result of column '", subject.column,
                                "' does not fit its type ", subject.type->ToString(),
                                "; cast the column to a decimal or to double first");
}

ScalarPtr DoubleScalar(double value) { return std::make_shared<arrow::DoubleScalar>(value); }

/// A whole number in an integer, duration, timestamp or date type; nullptr where it does not fit.
ScalarPtr WholeScalar(Int128 value, const TypePtr& type) {
  if (type->id() == Type::UINT64) {
    if (value < 0 || value > std::numeric_limits<uint64_t>::max()) return nullptr;
    return std::make_shared<arrow::UInt64Scalar>(static_cast<uint64_t>(value));
  }
  if (value < std::numeric_limits<int64_t>::min() || value > std::numeric_limits<int64_t>::max()) return nullptr;
  const auto whole = static_cast<int64_t>(value);
  switch (type->id()) {
    case Type::DURATION:
      return std::make_shared<arrow::DurationScalar>(whole, type);
    case Type::TIMESTAMP:
      return std::make_shared<arrow::TimestampScalar>(whole, type);
    case Type::DATE32:
      return std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(whole));
    case Type::DATE64:
      return std::make_shared<arrow::Date64Scalar>(whole - whole % (int64_t{24} * 3600 * 1000));
    default:
      return std::make_shared<arrow::Int64Scalar>(whole);
  }
}

arrow::Result<ScalarPtr> DecimalResult(arrow::Decimal256 value, const Subject& subject) {
  if (subject.function == ReduceFunction::kMean) {
    ARROW_ASSIGN_OR_RAISE(value, DecimalMean(value, subject.count.values));
  }
  if (!value.FitsInPrecision(static_cast<const arrow::DecimalType&>(*subject.type).precision())) {
    return Overflow(subject);
  }
  const auto& words = value.little_endian_array();
  switch (subject.type->id()) {
    case Type::DECIMAL32:
      return std::make_shared<arrow::Decimal32Scalar>(arrow::Decimal32(static_cast<int32_t>(words[0])), subject.type);
    case Type::DECIMAL64:
      return std::make_shared<arrow::Decimal64Scalar>(arrow::Decimal64(static_cast<int64_t>(words[0])), subject.type);
    case Type::DECIMAL128:
      return std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128(static_cast<int64_t>(words[1]), words[0]),
                                                       subject.type);
    default:
      return std::make_shared<arrow::Decimal256Scalar>(value, subject.type);
  }
}

arrow::Result<ScalarPtr> IntegerSumResult(Int128 sum, const Subject& subject) {
  if (subject.function == ReduceFunction::kMean && subject.type->id() == Type::DOUBLE) {
    return DoubleScalar(ExactQuotient(sum, subject.count.values));
  }
  // Means of times are cut to whole units towards zero, as pandas does.
  if (subject.function == ReduceFunction::kMean) sum /= subject.count.values;
  auto made = WholeScalar(sum, subject.type);
  if (made == nullptr) return Overflow(subject);
  return made;
}

arrow::Result<ScalarPtr> ProductResult(const IntegerProductState& state, const Subject& subject) {
  const auto value = state.value();
  auto made = value ? WholeScalar(*value, subject.type) : nullptr;
  if (made == nullptr) return Overflow(subject);
  return made;
}

ScalarPtr MomentsResult(const Moments& moments, const Subject& subject, int64_t ddof) {
  const auto find = [&] {
    switch (subject.function) {
      case ReduceFunction::kVariance:
        return moments.Variance(ddof);
      case ReduceFunction::kStandardDeviation:
        return moments.StandardDeviation(ddof);
      case ReduceFunction::kStandardError:
        return moments.StandardError(ddof);
      case ReduceFunction::kSkew:
        return moments.Skew();
      default:
        return moments.Kurtosis();
    }
  };
  const double found = find();
  // A NaN is the answer of too few or infinite values; pandas' missing value.
  if (std::isnan(found)) return arrow::MakeNullScalar(subject.type);
  if (subject.type->id() != Type::DURATION) return DoubleScalar(found);
  auto whole = WholeScalar(static_cast<Int128>(found), subject.type);
  return whole != nullptr ? whole : arrow::MakeNullScalar(subject.type);
}

/// The result where nothing is missing that it needs.
arrow::Result<ScalarPtr> FinishState(const ReduceSpec& spec, const arrow::ChunkedArray& states, const Subject& subject,
                                     int64_t ddof) {
  return VisitKind(spec.kind, [&](auto kind) -> arrow::Result<ScalarPtr> {
    using State = decltype(kind);
    ARROW_ASSIGN_OR_RAISE(const State state, LoadStates<State>(states));
    if constexpr (std::is_same_v<State, IntegerSumState>) {
      return IntegerSumResult(state.sum, subject);
    } else if constexpr (std::is_same_v<State, DecimalSumState>) {
      return DecimalResult(state.sum, subject);
    } else if constexpr (std::is_same_v<State, RealSumState>) {
      const bool mean = subject.function == ReduceFunction::kMean;
      return DoubleScalar(mean ? state.value() / static_cast<double>(subject.count.values) : state.value());
    } else if constexpr (std::is_same_v<State, IntegerProductState>) {
      return ProductResult(state, subject);
    } else if constexpr (std::is_same_v<State, RealProductState>) {
      return DoubleScalar(state.product);
    } else if constexpr (std::is_same_v<State, MomentsState>) {
      return MomentsResult(state.moments, subject, ddof);
    } else if constexpr (std::is_same_v<State, CountState>) {
      return std::make_shared<arrow::Int64Scalar>(state.values);
    } else {
      const bool any = subject.function == ReduceFunction::kAny;
      return std::make_shared<arrow::BooleanScalar>(any ? state.count > 0 : state.count == subject.count.values);
    }
  });
}

/// Whether there are too few values for a result.
bool IsMissing(const Subject& subject, const ReduceOptions& options) {
  const CountState& count = subject.count;
  switch (subject.function) {
    case ReduceFunction::kCount:
    case ReduceFunction::kAny:
    case ReduceFunction::kAll:
      return false;
    case ReduceFunction::kSum:
    case ReduceFunction::kProduct:
      break;
    default:
      if (count.values == 0) return true;
  }
  return count.values < options.min_count || (!options.skip_missing && count.values < count.rows);
}

arrow::Result<ArrayPtr> Finish(const Plan& plan, size_t r, const arrow::Table& partials, const arrow::Schema& input,
                               const ReduceOptions& options, const TypePtr& type, const Context& context) {
  const Reduction& reduction = options.reductions[r];
  const auto& field = *input.field(reduction.column);
  Subject subject{reduction.function, field.name(), *ValueType(field.type()), type, {}};
  ARROW_ASSIGN_OR_RAISE(subject.count, LoadStates<CountState>(*partials.column(plan.place[plan.count[r]])));
  if (IsMissing(subject, options)) return arrow::MakeArrayOfNull(type, 1, context.pool);
  const ReduceSpec& spec = plan.states[plan.state[r]];
  const int place = plan.place[plan.state[r]];
  if (spec.kind == StateKind::kMin || spec.kind == StateKind::kMax) {
    ARROW_ASSIGN_OR_RAISE(const int64_t row,
                          FindExtreme(partials.column(place), spec.kind == StateKind::kMax, context));
    const bool place_of = subject.function == ReduceFunction::kArgMin || subject.function == ReduceFunction::kArgMax;
    return OneRow(partials.column(place_of ? place + 1 : place), row, context);
  }
  const bool truth = spec.kind == StateKind::kTruth;
  if (truth && !options.skip_missing && subject.count.values < subject.count.rows &&
      subject.function == ReduceFunction::kAny) {
    return arrow::MakeArrayFromScalar(arrow::BooleanScalar(true), 1, context.pool);
  }
  ARROW_ASSIGN_OR_RAISE(const auto scalar, FinishState(spec, *partials.column(place), subject, options.ddof));
  return arrow::MakeArrayFromScalar(*scalar, 1, context.pool);
}

}  // namespace

arrow::Result<ReduceFunction> ParseReduceFunction(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<ReduceFunction>(i);
  }
  return arrow::Status::Invalid("reduce: unknown function '", name, "'");
}

std::string_view ReduceFunctionName(ReduceFunction function) { return kNames[static_cast<size_t>(function)]; }

arrow::Result<std::shared_ptr<arrow::Schema>> ReduceSchema(const arrow::Schema& input, const ReduceOptions& options) {
  arrow::FieldVector fields;
  for (const Reduction& reduction : options.reductions) {
    const std::string_view name = ReduceFunctionName(reduction.function);
    if (reduction.column < 0 || reduction.column >= input.num_fields()) {
      return arrow::Status::Invalid(name, ": column ", reduction.column, " is out of range; the table has ",
                                    input.num_fields(), " columns");
    }
    const auto& field = *input.field(reduction.column);
    auto type = ResultType(reduction.function, field.type());
    if (type == nullptr) {
      return arrow::Status::TypeError(name, ": column '", field.name(), "' of type ", field.type()->ToString(),
                                      " has no ", name);
    }
    fields.push_back(arrow::field(std::to_string(fields.size()), std::move(type)));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::Table>> Reduce(const std::shared_ptr<arrow::Table>& table,
                                                    const ReduceOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto partial, ReducePartial(table, options, 0, context));
  return ReduceFinal(partial, *table->schema(), options, context);
}

arrow::Result<std::shared_ptr<arrow::Table>> ReducePartial(const std::shared_ptr<arrow::Table>& table,
                                                           const ReduceOptions& options, int64_t first_row,
                                                           const Context& context) {
  ARROW_RETURN_NOT_OK(ReduceSchema(*table->schema(), options).status());
  TraceSpan span(context.tracer, "reduce");
  span.AddRows(table->num_rows());
  const Plan plan = MakePlan(*table->schema(), options);
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const ReduceSpec& spec : plan.states) {
    ARROW_ASSIGN_OR_RAISE(const auto arrays, FoldState(spec, table->column(spec.column), first_row, context));
    for (const ArrayPtr& array : arrays) {
      fields.push_back(arrow::field(std::to_string(fields.size()), array->type()));
      columns.push_back(array);
    }
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), columns, 1);
}

arrow::Result<std::shared_ptr<arrow::Table>> ReduceFinal(const std::shared_ptr<arrow::Table>& partials,
                                                         const arrow::Schema& input, const ReduceOptions& options,
                                                         const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, ReduceSchema(input, options));
  const Plan plan = MakePlan(input, options);
  arrow::ArrayVector results;
  for (size_t r = 0; r < options.reductions.size(); ++r) {
    ARROW_ASSIGN_OR_RAISE(
        auto result, Finish(plan, r, *partials, input, options, schema->field(static_cast<int>(r))->type(), context));
    results.push_back(std::move(result));
  }
  return arrow::Table::Make(schema, results, 1);
}

}  // namespace weft::kernels
