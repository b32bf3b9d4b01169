// Grouping over ranks gives the groups of one rank.
#include "weft/distributed/groupby.h"

#include "distributed/ranks.h"
#include "table/failing_pool.h"
#include "table/random_table.h"

namespace weft::distributed {
namespace {

using kernels::AggregateFunction;
using kernels::GroupByOptions;

GroupByOptions AllFunctions(std::vector<int> keys, int value, bool numeric) {
  GroupByOptions options;
  options.keys = std::move(keys);
  options.aggregations = {{AggregateFunction::kCount, value, "count"},
                          {AggregateFunction::kSize, -1, "size"},
                          {AggregateFunction::kMin, value, "min"},
                          {AggregateFunction::kMax, value, "max"}};
  if (numeric) {
    options.aggregations.push_back({AggregateFunction::kSum, value, "sum"});
    options.aggregations.push_back({AggregateFunction::kMean, value, "mean"});
  }
  options.nan_is_null = true;
  return options;
}

void ExpectSameAsLocal(const test::TablePtr& table, GroupByOptions options) {
  const Context context;
  for (const bool sort : {true, false}) {
    options.sort = sort;
    const auto expected = kernels::GroupBy(table, options, context);
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    for (const int world : test::Worlds()) {
      SCOPED_TRACE("world " + std::to_string(world));
      const auto results = test::OnRanks(world, [&](Communicator& communicator) {
        return GroupBy(communicator, test::Share(table, communicator.rank(), world), options, context);
      });
      const auto together = test::Together(results);
      ASSERT_NE(together, nullptr);
      EXPECT_TRUE(together->schema()->Equals(*(*expected)->schema(), false));
      EXPECT_EQ(test::SortedRows(*together), test::SortedRows(**expected));
      if (sort) {
        EXPECT_EQ(test::RowsAsText(*together), test::RowsAsText(**expected));
      }
    }
  }
}

test::TablePtr Random(const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.seed = 11;
  options.cardinality = 20;
  options.extremes = false;
  return test::RandomTable(test::SchemaOf(types), options);
}

TEST(DistributedGroupBy, IntegersByText) {
  ExpectSameAsLocal(Random({arrow::utf8(), arrow::int32()}, 800), AllFunctions({0}, 1, true));
}

TEST(DistributedGroupBy, TextByTwoKeysWithNulls) {
  auto options = AllFunctions({1, 0}, 2, false);
  options.drop_null_keys = false;
  ExpectSameAsLocal(Random({arrow::int64(), arrow::boolean(), arrow::utf8()}, 500), options);
}

TEST(DistributedGroupBy, KeysOfEveryType) {
  for (const auto& type : test::KeyTypes()) {
    SCOPED_TRACE(type->ToString());
    ExpectSameAsLocal(Random({type, arrow::int16()}, 100), AllFunctions({0}, 1, true));
  }
}

/// Values whose sums are exact, so that one rank and several agree to the last bit where they should.
test::TablePtr Exact(int64_t rows) {
  arrow::Int32Builder keys;
  arrow::DoubleBuilder values;
  arrow::StringBuilder texts;
  arrow::Int16Builder factors;
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE((i % 17 == 3 ? keys.AppendNull() : keys.Append(static_cast<int32_t>(i * 7919 % 11))).ok());
    EXPECT_TRUE((i % 5 == 2 ? values.AppendNull() : values.Append(static_cast<double>(i % 13))).ok());
    EXPECT_TRUE((i % 6 == 1 ? texts.AppendNull() : texts.Append("t" + std::to_string(i % 4))).ok());
    EXPECT_TRUE(factors.Append(static_cast<int16_t>(i % 90 == 0 ? 3 : (i % 2 == 0 ? 1 : -1))).ok());
  }
  const auto schema = arrow::schema({arrow::field("k", arrow::int32()), arrow::field("v", arrow::float64()),
                                     arrow::field("s", arrow::utf8()), arrow::field("f", arrow::int16())});
  return arrow::Table::Make(schema, {*keys.Finish(), *values.Finish(), *texts.Finish(), *factors.Finish()});
}

GroupByOptions Many(std::vector<std::pair<AggregateFunction, int>> functions) {
  GroupByOptions options;
  options.keys = {0};
  for (const auto& [function, column] : functions) {
    options.aggregations.push_back(
        {function, column, std::string(kernels::AggregateFunctionName(function)) + std::to_string(column)});
  }
  options.nan_is_null = true;
  return options;
}

TEST(DistributedGroupBy, FunctionsThatCombine) {
  using enum AggregateFunction;
  ExpectSameAsLocal(Exact(900), Many({{kProd, 3},
                                      {kAny, 1},
                                      {kAll, 1},
                                      {kFirst, 1},
                                      {kFirst, 2},
                                      {kLast, 2},
                                      {kIdxMin, 1},
                                      {kIdxMax, 1},
                                      {kMin, 2},
                                      {kSum, 1}}));
  auto labels = Many({{kIdxMax, 1}});
  labels.aggregations[0].label = 2;
  ExpectSameAsLocal(Exact(400), labels);
}

TEST(DistributedGroupBy, FunctionsOfWholeGroups) {
  using enum AggregateFunction;
  ExpectSameAsLocal(Exact(900),
                    Many({{kMedian, 1}, {kQuantile, 1}, {kNunique, 1}, {kNunique, 2}, {kSum, 1}, {kIdxMin, 1}}));
  ExpectSameAsLocal(Exact(0), Many({{kMedian, 1}, {kNunique, 2}}));
}

/// Of `rows` rows seven in eight have one key, or none.
test::TablePtr Skewed(int64_t rows, bool null_key) {
  arrow::Int32Builder keys;
  arrow::DoubleBuilder values;
  arrow::StringBuilder texts;
  for (int64_t i = 0; i < rows; ++i) {
    const bool heavy = i % 8 != 0;
    EXPECT_TRUE(
        (heavy && null_key ? keys.AppendNull() : keys.Append(heavy ? 1 : static_cast<int32_t>(i / 8 % 300))).ok());
    EXPECT_TRUE((i % 5 == 2 ? values.AppendNull() : values.Append(static_cast<double>(i * 7919 % 12007))).ok());
    EXPECT_TRUE((i % 6 == 1 ? texts.AppendNull() : texts.Append("t" + std::to_string(i * 31 % 5003))).ok());
  }
  const auto schema = arrow::schema(
      {arrow::field("k", arrow::int32()), arrow::field("v", arrow::float64()), arrow::field("s", arrow::utf8())});
  return arrow::Table::Make(schema, {*keys.Finish(), *values.Finish(), *texts.Finish()});
}

TEST(DistributedGroupBy, AHeavyKeyInFunctionsOfWholeGroups) {
  using enum AggregateFunction;
  for (const bool null_key : {false, true}) {
    auto options = Many({{kNunique, 2}, {kMedian, 1}, {kSum, 1}, {kNunique, 1}, {kQuantile, 1}, {kFirst, 2}});
    options.drop_null_keys = false;
    options.aggregations[3].skip_nulls = false;
    options.aggregations[4].quantile = 0.25;
    options.aggregations[4].interpolation = kernels::Interpolation::kLower;
    ExpectSameAsLocal(Skewed(40000, null_key), options);
    options.aggregations.resize(2);
    options.keys = {0, 2};
    options.aggregations[0].column = 1;
    ExpectSameAsLocal(Skewed(12000, null_key), options);
  }
}

TEST(DistributedGroupBy, ARankWithoutMemoryFailsAllOfThem) {
  using enum AggregateFunction;
  const auto table = Skewed(12000, false);
  const auto options = Many({{kNunique, 2}, {kMedian, 1}, {kSum, 1}});
  constexpr int kWorld = 3;
  bool done = false;
  for (int64_t allowed = 0; !done; allowed += 1 + allowed / 16) {
    ASSERT_LT(allowed, 1 << 20);
    test::FailingPool pool(allowed);
    const auto results = test::OnRanks(kWorld, [&](Communicator& communicator) {
      Context context;
      if (communicator.rank() == kWorld - 1) context.pool = &pool;
      return GroupBy(communicator, test::Share(table, communicator.rank(), kWorld), options, context);
    });
    done = results.back().ok();
    for (const auto& result : results) {
      EXPECT_EQ(result.ok(), done) << allowed << ": " << result.status();
      // Not what a rank says that others have left alone.
      EXPECT_TRUE(result.ok() || result.status().IsOutOfMemory()) << allowed << ": " << result.status();
    }
  }
}

TEST(DistributedGroupBy, MomentsOfRanksAreThoseOfOne) {
  using enum AggregateFunction;
  const auto options = Many({{kVar, 1}, {kStd, 1}, {kSem, 1}, {kSkew, 1}, {kKurt, 1}});
  const auto table = Exact(900);
  const auto expected = *kernels::GroupBy(table, options, Context{});
  for (const int world : test::Worlds()) {
    const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
      return GroupBy(communicator, test::Share(table, communicator.rank(), world), options, Context{});
    }));
    ASSERT_NE(together, nullptr);
    ASSERT_EQ(together->num_rows(), expected->num_rows());
    const auto flat = *together->CombineChunks();
    for (int column = 1; column < flat->num_columns(); ++column) {
      const auto& found = static_cast<const arrow::DoubleArray&>(*flat->column(column)->chunk(0));
      const auto& wanted = static_cast<const arrow::DoubleArray&>(*expected->column(column)->chunk(0));
      for (int64_t i = 0; i < found.length(); ++i) EXPECT_NEAR(found.Value(i), wanted.Value(i), 1e-12);
    }
  }
}

TEST(DistributedGroupBy, BroadcastGivesEachRowItsGroup) {
  using enum AggregateFunction;
  for (const auto& options : {Many({{kSum, 1}, {kFirst, 2}, {kIdxMax, 1}}), Many({{kMedian, 1}, {kSum, 1}})}) {
    const auto table = Exact(700);
    const auto expected = *GroupBroadcast(table, options, Context{});
    ASSERT_EQ(expected->num_rows(), table->num_rows());
    for (const int world : test::Worlds()) {
      const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
        return GroupBroadcast(communicator, test::Share(table, communicator.rank(), world), options, Context{});
      }));
      ASSERT_NE(together, nullptr);
      EXPECT_EQ(test::RowsAsText(*together), test::RowsAsText(*expected));
    }
  }
}

TEST(DistributedGroupBy, EmptyInput) {
  ExpectSameAsLocal(Random({arrow::int64(), arrow::float64()}, 0), AllFunctions({0}, 1, true));
}

TEST(DistributedGroupBy, SumThatOverflowsIsAnErrorOnEveryRank) {
  arrow::Int64Builder builder;
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(builder.Append(INT64_MAX / 4).ok());
  auto values = *builder.Finish();
  const auto schema = arrow::schema({arrow::field("k", arrow::int64()), arrow::field("v", arrow::int64())});
  const auto table = arrow::Table::Make(schema, {values, values});
  GroupByOptions options;
  options.keys = {0};
  options.aggregations = {{AggregateFunction::kSum, 1, "s"}};
  const auto results = test::OnRanks(3, [&](Communicator& communicator) {
    return GroupBy(communicator, test::Share(table, communicator.rank(), 3), options, Context{});
  });
  for (const auto& result : results) {
    EXPECT_FALSE(result.ok());
    EXPECT_NE(result.status().message().find("v"), std::string::npos) << result.status().ToString();
  }
}

}  // namespace
}  // namespace weft::distributed
