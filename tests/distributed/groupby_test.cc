// Grouping over ranks gives the groups of one rank.
#include "weft/distributed/groupby.h"

#include "distributed/ranks.h"
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
