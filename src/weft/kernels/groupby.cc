#include "weft/kernels/groupby.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "weft/base/capped_pool.h"
#include "weft/kernels/aggregate.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/group_results.h"
#include "weft/kernels/group_runs.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/sort.h"
#include "weft/kernels/spilled_groupby.h"
#include "weft/kernels/spilling.h"
#include "weft/table/columns.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

using arrow::Type;

struct FunctionName {
  AggregateFunction function;
  std::string_view name;
};
constexpr std::array<FunctionName, 21> kFunctions{
    {{AggregateFunction::kSum, "sum"},        {AggregateFunction::kProd, "prod"},
     {AggregateFunction::kCount, "count"},    {AggregateFunction::kSize, "size"},
     {AggregateFunction::kMean, "mean"},      {AggregateFunction::kMin, "min"},
     {AggregateFunction::kMax, "max"},        {AggregateFunction::kVar, "var"},
     {AggregateFunction::kStd, "std"},        {AggregateFunction::kSem, "sem"},
     {AggregateFunction::kSkew, "skew"},      {AggregateFunction::kKurt, "kurt"},
     {AggregateFunction::kAny, "any"},        {AggregateFunction::kAll, "all"},
     {AggregateFunction::kFirst, "first"},    {AggregateFunction::kLast, "last"},
     {AggregateFunction::kIdxMin, "idxmin"},  {AggregateFunction::kIdxMax, "idxmax"},
     {AggregateFunction::kMedian, "median"},  {AggregateFunction::kQuantile, "quantile"},
     {AggregateFunction::kNunique, "nunique"}}};

/// The type whose values a column holds.
const std::shared_ptr<arrow::DataType>& ValueType(const std::shared_ptr<arrow::DataType>& type) {
  if (type->id() != Type::DICTIONARY) return type;
  return static_cast<const arrow::DictionaryType&>(*type).value_type();
}

bool IsNumber(Type::type id) {
  return id == Type::BOOL || arrow::is_integer(id) || arrow::is_floating(id) || arrow::is_decimal(id) || id == Type::NA;
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
    case AggregateFunction::kFirst:
    case AggregateFunction::kLast:
      return input;
    case AggregateFunction::kMin:
    case AggregateFunction::kMax:
      return table::CanBeKey(*input) ? input : nullptr;
    case AggregateFunction::kIdxMin:
    case AggregateFunction::kIdxMax:
    case AggregateFunction::kNunique:
      return table::CanBeKey(*input) ? arrow::int64() : nullptr;
    case AggregateFunction::kAny:
    case AggregateFunction::kAll:
      return table::CanBeKey(*input) ? arrow::boolean() : nullptr;
    case AggregateFunction::kSum:
    case AggregateFunction::kProd:
      if (id == Type::BOOL || arrow::is_signed_integer(id)) return arrow::int64();
      if (arrow::is_unsigned_integer(id)) return arrow::uint64();
      if (arrow::is_floating(id) || id == Type::NA) return arrow::float64();
      if (function == AggregateFunction::kProd) return nullptr;
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
    case AggregateFunction::kMedian:
    case AggregateFunction::kQuantile:
      if (id == Type::DURATION || id == Type::TIMESTAMP) return type;
      [[fallthrough]];
    case AggregateFunction::kVar:
    case AggregateFunction::kStd:
    case AggregateFunction::kSem:
    case AggregateFunction::kSkew:
    case AggregateFunction::kKurt:
      return IsNumber(id) ? arrow::float64() : nullptr;
  }
  return arrow::Status::Invalid("groupby: unknown aggregate function");
}

/// A state that the aggregations need; several of them may share one.
struct PlannedState {
  StateSpec spec;
  int column = -1;
  int label = -1;
  friend bool operator==(const PlannedState&, const PlannedState&) = default;
};

struct Plan {
  std::vector<PlannedState> states;
  /// By aggregation: the state it is made from, and the counts of values and of rows that it needs besides (-1: none).
  struct Parts {
    int state = -1;
    int count = -1;
    int size = -1;
  };
  std::vector<Parts> parts;
};

int AddState(Plan* plan, const PlannedState& wanted) {
  const auto found = std::find(plan->states.begin(), plan->states.end(), wanted);
  if (found != plan->states.end()) return static_cast<int>(found - plan->states.begin());
  plan->states.push_back(wanted);
  return static_cast<int>(plan->states.size()) - 1;
}

StateKind KindOf(AggregateFunction function) {
  switch (function) {
    case AggregateFunction::kSum:
    case AggregateFunction::kMean:
      return StateKind::kSum;
    case AggregateFunction::kProd:
      return StateKind::kProduct;
    case AggregateFunction::kCount:
      return StateKind::kCount;
    case AggregateFunction::kSize:
      return StateKind::kSize;
    case AggregateFunction::kMin:
      return StateKind::kMin;
    case AggregateFunction::kMax:
      return StateKind::kMax;
    case AggregateFunction::kAny:
    case AggregateFunction::kAll:
      return StateKind::kTrue;
    case AggregateFunction::kFirst:
      return StateKind::kFirst;
    case AggregateFunction::kLast:
      return StateKind::kLast;
    case AggregateFunction::kIdxMin:
      return StateKind::kIndexOfMin;
    case AggregateFunction::kIdxMax:
      return StateKind::kIndexOfMax;
    case AggregateFunction::kMedian:
    case AggregateFunction::kQuantile:
      return StateKind::kQuantile;
    case AggregateFunction::kNunique:
      return StateKind::kDistinct;
    default:
      return StateKind::kMoments;
  }
}

PlannedState StateOf(const Aggregation& aggregation) {
  PlannedState planned{{KindOf(aggregation.function)}, aggregation.column, -1};
  StateSpec& spec = planned.spec;
  switch (spec.kind) {
    case StateKind::kSize:
      planned.column = -1;
      break;
    case StateKind::kFirst:
    case StateKind::kLast:
    case StateKind::kDistinct:
      spec.skip_nulls = aggregation.skip_nulls;
      break;
    case StateKind::kIndexOfMin:
    case StateKind::kIndexOfMax:
      planned.label = aggregation.label;
      break;
    case StateKind::kMoments:
      spec.powers =
          aggregation.function == AggregateFunction::kSkew || aggregation.function == AggregateFunction::kKurt ? 4 : 2;
      break;
    case StateKind::kQuantile:
      if (aggregation.function == AggregateFunction::kMedian) {
        spec.interpolation = Interpolation::kMidpoint;
      } else {
        spec.quantile = aggregation.quantile;
        spec.interpolation = aggregation.interpolation;
      }
      break;
    default:
      break;
  }
  return planned;
}

Plan MakePlan(const GroupByOptions& options) {
  Plan plan;
  for (const Aggregation& aggregation : options.aggregations) {
    Plan::Parts parts;
    const PlannedState state = StateOf(aggregation);
    const NeededCounts needed = CountsNeededBy(aggregation);
    if (needed.values) parts.count = AddState(&plan, {{StateKind::kCount}, aggregation.column, -1});
    if (needed.rows) parts.size = AddState(&plan, {{StateKind::kSize}, -1, -1});
    parts.state = AddState(&plan, state);
    plan.parts.push_back(parts);
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
  if (sort && !grouping.by_key) {
    ARROW_ASSIGN_OR_RAISE(const auto key_table, GroupKeys(table, keys, grouping.first_rows.span(), context));
    SortOptions by_keys;
    for (int k = 0; k < key_table->num_columns(); ++k) by_keys.keys.push_back({k, true});
    by_keys.nan_is_null = options.nan_is_null;
    ARROW_ASSIGN_OR_RAISE(result->order, SortIndices(*key_table, by_keys, context));
    ARROW_ASSIGN_OR_RAISE(const auto sorted, GatherRows(key_table, result->order.span(), context));
    result->keys = sorted->columns();
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(auto by_row, OrderByFirstRow(&result->grouping, context));
  result->order = std::move(by_row.groups);
  ARROW_ASSIGN_OR_RAISE(const auto key_table, GroupKeys(table, keys, by_row.first_rows.span(), context));
  result->keys = key_table->columns();
  return arrow::Status::OK();
}

/// Groups `table` by `keys` and folds the states' inputs in.
arrow::Result<Aggregated> Aggregate(const arrow::Table& table, std::span<const int> keys,
                                    std::span<const StateSpec> specs, std::vector<StateInput> inputs,
                                    const GroupByOptions& options, bool sort, PoolArray<int64_t>* places,
                                    const Context& context) {
  Aggregated result;
  {
    TraceSpan span(context.tracer, "groupby.group");
    span.AddRows(table.num_rows());
    const GroupingOptions grouping{options.nan_is_null, options.drop_null_keys, sort};
    ARROW_ASSIGN_OR_RAISE(result.grouping, GroupRows(table, keys, grouping, context));
  }
  TraceSpan span(context.tracer, "groupby.aggregate");
  span.AddRows(table.num_rows());
  for (size_t s = 0; s < specs.size(); ++s) {
    ARROW_ASSIGN_OR_RAISE(auto states, MakeGroupStates(specs[s], inputs[s], context));
    inputs[s] = {};
    ARROW_RETURN_NOT_OK(states->Aggregate(result.grouping, context));
    result.states.push_back(std::move(states));
  }
  if (places != nullptr) {
    ARROW_ASSIGN_OR_RAISE(*places, GroupOfRows(result.grouping, table.num_rows(), context));
  }
  result.grouping.ids.Free();
  result.grouping.rows.Free();
  ARROW_RETURN_NOT_OK(OrderGroups(table, keys, options, sort, &result, context));
  result.grouping.partitions.reset();
  if (places != nullptr) {
    ARROW_ASSIGN_OR_RAISE(auto place, PoolArray<int64_t>::Make(result.order.size(), context.pool));
    for (int64_t i = 0; i < place.size(); ++i) place[result.order[i]] = i;
    for (int64_t& row : *places) row = row < 0 ? -1 : place[row];
  }
  return result;
}

/// The first round: from the input's own rows.
arrow::Result<Aggregated> AggregateInput(const arrow::Table& table, const GroupByOptions& options, const Plan& plan,
                                         bool sort, PoolArray<int64_t>* places, const Context& context) {
  std::vector<StateSpec> specs;
  std::vector<StateInput> inputs;
  for (const PlannedState& state : plan.states) {
    specs.push_back(state.spec);
    StateInput input;
    input.of = state.column < 0 ? arrow::null() : table.column(state.column)->type();
    input.column = state.column < 0 ? nullptr : table.column(state.column);
    input.labels = state.label < 0 ? nullptr : table.column(state.label);
    input.first_row = options.first_row;
    input.nan_is_null = options.nan_is_null;
    inputs.push_back(std::move(input));
  }
  return Aggregate(table, options.keys, specs, std::move(inputs), options, sort, places, context);
}

arrow::Result<std::shared_ptr<arrow::Table>> ResultTable(const Aggregated& aggregated, const Plan& plan,
                                                         const arrow::Schema& input, const GroupByOptions& options,
                                                         const std::shared_ptr<arrow::Schema>& schema,
                                                         const Context& context) {
  TraceSpan span(context.tracer, "groupby.result");
  span.AddRows(aggregated.grouping.groups);
  auto columns = aggregated.keys;
  for (size_t a = 0; a < options.aggregations.size(); ++a) {
    const auto state = [&](int number) {
      return number < 0 ? nullptr : aggregated.states[static_cast<size_t>(number)].get();
    };
    const Plan::Parts& parts = plan.parts[a];
    ARROW_ASSIGN_OR_RAISE(
        auto column, ResultColumn(options.aggregations[a], {state(parts.state), state(parts.count), state(parts.size)},
                                  aggregated.order.span(), input,
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

bool IsMergeable(AggregateFunction function) {
  return function != AggregateFunction::kMedian && function != AggregateFunction::kQuantile &&
         function != AggregateFunction::kNunique;
}

bool AllMergeable(const GroupByOptions& options) {
  return std::all_of(options.aggregations.begin(), options.aggregations.end(),
                     [](const auto& aggregation) { return IsMergeable(aggregation.function); });
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
    const bool labels =
        aggregation.function == AggregateFunction::kIdxMin || aggregation.function == AggregateFunction::kIdxMax;
    if (labels && aggregation.label >= input.num_fields()) {
      return arrow::Status::Invalid("groupby: label column ", aggregation.label, " is out of range; the table has ",
                                    input.num_fields(), " columns");
    }
    if (labels && type != nullptr && aggregation.label >= 0) type = input.field(aggregation.label)->type();
    if (aggregation.function == AggregateFunction::kQuantile &&
        !(aggregation.quantile >= 0 && aggregation.quantile <= 1)) {
      return arrow::Status::Invalid("groupby: a quantile is between 0 and 1, not ", aggregation.quantile);
    }
    if (type == nullptr) {
      return arrow::Status::TypeError("groupby: column '", input.field(aggregation.column)->name(), "' of type ",
                                      column_type->ToString(), " has no ", AggregateFunctionName(aggregation.function));
    }
    fields.push_back(arrow::field(aggregation.name, std::move(type)));
  }
  return arrow::schema(std::move(fields));
}

namespace {

arrow::Result<std::shared_ptr<arrow::Table>> GroupWhole(const std::shared_ptr<arrow::Table>& table,
                                                        const GroupByOptions& options, const Context& context,
                                                        PoolArray<int64_t>* places) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, GroupBySchema(*table->schema(), options));
  const Plan plan = MakePlan(options);
  ARROW_ASSIGN_OR_RAISE(const auto aggregated, AggregateInput(*table, options, plan, options.sort, places, context));
  return ResultTable(aggregated, plan, *table->schema(), options, schema, context);
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupPartial(const std::shared_ptr<arrow::Table>& table,
                                                          const GroupByOptions& options, const Context& context,
                                                          PoolArray<int64_t>* places) {
  ARROW_RETURN_NOT_OK(GroupBySchema(*table->schema(), options).status());
  for (const Aggregation& aggregation : options.aggregations) {
    if (IsMergeable(aggregation.function)) continue;
    return arrow::Status::Invalid("groupby: ", AggregateFunctionName(aggregation.function),
                                  " has no partial results to combine");
  }
  const Plan plan = MakePlan(options);
  ARROW_ASSIGN_OR_RAISE(auto aggregated, AggregateInput(*table, options, plan, false, places, context));
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

arrow::Result<std::shared_ptr<arrow::Table>> GroupFinal(const std::shared_ptr<arrow::Table>& partials,
                                                        const arrow::Schema& input, const GroupByOptions& options,
                                                        const Context& context, PoolArray<int64_t>* places) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, GroupBySchema(input, options));
  const Plan plan = MakePlan(options);
  const size_t key_count = options.keys.size();
  if (partials->num_columns() != static_cast<int>(key_count + plan.states.size())) {
    return arrow::Status::Invalid("groupby: a partial table has ", partials->num_columns(), " columns where ",
                                  key_count + plan.states.size(), " are needed");
  }
  std::vector<int> keys(key_count);
  std::iota(keys.begin(), keys.end(), 0);
  std::vector<StateSpec> specs;
  std::vector<StateInput> inputs;
  for (size_t s = 0; s < plan.states.size(); ++s) {
    const PlannedState& state = plan.states[s];
    const StateKind kind = state.spec.kind;
    const bool counts = kind == StateKind::kCount || kind == StateKind::kSize || kind == StateKind::kTrue;
    specs.push_back(state.spec);
    if (counts) specs.back().kind = StateKind::kAddCounts;
    StateInput made;
    made.of = state.column < 0 ? arrow::null() : input.field(state.column)->type();
    made.column = partials->column(static_cast<int>(key_count + s));
    made.nan_is_null = options.nan_is_null;
    made.first_round = false;
    const auto expected = StateType(kind, made.of, state.label < 0 ? nullptr : input.field(state.label)->type());
    if (!made.column->type()->Equals(*expected) && !table::SameKeyType(*made.column->type(), *expected)) {
      return arrow::Status::Invalid("groupby: column ", key_count + s, " of a partial table has type ",
                                    made.column->type()->ToString(), " where ", expected->ToString(), " is needed");
    }
    inputs.push_back(std::move(made));
  }
  ARROW_ASSIGN_OR_RAISE(const auto aggregated,
                        Aggregate(*partials, keys, specs, std::move(inputs), options, options.sort, places, context));
  return ResultTable(aggregated, plan, input, options, schema, context);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> GroupBy(const std::shared_ptr<arrow::Table>& table,
                                                     const GroupByOptions& options, const Context& context,
                                                     PoolArray<int64_t>* places) {
  const bool spills = context.spill != nullptr && places == nullptr;
  if (spills && MustSpill(context, GroupByBytes(*table, options))) {
    return NameOperator("groupby", SpilledGroupBy(table, options, context));
  }
  return NameOperator("groupby", GroupWhole(table, options, context, places));
}

int64_t PartialRowBytes(const arrow::Table& table, const GroupByOptions& options) {
  const auto of_column = [&](int column) {
    const auto one = arrow::Table::Make(arrow::schema({table.field(column)}), {table.column(column)});
    return table::TableBytes(*one) / std::max<int64_t>(table.num_rows(), 1);
  };
  int64_t bytes = 0;
  for (const int key : options.keys) bytes += of_column(key);
  for (const PlannedState& state : MakePlan(options).states) {
    const auto type = [&](int column) { return column < 0 ? nullptr : table.field(column)->type(); };
    const auto of = state.column < 0 ? arrow::null() : type(state.column);
    const auto made = StateType(state.spec.kind, of, type(state.label));
    bytes += arrow::is_fixed_width(made->id()) ? made->bit_width() / 8 : of_column(state.column);
  }
  return bytes;
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupByPartial(const std::shared_ptr<arrow::Table>& table,
                                                            const GroupByOptions& options, const Context& context,
                                                            PoolArray<int64_t>* places) {
  const bool spills = context.spill != nullptr && places == nullptr;
  if (spills && MustSpill(context, GroupByBytes(*table, options))) {
    return NameOperator("groupby", SpilledPartial(table, options, context));
  }
  return NameOperator("groupby", GroupPartial(table, options, context, places));
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupByFinal(const std::shared_ptr<arrow::Table>& partials,
                                                          const arrow::Schema& input, const GroupByOptions& options,
                                                          const Context& context, PoolArray<int64_t>* places) {
  const bool spills = context.spill != nullptr && places == nullptr;
  if (spills && MustSpill(context, table::TableBytes(*partials))) {
    return NameOperator("groupby", SpilledFinal(partials, input, options, context));
  }
  return NameOperator("groupby", GroupFinal(partials, input, options, context, places));
}

}  // namespace weft::kernels
