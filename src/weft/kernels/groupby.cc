#include "weft/kernels/groupby.h"

#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/util/decimal.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "weft/kernels/aggregate.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/sort.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using arrow::Type;

struct FunctionName {
  AggregateFunction function;
  std::string_view name;
};
constexpr std::array<FunctionName, 6> kFunctions{{{AggregateFunction::kSum, "sum"},
                                                  {AggregateFunction::kCount, "count"},
                                                  {AggregateFunction::kSize, "size"},
                                                  {AggregateFunction::kMean, "mean"},
                                                  {AggregateFunction::kMin, "min"},
                                                  {AggregateFunction::kMax, "max"}}};

/// The type whose values a column holds.
const std::shared_ptr<arrow::DataType>& ValueType(const std::shared_ptr<arrow::DataType>& type) {
  if (type->id() != Type::DICTIONARY) return type;
  return static_cast<const arrow::DictionaryType&>(*type).value_type();
}

/// nullptr where the function does not take the type.
arrow::Result<std::shared_ptr<arrow::DataType>> ResultType(AggregateFunction function,
                                                           const std::shared_ptr<arrow::DataType>& input) {
  const auto& type = ValueType(input);
  const Type::type id = type->id();
  switch (function) {
    case AggregateFunction::kCount:
    case AggregateFunction::kSize:
      return arrow::int64();
    case AggregateFunction::kMin:
    case AggregateFunction::kMax:
      return table::CanBeKey(*input) ? input : nullptr;
    case AggregateFunction::kSum:
      if (id == Type::BOOL || arrow::is_signed_integer(id)) return arrow::int64();
      if (arrow::is_unsigned_integer(id)) return arrow::uint64();
      if (arrow::is_floating(id) || id == Type::NA) return arrow::float64();
      if (arrow::is_decimal(id)) {
        const int32_t scale = static_cast<const arrow::DecimalType&>(*type).scale();
        return id == Type::DECIMAL256 ? arrow::decimal256(76, scale) : arrow::decimal128(38, scale);
      }
      return id == Type::DURATION ? type : nullptr;
    case AggregateFunction::kMean:
      if (id == Type::BOOL || arrow::is_integer(id) || arrow::is_floating(id) || id == Type::NA) {
        return arrow::float64();
      }
      if (arrow::is_decimal(id) || id == Type::DURATION || id == Type::TIMESTAMP || id == Type::DATE32 ||
          id == Type::DATE64) {
        return type;
      }
      return nullptr;
  }
  return arrow::Status::Invalid("groupby: unknown aggregate function");
}

/// A state that the aggregations need; several of them may share one.
struct StateSpec {
  StateKind kind;
  int column;
};

struct Plan {
  std::vector<StateSpec> states;
  /// By aggregation: the state it is made from, and the count that a mean divides by (-1 for the rest).
  std::vector<int> state;
  std::vector<int> divisor;
};

int AddState(Plan* plan, StateKind kind, int column) {
  for (size_t s = 0; s < plan->states.size(); ++s) {
    if (plan->states[s].kind == kind && plan->states[s].column == column) return static_cast<int>(s);
  }
  plan->states.push_back({kind, column});
  return static_cast<int>(plan->states.size()) - 1;
}

Plan MakePlan(const GroupByOptions& options) {
  Plan plan;
  for (const Aggregation& aggregation : options.aggregations) {
    int divisor = -1;
    switch (aggregation.function) {
      case AggregateFunction::kSize:
        plan.state.push_back(AddState(&plan, StateKind::kSize, -1));
        break;
      case AggregateFunction::kCount:
        plan.state.push_back(AddState(&plan, StateKind::kCount, aggregation.column));
        break;
      case AggregateFunction::kMin:
        plan.state.push_back(AddState(&plan, StateKind::kMin, aggregation.column));
        break;
      case AggregateFunction::kMax:
        plan.state.push_back(AddState(&plan, StateKind::kMax, aggregation.column));
        break;
      case AggregateFunction::kMean:
        divisor = AddState(&plan, StateKind::kCount, aggregation.column);
        [[fallthrough]];
      case AggregateFunction::kSum:
        plan.state.push_back(AddState(&plan, StateKind::kSum, aggregation.column));
        break;
    }
    plan.divisor.push_back(divisor);
  }
  return plan;
}

/// The groups of one table and all states of the plan.
struct Aggregated {
  Grouping grouping;
  std::vector<std::unique_ptr<GroupStates>> states;
  /// Groups in the order of the result, and their key columns in that order.
  PoolArray<int64_t> order;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> keys;
};

/// The key columns of the groups, by group.
arrow::Result<std::shared_ptr<arrow::Table>> GroupKeys(const arrow::Table& table, std::span<const int> keys,
                                                       std::span<const int64_t> rows, const Context& context) {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  arrow::FieldVector fields;
  for (const int key : keys) {
    ARROW_ASSIGN_OR_RAISE(auto column, GatherColumn(table.column(key), rows, context));
    columns.push_back(std::move(column));
    fields.push_back(table.schema()->field(key));
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), static_cast<int64_t>(rows.size()));
}

arrow::Status OrderGroups(const arrow::Table& table, std::span<const int> keys, const GroupByOptions& options,
                          bool sort, Aggregated* result, const Context& context) {
  const Grouping& grouping = result->grouping;
  if (sort) {
    ARROW_ASSIGN_OR_RAISE(const auto key_table, GroupKeys(table, keys, grouping.first_rows.span(), context));
    SortOptions by_keys;
    for (int k = 0; k < key_table->num_columns(); ++k) by_keys.keys.push_back({k, true});
    by_keys.nan_is_null = options.nan_is_null;
    ARROW_ASSIGN_OR_RAISE(const auto order, SortIndices(*key_table, by_keys, context));
    ARROW_ASSIGN_OR_RAISE(result->order, PoolArray<int64_t>::Make(grouping.groups, context.pool));
    std::copy(order.begin(), order.end(), result->order.data());
    ARROW_ASSIGN_OR_RAISE(const auto sorted, GatherRows(key_table, result->order.span(), context));
    result->keys = sorted->columns();
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(result->order, GroupsByFirstRow(grouping, table.num_rows(), context));
  ARROW_ASSIGN_OR_RAISE(auto rows, PoolArray<int64_t>::Make(grouping.groups, context.pool));
  for (int64_t i = 0; i < rows.size(); ++i) rows[i] = grouping.first_rows[result->order[i]];
  ARROW_ASSIGN_OR_RAISE(const auto key_table, GroupKeys(table, keys, rows.span(), context));
  result->keys = key_table->columns();
  return arrow::Status::OK();
}

/// Groups `table` by `keys` and folds state s from column columns[s], made from values of type types[s].
arrow::Result<Aggregated> Aggregate(const arrow::Table& table, std::span<const int> keys,
                                    std::span<const StateKind> kinds,
                                    const std::vector<std::shared_ptr<arrow::DataType>>& types,
                                    const std::vector<std::shared_ptr<arrow::ChunkedArray>>& columns,
                                    const GroupByOptions& options, bool first_round, bool sort,
                                    const Context& context) {
  Aggregated result;
  {
    TraceSpan span(context.tracer, "groupby.group");
    span.AddRows(table.num_rows());
    const GroupingOptions grouping{options.nan_is_null, options.drop_null_keys};
    ARROW_ASSIGN_OR_RAISE(result.grouping, GroupRows(table, keys, grouping, context));
  }
  TraceSpan span(context.tracer, "groupby.aggregate");
  span.AddRows(table.num_rows());
  for (size_t s = 0; s < kinds.size(); ++s) {
    // A sum of an earlier round may be NaN in its own right.
    const bool nan_is_null = options.nan_is_null && (first_round || kinds[s] != StateKind::kSum);
    ARROW_ASSIGN_OR_RAISE(auto states, MakeGroupStates(kinds[s], types[s], columns[s], nan_is_null, context));
    ARROW_RETURN_NOT_OK(states->Aggregate(result.grouping, context));
    result.states.push_back(std::move(states));
  }
  result.grouping.ids.Free();
  result.grouping.rows.Free();
  ARROW_RETURN_NOT_OK(OrderGroups(table, keys, options, sort, &result, context));
  return result;
}

/// The first round: from the input's own rows.
arrow::Result<Aggregated> AggregateInput(const arrow::Table& table, const GroupByOptions& options, const Plan& plan,
                                         bool sort, const Context& context) {
  std::vector<StateKind> kinds;
  std::vector<std::shared_ptr<arrow::DataType>> types;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (const StateSpec& state : plan.states) {
    kinds.push_back(state.kind);
    columns.push_back(state.column < 0 ? nullptr : table.column(state.column));
    types.push_back(state.column < 0 ? arrow::null() : table.column(state.column)->type());
  }
  return Aggregate(table, options.keys, kinds, types, columns, options, true, sort, context);
}

arrow::Status Overflow(const std::string& column, const arrow::DataType& type) {
  return arrow::Status::Invalid("groupby: the sum of column '", column, "' does not fit its result type ",
                                type.ToString(), "; cast the column to a decimal or to double first");
}

/// A sum as a 64-bit integer; false where it does not fit.
template <typename T>
bool Narrow(const arrow::Decimal256& sum, T* out) {
  const auto& words = sum.little_endian_array();
  *out = static_cast<T>(words[0]);
  const uint64_t above = std::is_signed_v<T> && static_cast<int64_t>(words[0]) < 0 ? ~uint64_t{0} : 0;
  return words[1] == above && words[2] == above && words[3] == above;
}

template <typename T>
arrow::Result<std::shared_ptr<arrow::Array>> IntegerSums(const GroupStates& sums, std::span<const int64_t> order,
                                                         const std::shared_ptr<arrow::DataType>& type,
                                                         const std::string& column, const Context& context) {
  const auto count = static_cast<int64_t>(order.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(T)), context.pool));
  auto* out = reinterpret_cast<T*>(buffer->mutable_data());
  for (int64_t i = 0; i < count; ++i) {
    if (!Narrow(sums.Integer(order[static_cast<size_t>(i)]), &out[i])) return Overflow(column, *type);
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, count, {nullptr, std::move(buffer)}, 0));
}

/// Half away from zero, as Arrow's own mean of decimals has it.
arrow::Result<arrow::Decimal256> RoundedQuotient(const arrow::Decimal256& sum, int64_t count) {
  const arrow::Decimal256 divisor(count);
  ARROW_ASSIGN_OR_RAISE(const auto parts, sum.Divide(divisor));
  auto quotient = parts.first;
  const arrow::Decimal256 rest(arrow::Decimal256::Abs(parts.second));
  if (rest + rest >= divisor) quotient += arrow::Decimal256(sum.IsNegative() ? -1 : 1);
  return quotient;
}

template <typename Builder, typename Value>
arrow::Result<std::shared_ptr<arrow::Array>> BuildDecimals(Builder builder, std::span<const int64_t> order,
                                                           const Value& append) {
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(order.size())));
  for (const int64_t group : order) ARROW_RETURN_NOT_OK(append(&builder, group));
  return builder.Finish();
}

/// Sums or, with `counts`, means of decimals.
arrow::Result<std::shared_ptr<arrow::Array>> DecimalResults(const GroupStates& sums, const GroupStates* counts,
                                                            std::span<const int64_t> order,
                                                            const std::shared_ptr<arrow::DataType>& type,
                                                            const std::string& column, const Context& context) {
  const int32_t precision = static_cast<const arrow::DecimalType&>(*type).precision();
  const auto append = [&](auto* builder, int64_t group) -> arrow::Status {
    arrow::Decimal256 value = sums.Integer(group);
    if (counts != nullptr) {
      if (counts->Count(group) == 0) return builder->AppendNull();
      ARROW_ASSIGN_OR_RAISE(value, RoundedQuotient(value, counts->Count(group)));
    }
    if (!value.FitsInPrecision(precision)) return Overflow(column, *type);
    const uint64_t low = value.little_endian_array()[0];
    using Builder = std::remove_pointer_t<decltype(builder)>;
    if constexpr (std::is_same_v<Builder, arrow::Decimal256Builder>) {
      return builder->Append(value);
    } else if constexpr (std::is_same_v<Builder, arrow::Decimal128Builder>) {
      return builder->Append(arrow::Decimal128(static_cast<int64_t>(value.little_endian_array()[1]), low));
    } else if constexpr (std::is_same_v<Builder, arrow::Decimal64Builder>) {
      return builder->Append(arrow::Decimal64(static_cast<int64_t>(low)));
    } else {
      return builder->Append(arrow::Decimal32(static_cast<int32_t>(low)));
    }
  };
  switch (type->id()) {
    case Type::DECIMAL32:
      return BuildDecimals(arrow::Decimal32Builder(type, context.pool), order, append);
    case Type::DECIMAL64:
      return BuildDecimals(arrow::Decimal64Builder(type, context.pool), order, append);
    case Type::DECIMAL128:
      return BuildDecimals(arrow::Decimal128Builder(type, context.pool), order, append);
    default:
      return BuildDecimals(arrow::Decimal256Builder(type, context.pool), order, append);
  }
}

double MeanOf(const GroupStates& sums, bool real, int64_t group, int64_t count) {
  if (real) return sums.Real(group) / static_cast<double>(count);
  const arrow::Decimal256 sum = sums.Integer(group);
  int64_t small = 0;
  constexpr int64_t kExact = int64_t{1} << 53;
  // Both are exact as doubles, so that their quotient is rounded once.
  if (Narrow(sum, &small) && small <= kExact && small >= -kExact && count <= kExact) {
    return static_cast<double>(small) / static_cast<double>(count);
  }
  return ExactQuotient(sum, count);
}

arrow::Result<std::shared_ptr<arrow::Array>> Means(const GroupStates& sums, const GroupStates& counts,
                                                   const std::shared_ptr<arrow::DataType>& input,
                                                   std::span<const int64_t> order, const Context& context) {
  const bool real = arrow::is_floating(input->id()) || input->id() == Type::NA;
  arrow::DoubleBuilder builder(context.pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(order.size())));
  for (const int64_t group : order) {
    const int64_t count = counts.Count(group);
    if (count == 0) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(MeanOf(sums, real, group, count));
    }
  }
  return builder.Finish();
}

/// Means of durations and points in time: cut to whole units (whole days for dates) towards zero, as pandas does.
arrow::Result<std::shared_ptr<arrow::Array>> TimeMeans(const GroupStates& sums, const GroupStates& counts,
                                                       const std::shared_ptr<arrow::DataType>& type,
                                                       std::span<const int64_t> order, const Context& context) {
  constexpr int64_t kDay = int64_t{24} * 3600 * 1000;
  arrow::Int64Builder builder(context.pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(order.size())));
  for (const int64_t group : order) {
    const int64_t count = counts.Count(group);
    if (count == 0) {
      builder.UnsafeAppendNull();
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const auto parts, sums.Integer(group).Divide(arrow::Decimal256(count)));
    int64_t mean = 0;
    Narrow(parts.first, &mean);
    if (type->id() == Type::DATE64) mean -= mean % kDay;
    builder.UnsafeAppend(mean);
  }
  ARROW_ASSIGN_OR_RAISE(const auto means, builder.Finish());
  if (type->id() != Type::DATE32) return means->View(type);
  arrow::Date32Builder dates(context.pool);
  ARROW_RETURN_NOT_OK(dates.Reserve(means->length()));
  const auto& values = static_cast<const arrow::Int64Array&>(*means);
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsNull(i)) {
      dates.UnsafeAppendNull();
    } else {
      dates.UnsafeAppend(static_cast<int32_t>(values.Value(i)));
    }
  }
  return dates.Finish();
}

/// One aggregation's column of the result.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> ResultColumn(const Aggregated& aggregated,
                                                                 const Aggregation& aggregation, int state, int divisor,
                                                                 const arrow::Schema& input,
                                                                 const std::shared_ptr<arrow::DataType>& type,
                                                                 const Context& context) {
  const GroupStates& states = *aggregated.states[static_cast<size_t>(state)];
  const auto order = aggregated.order.span();
  if (aggregation.function != AggregateFunction::kSum && aggregation.function != AggregateFunction::kMean) {
    return states.Column(order, context);
  }
  const std::string& column = input.field(aggregation.column)->name();
  const auto& of = ValueType(input.field(aggregation.column)->type());
  const GroupStates* counts = divisor < 0 ? nullptr : aggregated.states[static_cast<size_t>(divisor)].get();
  std::shared_ptr<arrow::Array> array;
  if (arrow::is_decimal(type->id())) {
    ARROW_ASSIGN_OR_RAISE(array, DecimalResults(states, counts, order, type, column, context));
  } else if (counts != nullptr && type->id() == Type::DOUBLE) {
    ARROW_ASSIGN_OR_RAISE(array, Means(states, *counts, of, order, context));
  } else if (counts != nullptr) {
    ARROW_ASSIGN_OR_RAISE(array, TimeMeans(states, *counts, type, order, context));
  } else if (type->id() == Type::DOUBLE) {
    return states.Column(order, context);
  } else if (type->id() == Type::UINT64) {
    ARROW_ASSIGN_OR_RAISE(array, IntegerSums<uint64_t>(states, order, type, column, context));
  } else {
    ARROW_ASSIGN_OR_RAISE(array, IntegerSums<int64_t>(states, order, type, column, context));
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(array));
}

arrow::Result<std::shared_ptr<arrow::Table>> ResultTable(const Aggregated& aggregated, const Plan& plan,
                                                         const arrow::Schema& input, const GroupByOptions& options,
                                                         const std::shared_ptr<arrow::Schema>& schema,
                                                         const Context& context) {
  TraceSpan span(context.tracer, "groupby.result");
  span.AddRows(aggregated.grouping.groups);
  auto columns = aggregated.keys;
  for (size_t a = 0; a < options.aggregations.size(); ++a) {
    ARROW_ASSIGN_OR_RAISE(auto column,
                          ResultColumn(aggregated, options.aggregations[a], plan.state[a], plan.divisor[a], input,
                                       schema->field(static_cast<int>(options.keys.size() + a))->type(), context));
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(schema, std::move(columns), aggregated.grouping.groups);
}

arrow::FieldVector KeyFields(const arrow::Schema& input, const GroupByOptions& options) {
  arrow::FieldVector fields;
  for (const int key : options.keys) fields.push_back(input.field(key));
  return fields;
}

}  // namespace

arrow::Result<AggregateFunction> ParseAggregateFunction(std::string_view name) {
  std::string known;
  for (const FunctionName& function : kFunctions) {
    if (function.name == name) return function.function;
    known += (known.empty() ? "" : ", ") + std::string(function.name);
  }
  return arrow::Status::Invalid("groupby: unknown aggregate function '", name, "'; there are ", known);
}

std::string_view AggregateFunctionName(AggregateFunction function) {
  for (const FunctionName& known : kFunctions) {
    if (known.function == function) return known.name;
  }
  return "unknown";
}

arrow::Result<std::shared_ptr<arrow::Schema>> GroupBySchema(const arrow::Schema& input, const GroupByOptions& options) {
  if (options.keys.empty()) return arrow::Status::Invalid("groupby: no key is given; name at least one column");
  for (const int key : options.keys) {
    if (key < 0 || key >= input.num_fields()) {
      return arrow::Status::Invalid("groupby: key column ", key, " is out of range; the table has ", input.num_fields(),
                                    " columns");
    }
  }
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(input, options.keys, "groupby"));
  auto fields = KeyFields(input, options);
  for (const Aggregation& aggregation : options.aggregations) {
    const bool size = aggregation.function == AggregateFunction::kSize;
    if (!size && (aggregation.column < 0 || aggregation.column >= input.num_fields())) {
      return arrow::Status::Invalid("groupby: ", AggregateFunctionName(aggregation.function), " of column ",
                                    aggregation.column, ", which is out of range; the table has ", input.num_fields(),
                                    " columns");
    }
    const auto column_type = size ? arrow::null() : input.field(aggregation.column)->type();
    ARROW_ASSIGN_OR_RAISE(auto type, ResultType(aggregation.function, column_type));
    if (type == nullptr) {
      return arrow::Status::TypeError("groupby: column '", input.field(aggregation.column)->name(), "' of type ",
                                      column_type->ToString(), " has no ", AggregateFunctionName(aggregation.function));
    }
    fields.push_back(arrow::field(aggregation.name, std::move(type)));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupBy(const std::shared_ptr<arrow::Table>& table,
                                                     const GroupByOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, GroupBySchema(*table->schema(), options));
  const Plan plan = MakePlan(options);
  ARROW_ASSIGN_OR_RAISE(const auto aggregated, AggregateInput(*table, options, plan, options.sort, context));
  return ResultTable(aggregated, plan, *table->schema(), options, schema, context);
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupByPartial(const std::shared_ptr<arrow::Table>& table,
                                                            const GroupByOptions& options, const Context& context) {
  ARROW_RETURN_NOT_OK(GroupBySchema(*table->schema(), options).status());
  const Plan plan = MakePlan(options);
  ARROW_ASSIGN_OR_RAISE(auto aggregated, AggregateInput(*table, options, plan, false, context));
  auto fields = KeyFields(*table->schema(), options);
  auto columns = std::move(aggregated.keys);
  for (size_t s = 0; s < plan.states.size(); ++s) {
    ARROW_ASSIGN_OR_RAISE(auto column, aggregated.states[s]->Column(aggregated.order.span(), context));
    fields.push_back(arrow::field("state" + std::to_string(s), column->type()));
    columns.push_back(std::move(column));
    aggregated.states[s].reset();
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), aggregated.grouping.groups);
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupByFinal(const std::shared_ptr<arrow::Table>& partials,
                                                          const arrow::Schema& input, const GroupByOptions& options,
                                                          const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, GroupBySchema(input, options));
  const Plan plan = MakePlan(options);
  const size_t key_count = options.keys.size();
  if (partials->num_columns() != static_cast<int>(key_count + plan.states.size())) {
    return arrow::Status::Invalid("groupby: a partial table has ", partials->num_columns(), " columns where ",
                                  key_count + plan.states.size(), " are needed");
  }
  std::vector<int> keys(key_count);
  std::iota(keys.begin(), keys.end(), 0);
  std::vector<StateKind> kinds;
  std::vector<std::shared_ptr<arrow::DataType>> types;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (size_t s = 0; s < plan.states.size(); ++s) {
    const StateSpec& state = plan.states[s];
    const bool counts = state.kind == StateKind::kCount || state.kind == StateKind::kSize;
    kinds.push_back(counts ? StateKind::kAddCounts : state.kind);
    types.push_back(state.column < 0 ? arrow::null() : input.field(state.column)->type());
    columns.push_back(partials->column(static_cast<int>(key_count + s)));
    const auto expected = StateType(state.kind, types.back());
    if (!table::SameKeyType(*columns.back()->type(), *expected)) {
      return arrow::Status::Invalid("groupby: column ", key_count + s, " of a partial table has type ",
                                    columns.back()->type()->ToString(), " where ", expected->ToString(), " is needed");
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto aggregated,
                        Aggregate(*partials, keys, kinds, types, columns, options, false, options.sort, context));
  return ResultTable(aggregated, plan, input, options, schema, context);
}

}  // namespace weft::kernels
