#include "weft/kernels/groupby.h"

#include <arrow/api.h>
#include <arrow/array/concatenate.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "kernels/oracle.h"
#include "table/random_table.h"
#include "weft/kernels/group_table.h"

namespace weft::kernels {
namespace {

using arrow::Type;
using test::Cell;
using test::CellsOf;
using test::RandomTable;
using test::SchemaOf;
using Key = std::vector<Cell>;

Context Threads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

/// Groups of row numbers: in order of the keys, or of first appearance.
std::vector<std::vector<size_t>> Groups(const arrow::Table& table, const GroupByOptions& options) {
  std::vector<std::vector<Cell>> keys;
  for (const int key : options.keys) keys.push_back(CellsOf(*table.column(key), options.nan_is_null));
  std::map<Key, std::vector<size_t>> groups;
  for (size_t row = 0; row < static_cast<size_t>(table.num_rows()); ++row) {
    Key key;
    bool null = false;
    for (const auto& column : keys) {
      key.push_back(column[row]);
      null |= column[row].is_null();
    }
    if (!null || !options.drop_null_keys) groups[key].push_back(row);
  }
  std::vector<std::vector<size_t>> result;
  for (auto& [key, rows] : groups) result.push_back(std::move(rows));
  if (!options.sort) std::sort(result.begin(), result.end());
  return result;
}

bool IsReal(const arrow::DataType& type) { return arrow::is_floating(type.id()); }

/// What one aggregation of one group should be, as a cell; counts and integer sums by `number`, the rest as fits.
Cell Expected(const Aggregation& aggregation, const arrow::DataType& type, const std::vector<Cell>& cells,
              const std::vector<size_t>& rows) {
  std::vector<Cell> values;
  for (const size_t row : rows) {
    if (!cells.empty() && !cells[row].is_null()) values.push_back(cells[row]);
  }
  Cell out;
  out.kind = Cell::kValue;
  const auto count = static_cast<int64_t>(values.size());
  switch (aggregation.function) {
    case AggregateFunction::kSize:
      out.number = arrow::Decimal256(static_cast<int64_t>(rows.size()));
      return out;
    case AggregateFunction::kCount:
      out.number = arrow::Decimal256(count);
      return out;
    case AggregateFunction::kMin:
    case AggregateFunction::kMax: {
      if (values.empty()) return Cell();
      for (const Cell& value : values) {
        if (value.kind == Cell::kNan) return value;
      }
      return aggregation.function == AggregateFunction::kMin ? *std::min_element(values.begin(), values.end())
                                                             : *std::max_element(values.begin(), values.end());
    }
    case AggregateFunction::kSum:
    case AggregateFunction::kMean:
      break;
    default:
      ADD_FAILURE() << "no oracle for " << AggregateFunctionName(aggregation.function);
      return Cell();
  }
  const bool mean = aggregation.function == AggregateFunction::kMean;
  if (mean && values.empty()) return Cell();
  if (IsReal(type)) {
    double sum = 0;
    for (const Cell& value : values) sum += value.kind == Cell::kNan ? std::nan("") : value.real;
    return test::RealCell(mean ? sum / static_cast<double>(count) : sum, false);
  }
  arrow::Decimal256 sum;
  for (const Cell& value : values) sum += value.number;
  if (!mean) {
    out.number = sum;
    return out;
  }
  if (arrow::is_decimal(type.id())) {
    const arrow::Decimal256 doubled(sum * arrow::Decimal256(2));
    const arrow::Decimal256 half(arrow::Decimal256(count) * arrow::Decimal256(sum.IsNegative() ? -1 : 1));
    out.number = arrow::Decimal256((doubled + half) / arrow::Decimal256(2 * count));
  } else if (type.id() == Type::DURATION || type.id() == Type::TIMESTAMP || type.id() == Type::DATE32) {
    out.number = arrow::Decimal256(sum / arrow::Decimal256(count));
  } else if (type.id() == Type::DATE64) {
    out.number = arrow::Decimal256(sum / arrow::Decimal256(count));
    out.number = arrow::Decimal256((out.number / arrow::Decimal256(86400000)) * arrow::Decimal256(86400000));
  } else {
    // long double has 64 bits of mantissa: right but for the last place of very large sums.
    out.real = static_cast<double>(std::stold(sum.ToIntegerString()) / static_cast<long double>(count));
  }
  return out;
}

bool Near(const Cell& a, const Cell& b) {
  if (a == b) return true;
  if (a.kind != Cell::kValue || b.kind != Cell::kValue || a.number != b.number || a.bytes != b.bytes) return false;
  return std::abs(a.real - b.real) <= 1e-9 * std::max(std::abs(a.real), std::abs(b.real)) + 1e-300;
}

using RowGroups = std::vector<std::vector<size_t>>;

void Compare(const arrow::Table& result, const arrow::Table& table, const GroupByOptions& options,
             const RowGroups& groups) {
  ASSERT_TRUE(result.ValidateFull().ok()) << result.ValidateFull();
  ASSERT_EQ(result.num_rows(), static_cast<int64_t>(groups.size()));
  for (size_t k = 0; k < options.keys.size(); ++k) {
    ASSERT_TRUE(result.schema()->field(static_cast<int>(k))->Equals(table.schema()->field(options.keys[k])));
    const auto cells = CellsOf(*table.column(options.keys[k]), options.nan_is_null);
    const auto found = CellsOf(*result.column(static_cast<int>(k)), options.nan_is_null);
    for (size_t g = 0; g < groups.size(); ++g) ASSERT_EQ(found[g], cells[groups[g][0]]) << "key of group " << g;
  }
  for (size_t a = 0; a < options.aggregations.size(); ++a) {
    const Aggregation& aggregation = options.aggregations[a];
    const auto found = CellsOf(*result.column(static_cast<int>(options.keys.size() + a)), false);
    const bool size = aggregation.function == AggregateFunction::kSize;
    const auto type = size ? arrow::null() : table.column(aggregation.column)->type();
    const auto cells = size ? std::vector<Cell>() : CellsOf(*table.column(aggregation.column), options.nan_is_null);
    for (size_t g = 0; g < groups.size(); ++g) {
      const Cell expected = Expected(aggregation, *type, cells, groups[g]);
      ASSERT_TRUE(Near(found[g], expected))
          << aggregation.name << " of group " << g << ": " << found[g].real << " " << found[g].number.ToIntegerString()
          << " instead of " << expected.real << " " << expected.number.ToIntegerString();
    }
  }
}

/// Cuts a table into parts of random sizes, some empty.
std::vector<std::shared_ptr<arrow::Table>> Split(const std::shared_ptr<arrow::Table>& table, test::Random* random) {
  std::vector<std::shared_ptr<arrow::Table>> parts;
  int64_t begin = 0;
  while (begin < table->num_rows() || parts.size() < 2) {
    const int64_t length = std::min(table->num_rows() - begin, random->Below(table->num_rows() / 2 + 1));
    parts.push_back(table->Slice(begin, length));
    begin += length;
  }
  return parts;
}

/// Whether an integer sum leaves its 64 bits.
bool Overflows(const arrow::Table& table, const GroupByOptions& options, const RowGroups& groups) {
  for (const Aggregation& aggregation : options.aggregations) {
    if (aggregation.function != AggregateFunction::kSum) continue;
    const auto type =
        GroupBySchema(*table.schema(), {.keys = {0}, .aggregations = {aggregation}}).ValueOrDie()->field(1)->type();
    if (!arrow::is_integer(type->id())) continue;
    const bool is_signed = type->id() == Type::INT64;
    const arrow::Decimal256 least(is_signed ? std::numeric_limits<int64_t>::min() : 0);
    const arrow::Decimal256 most(arrow::Decimal128(0, is_signed ? ~uint64_t{0} >> 1 : ~uint64_t{0}));
    const auto cells = CellsOf(*table.column(aggregation.column), false);
    for (const auto& rows : groups) {
      const Cell sum = Expected(aggregation, *table.column(aggregation.column)->type(), cells, rows);
      if (sum.number < least || most < sum.number) return true;
    }
  }
  return false;
}

void Check(const std::shared_ptr<arrow::Table>& table, GroupByOptions options) {
  const RowGroups groups = Groups(*table, options);
  if (Overflows(*table, options, groups)) {
    ASSERT_TRUE(GroupBy(table, options, Threads(1)).status().IsInvalid());
    std::erase_if(options.aggregations, [](const auto& a) { return a.function == AggregateFunction::kSum; });
  }
  std::shared_ptr<arrow::Table> first;
  for (const int threads : {1, 2}) {
    const auto result = GroupBy(table, options, Threads(threads));
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_TRUE((*result)->schema()->Equals(**GroupBySchema(*table->schema(), options)));
    if (first == nullptr) {
      first = *result;
      Compare(**result, *table, options, groups);
    }
    ASSERT_TRUE((*result)->Equals(*first, arrow::EqualOptions::Defaults().nans_equal(true)));
  }
  test::Random random(static_cast<uint64_t>(table->num_rows()));
  std::vector<std::shared_ptr<arrow::Table>> partials;
  for (const auto& part : Split(table, &random)) {
    const auto partial = GroupByPartial(part, options, Threads(2));
    ASSERT_TRUE(partial.ok()) << partial.status();
    ASSERT_TRUE((*partial)->ValidateFull().ok());
    partials.push_back(*partial);
  }
  const auto all = arrow::ConcatenateTables(partials).ValueOrDie();
  const auto result = GroupByFinal(all, *table->schema(), options, Threads(2));
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_TRUE((*result)->schema()->Equals(*first->schema()));
  Compare(**result, *table, options, groups);
}

std::vector<Aggregation> AllOf(const arrow::Schema& schema, int column) {
  std::vector<Aggregation> out;
  for (const auto function : {AggregateFunction::kSum, AggregateFunction::kCount, AggregateFunction::kSize,
                              AggregateFunction::kMean, AggregateFunction::kMin, AggregateFunction::kMax}) {
    const Aggregation aggregation{function, column, std::string(AggregateFunctionName(function))};
    if (GroupBySchema(schema, {.keys = {0}, .aggregations = {aggregation}}).ok()) out.push_back(aggregation);
  }
  return out;
}

TEST(GroupBy, EveryValueType) {
  for (const auto& type : test::KeyTypes()) {
    const auto schema = SchemaOf({arrow::int16(), type});
    for (const bool nan_is_null : {false, true}) {
      for (const double nulls : {0.0, 0.2, 1.0}) {
        SCOPED_TRACE(type->ToString() + " nulls " + std::to_string(nulls));
        const auto table = RandomTable(schema, {.seed = 3,
                                                .rows = 600,
                                                .null_share = nulls,
                                                .cardinality = 20,
                                                .extremes = false,
                                                .dictionary_nulls = nan_is_null});
        Check(table, {.keys = {0},
                      .aggregations = AllOf(*schema, 1),
                      .sort = nan_is_null,
                      .drop_null_keys = nan_is_null,
                      .nan_is_null = nan_is_null});
      }
    }
  }
}

TEST(GroupBy, ExtremesOfEveryTypeButSums) {
  auto types = test::KeyTypes();
  for (const auto& real : {arrow::float32(), arrow::float64()}) {
    types.push_back(arrow::dictionary(arrow::int16(), real));
  }
  for (const auto& type : types) {
    const auto schema = SchemaOf({arrow::int8(), type});
    for (const bool nan_is_null : {false, true}) {
      SCOPED_TRACE(type->ToString());
      const auto table = RandomTable(schema, {.seed = 8, .rows = 500, .cardinality = 12});
      Check(table, {.keys = {0},
                    .aggregations = {{AggregateFunction::kMin, 1, "min"},
                                     {AggregateFunction::kMax, 1, "max"},
                                     {AggregateFunction::kCount, 1, "count"}},
                    .nan_is_null = nan_is_null});
    }
  }
}

TEST(GroupBy, EveryKeyType) {
  for (const auto& type : test::KeyTypes()) {
    for (int variant = 0; variant < 8; ++variant) {
      SCOPED_TRACE(type->ToString() + " variant " + std::to_string(variant));
      const auto schema = SchemaOf({type, arrow::int32()});
      const auto table = RandomTable(schema, {.seed = 2, .rows = 400, .cardinality = 25, .ragged = true});
      Check(table, {.keys = {0},
                    .aggregations = AllOf(*schema, 1),
                    .sort = (variant & 1) != 0,
                    .drop_null_keys = (variant & 2) != 0,
                    .nan_is_null = (variant & 4) != 0});
    }
  }
}

TEST(GroupBy, SeveralKeys) {
  const auto types = test::KeyTypes();
  test::Random random(17);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::shared_ptr<arrow::DataType>> chosen{arrow::float64()};
    GroupByOptions options;
    for (int k = 0; k < 2 + round % 3; ++k) {
      chosen.push_back(types[static_cast<size_t>(random.Below(static_cast<int64_t>(types.size())))]);
      options.keys.push_back(k + 1);
    }
    const auto schema = SchemaOf(chosen);
    options.aggregations = AllOf(*schema, 0);
    options.sort = round % 2 == 0;
    options.drop_null_keys = random.Below(2) == 0;
    options.nan_is_null = random.Below(2) == 0;
    SCOPED_TRACE(schema->ToString());
    Check(RandomTable(schema, {.seed = static_cast<uint64_t>(round), .rows = 300, .cardinality = 6, .extremes = false}),
          options);
  }
}

TEST(GroupBy, EmptyTables) {
  for (const auto& type : test::KeyTypes()) {
    for (const int chunks : {1, 2}) {
      const auto schema = SchemaOf({type, type});
      const auto table = RandomTable(schema, {.rows = 0, .chunks = chunks});
      Check(table, {.keys = {0}, .aggregations = AllOf(*schema, 1)});
    }
  }
  const auto schema = SchemaOf({arrow::utf8(), arrow::int32()});
  const auto empty = arrow::Table::MakeEmpty(schema).ValueOrDie();
  Check(empty, {.keys = {0}, .aggregations = AllOf(*schema, 1)});
  const auto none = arrow::Table::Make(schema,
                                       {std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{}, arrow::utf8()),
                                        std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{}, arrow::int32())},
                                       0);
  Check(none, {.keys = {0}, .aggregations = AllOf(*schema, 1)});
}

std::shared_ptr<arrow::Table> IntTable(const std::vector<std::vector<int64_t>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& values : columns) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.AppendValues(values).ok());
    arrays.push_back(builder.Finish().ValueOrDie());
    fields.push_back(arrow::field("n" + std::to_string(fields.size()), arrow::int64()));
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

/// The same of int64 columns by a plainer oracle, for many rows: keys in columns 1 and 2, values in column 0.
void CheckIntegers(const std::vector<std::vector<int64_t>>& columns, bool sort) {
  struct State {
    size_t first;
    int64_t sum, least, greatest, size;
  };
  const auto& value = columns[0];
  std::map<std::pair<int64_t, int64_t>, State> groups;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto [it, added] = groups.try_emplace({columns[1][i], columns[2][i]}, State{i, 0, value[i], value[i], 0});
    State& state = it->second;
    state = {state.first, state.sum + value[i], std::min(state.least, value[i]), std::max(state.greatest, value[i]),
             state.size + 1};
  }
  std::vector<State> states;
  for (const auto& [key, state] : groups) states.push_back(state);
  if (!sort) std::sort(states.begin(), states.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::vector<int64_t>> expected(6);
  for (const State& state : states) {
    const int64_t row[] = {
        columns[1][state.first], columns[2][state.first], state.sum, state.least, state.greatest, state.size};
    for (size_t c = 0; c < 6; ++c) expected[c].push_back(row[c]);
  }
  const auto table = IntTable(columns);
  const GroupByOptions options{.keys = {1, 2},
                               .aggregations = {{AggregateFunction::kSum, 0, "sum"},
                                                {AggregateFunction::kMin, 0, "min"},
                                                {AggregateFunction::kMax, 0, "max"},
                                                {AggregateFunction::kSize, -1, "size"}},
                               .sort = sort};
  const auto check = [&](const arrow::Table& result) {
    ASSERT_EQ(result.num_rows(), static_cast<int64_t>(states.size()));
    for (size_t c = 0; c < 6; ++c) {
      const auto array = arrow::Concatenate(result.column(static_cast<int>(c))->chunks()).ValueOrDie();
      const auto& numbers = static_cast<const arrow::Int64Array&>(*array);
      for (size_t g = 0; g < states.size(); ++g) {
        ASSERT_EQ(numbers.Value(static_cast<int64_t>(g)), expected[c][g]) << "column " << c << " group " << g;
      }
    }
  };
  for (const int threads : {1, 2}) check(*GroupBy(table, options, Threads(threads)).ValueOrDie());
  const int64_t half = table->num_rows() / 2;
  const auto partials =
      arrow::ConcatenateTables({GroupByPartial(table->Slice(0, half), options, Threads(2)).ValueOrDie(),
                                GroupByPartial(table->Slice(half), options, Threads(2)).ValueOrDie()});
  check(*GroupByFinal(partials.ValueOrDie(), *table->schema(), options, Threads(2)).ValueOrDie());
}

// Long enough for blocks and for partitions: few groups, codes that index directly, as many groups as rows, skewed,
// keys that ascend.
TEST(GroupBy, ManyRows) {
  constexpr size_t kRows = 150000;
  test::Random random(4);
  for (size_t shape = 0; shape < 8; ++shape) {
    std::vector<std::vector<int64_t>> columns(3, std::vector<int64_t>(kRows));
    for (size_t i = 0; i < kRows; ++i) {
      const auto full = static_cast<int64_t>(random.Next());
      const int64_t shapes[] = {random.Below(100), (full % 1000) << 40, full, random.Below(10) < 8 ? 3 : full,
                                random.Below(200000), full,
                                // Ascending: runs; all but one row ascending.
                                static_cast<int64_t>(i / 3) * 7 - 50000, i == 140000 ? 5 : static_cast<int64_t>(i / 2)};
      columns[0][i] = random.Below(1000000) - 500000;
      columns[1][i] = shapes[shape];
      columns[2][i] = shape == 5 ? full ^ 77 : shapes[shape] % 3;
    }
    SCOPED_TRACE("shape " + std::to_string(shape));
    CheckIntegers(columns, shape % 2 == 0);
  }
}

/// More groups than are found by blocks: partitions by place, by ranges of keys where they are sorted, and by hash.
TEST(GroupBy, MoreGroupsThanBlocksTake) {
  constexpr size_t kRows = 420000;
  test::Random random(9);
  for (size_t shape = 0; shape < 5; ++shape) {
    std::vector<std::vector<int64_t>> columns(3, std::vector<int64_t>(kRows));
    for (size_t i = 0; i < kRows; ++i) {
      const auto full = static_cast<int64_t>(random.Next());
      const int64_t close = random.Below(1 << 19) - 100000;
      const int64_t shapes[] = {close, random.Below(10) < 6 ? 70000 : close, full, random.Below(1 << 18), close * 16};
      columns[0][i] = random.Below(1000000) - 500000;
      columns[1][i] = shapes[shape];
      columns[2][i] = shape == 3 ? random.Below(4) : 5;
    }
    for (const bool sort : {false, true}) {
      SCOPED_TRACE("shape " + std::to_string(shape) + (sort ? " sorted" : ""));
      CheckIntegers(columns, sort);
    }
  }
  const auto schema = SchemaOf({arrow::int32(), arrow::utf8(), arrow::float64(), arrow::int16()});
  const auto table = RandomTable(schema, {.seed = 12, .rows = 330000, .cardinality = 1 << 30, .extremes = false});
  for (const int key : {0, 1}) {
    for (const bool drop : {false, true}) {
      SCOPED_TRACE("key " + std::to_string(key) + (drop ? " without nulls" : ""));
      Check(table, {.keys = {key},
                    .aggregations = {{AggregateFunction::kMin, 2, "min"},
                                     {AggregateFunction::kMax, 3, "max"},
                                     {AggregateFunction::kMean, 2, "mean"},
                                     {AggregateFunction::kSum, 3, "sum"},
                                     {AggregateFunction::kCount, 1 - key, "count"}},
                    .sort = drop,
                    .drop_null_keys = drop});
    }
  }
}

TEST(GroupBy, ManyStringKeysAndFloats) {
  constexpr int64_t kRows = 132000;
  const auto schema = SchemaOf({arrow::utf8(), arrow::float64(), arrow::utf8(), arrow::decimal128(20, 3)});
  for (const int64_t cardinality : {int64_t{50}, kRows * 4}) {
    const auto table = RandomTable(schema, {.seed = 21, .rows = kRows, .cardinality = cardinality, .extremes = false});
    Check(table, {.keys = {0},
                  .aggregations = {{AggregateFunction::kSum, 1, "sum"},
                                   {AggregateFunction::kMin, 2, "min"},
                                   {AggregateFunction::kMax, 3, "max"},
                                   {AggregateFunction::kMean, 3, "mean"}},
                  .sort = false});
  }
}

TEST(GroupBy, SumsOfFloatsDoNotDependOnThreads) {
  test::Random random(6);
  arrow::DoubleBuilder values;
  arrow::Int32Builder keys;
  for (int i = 0; i < 500000; ++i) {
    ASSERT_TRUE(values.Append(random.Unit() * std::pow(10.0, static_cast<double>(random.Below(20)))).ok());
    ASSERT_TRUE(keys.Append(static_cast<int32_t>(random.Below(7))).ok());
  }
  const auto table = arrow::Table::Make(SchemaOf({arrow::int32(), arrow::float64()}),
                                        {keys.Finish().ValueOrDie(), values.Finish().ValueOrDie()});
  const GroupByOptions options{.keys = {0}, .aggregations = {{AggregateFunction::kSum, 1, "sum"}}};
  const auto one = GroupBy(table, options, Threads(1)).ValueOrDie();
  for (const int threads : {2, 3, 8}) {
    EXPECT_TRUE(one->Equals(*GroupBy(table, options, Threads(threads)).ValueOrDie())) << threads;
  }
}

TEST(GroupBy, IntegerSumsAreExactOrAnError) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  const GroupByOptions options{
      .keys = {0}, .aggregations = {{AggregateFunction::kSum, 1, "sum"}, {AggregateFunction::kMean, 1, "mean"}}};
  // Overflows on the way, but not in the end.
  const auto fits = IntTable({{1, 1, 1, 1}, {kMax, kMax, kMin, kMin}});
  const auto result = GroupBy(fits, options, Threads(1)).ValueOrDie();
  EXPECT_EQ(std::static_pointer_cast<arrow::Int64Array>(result->column(1)->chunk(0))->Value(0), -2);
  EXPECT_EQ(std::static_pointer_cast<arrow::DoubleArray>(result->column(2)->chunk(0))->Value(0), -0.5);
  const auto over = IntTable({{1, 1}, {kMax, 1}});
  const auto status = GroupBy(over, options, Threads(1)).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_NE(status.message().find("n1"), std::string::npos) << status;
  const auto partial = GroupByPartial(over, options, Threads(1)).ValueOrDie();
  EXPECT_TRUE(GroupByFinal(partial, *over->schema(), options, Threads(1)).status().IsInvalid());
  // The mean alone does not mind: (2^63 - 1 + 1) / 2.
  const GroupByOptions mean{.keys = {0}, .aggregations = {{AggregateFunction::kMean, 1, "mean"}}};
  const auto means = GroupBy(over, mean, Threads(1)).ValueOrDie();
  EXPECT_EQ(std::static_pointer_cast<arrow::DoubleArray>(means->column(1)->chunk(0))->Value(0), 0x1.0p62);
  // 2^53 + 1 and 2^53 + 3 have the mean 2^53 + 2; as doubles they would lose their last bits.
  const auto odd = IntTable({{1, 1}, {(int64_t{1} << 53) + 1, (int64_t{1} << 53) + 3}});
  const auto exact = GroupBy(odd, mean, Threads(1)).ValueOrDie();
  EXPECT_EQ(std::static_pointer_cast<arrow::DoubleArray>(exact->column(1)->chunk(0))->Value(0), 0x1.0p53 + 2);
}

TEST(GroupBy, SumsOfDecimalsBeyondTheirBitsAreErrors) {
  // Six of the greatest numbers of 76 digits pass 2^255; with as many of the least added, they would come back.
  const arrow::Decimal256 most(arrow::Decimal256::GetMaxValue(76));
  const arrow::Decimal256 least(-most);
  const auto type = arrow::decimal256(76, 0);
  const auto table = [&](const std::vector<arrow::Decimal256>& values) {
    arrow::Int64Builder keys;
    arrow::Decimal256Builder builder(type);
    for (const auto& value : values) EXPECT_TRUE(keys.Append(1).ok() && builder.Append(value).ok());
    return arrow::Table::Make(SchemaOf({arrow::int64(), type}), {*keys.Finish(), *builder.Finish()});
  };
  std::vector<arrow::Decimal256> there(48, most);
  there.insert(there.end(), 48, least);
  for (const auto function : {AggregateFunction::kSum, AggregateFunction::kMean}) {
    const GroupByOptions options{.keys = {0}, .aggregations = {{function, 1, "made"}}};
    for (const arrow::Decimal256& one : {most, least}) {
      const auto status = GroupBy(table(std::vector(12, one)), options, Threads(1)).status();
      EXPECT_TRUE(status.IsInvalid() && status.message().find("c1") != std::string::npos) << status;
    }
    EXPECT_TRUE(GroupBy(table(there), options, Threads(1)).status().IsInvalid());
    const auto fits = GroupBy(table({most, least, least, most}), options, Threads(1)).ValueOrDie();
    EXPECT_EQ(static_cast<const arrow::Decimal256Array&>(*fits->column(1)->chunk(0)).FormatValue(0), "0");
  }
}

TEST(GroupBy, QuantilesOfTimesFarApart) {
  // Their distance is more than 2^63; what lies between is cut towards 0.
  constexpr int64_t kFar = int64_t{5} << 60;
  const auto type = arrow::timestamp(arrow::TimeUnit::NANO);
  const auto numbers = IntTable({{1, 1}, {-kFar, kFar + 2}});
  const auto times = numbers->column(1)->View(type).ValueOrDie();
  const auto table = numbers->SetColumn(1, arrow::field("n1", type), times).ValueOrDie();
  for (const auto& [quantile, expected] : std::vector<std::pair<double, int64_t>>{{0.5, 1}, {0.25, -kFar / 2 + 1}}) {
    GroupByOptions options{.keys = {0}, .aggregations = {{AggregateFunction::kQuantile, 1, "q"}}};
    options.aggregations[0].quantile = quantile;
    const auto found = GroupBy(table, options, Threads(1)).ValueOrDie();
    EXPECT_EQ(static_cast<const arrow::TimestampArray&>(*found->column(1)->chunk(0)).Value(0), expected);
  }
}

TEST(GroupBy, SaysWhatIsWrong) {
  const auto table = RandomTable(SchemaOf({arrow::int32(), arrow::utf8(), arrow::list(arrow::int32())}), {.rows = 5});
  const auto status_of = [&](const GroupByOptions& options) { return GroupBy(table, options, {}).status(); };
  EXPECT_TRUE(status_of({}).IsInvalid());
  EXPECT_TRUE(status_of({.keys = {3}, .aggregations = {}}).IsInvalid());
  EXPECT_TRUE(status_of({.keys = {0}, .aggregations = {{AggregateFunction::kSum, 5, "x"}}}).IsInvalid());
  EXPECT_TRUE(status_of({.keys = {2}, .aggregations = {}}).IsTypeError());
  const auto status = status_of({.keys = {0}, .aggregations = {{AggregateFunction::kMean, 1, "x"}}});
  EXPECT_TRUE(status.IsTypeError());
  for (const char* part : {"groupby", "c1", "string", "mean"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
  }
  EXPECT_TRUE(ParseAggregateFunction("summ").status().IsInvalid());
  EXPECT_EQ(*ParseAggregateFunction("mean"), AggregateFunction::kMean);
}

/// With hashes cut to a few bits, different keys meet in one place of the table and must still be told apart.
TEST(GroupRows, CollidingHashesDoNotMergeGroups) {
  constexpr int64_t kRows = 132000;
  const std::vector<std::vector<std::shared_ptr<arrow::DataType>>> shapes{
      {arrow::int64()}, {arrow::utf8()}, {arrow::utf8(), arrow::decimal256(50, 5), arrow::float64()}};
  for (const auto& types : shapes) {
    const auto table =
        RandomTable(SchemaOf(types), {.seed = 5, .rows = kRows, .cardinality = types.size() == 1 ? 300 : 7});
    std::vector<int> columns(types.size());
    std::iota(columns.begin(), columns.end(), 0);
    auto plain = GroupRows(*table, columns, {}, Threads(2)).ValueOrDie();
    const auto expected = OrderByFirstRow(&plain, Threads(1)).ValueOrDie();
    for (const uint64_t mask : {uint64_t{0}, uint64_t{7}, uint64_t{0x3f} << 58}) {
      auto masked = GroupRows(*table, columns, {.hash_mask = mask}, Threads(2)).ValueOrDie();
      ASSERT_EQ(masked.groups, plain.groups);
      const auto ordered = OrderByFirstRow(&masked, Threads(2)).ValueOrDie();
      ASSERT_TRUE(std::ranges::equal(ordered.first_rows.span(), expected.first_rows.span()));
    }
  }
}

}  // namespace
}  // namespace weft::kernels
