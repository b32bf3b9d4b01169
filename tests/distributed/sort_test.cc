// The sort over ranks gives, read by rank, exactly the stable sort on one rank.
#include "weft/distributed/sort.h"

#include <algorithm>

#include "distributed/ranks.h"
#include "table/random_table.h"

namespace weft::distributed {
namespace {

using kernels::SortOptions;

void ExpectSameAsLocal(const test::TablePtr& table, const SortOptions& options) {
  const Context context;
  const auto expected = kernels::Sort(table, options, context);
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  for (const int world : test::Worlds()) {
    SCOPED_TRACE("world " + std::to_string(world));
    const auto results = test::OnRanks(world, [&](Communicator& communicator) {
      return Sort(communicator, test::Share(table, communicator.rank(), world), options, context);
    });
    const auto together = test::Together(results);
    ASSERT_NE(together, nullptr);
    EXPECT_EQ(test::RowsAsText(*together), test::RowsAsText(**expected));
  }
}

test::TablePtr Random(const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows, int64_t cardinality) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.seed = 7;
  options.cardinality = cardinality;
  return test::RandomTable(test::SchemaOf(types), options);
}

TEST(DistributedSort, StableOverRanks) {
  const auto table = Random({arrow::int64(), arrow::utf8(), arrow::float64()}, 1000, 50);
  for (const bool nulls_first : {false, true}) {
    for (const bool ascending : {false, true}) {
      SortOptions options;
      options.keys = {{1, ascending}, {0, !ascending}};
      options.nulls_first = nulls_first;
      options.nan_is_null = true;
      ExpectSameAsLocal(table, options);
    }
  }
}

TEST(DistributedSort, KeysOfEveryType) {
  for (const auto& type : test::KeyTypes()) {
    SCOPED_TRACE(type->ToString());
    SortOptions options;
    options.keys = {{0, true}};
    options.nan_is_null = true;
    ExpectSameAsLocal(Random({type, arrow::int32()}, 120, 30), options);
  }
}

TEST(DistributedSort, FewRowsAndNone) {
  SortOptions options;
  options.keys = {{0, true}};
  for (const int64_t rows : {0, 1, 2, 5}) ExpectSameAsLocal(Random({arrow::int32()}, rows, 5), options);
}

TEST(DistributedSort, OneKeyIsSpreadEvenly) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < 10000; ++i) ASSERT_TRUE(builder.Append(i % 100 < 90 ? 7 : i).ok());
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64())}), {*builder.Finish()});
  SortOptions options;
  options.keys = {{0, true}};
  for (const int world : {2, 3, 4, 8}) {
    const auto results = test::OnRanks(world, [&](Communicator& communicator) {
      return Sort(communicator, test::Share(table, communicator.rank(), world), options, Context{});
    });
    for (const auto& result : results) {
      ASSERT_TRUE(result.ok()) << result.status().ToString();
      const double share = static_cast<double>((*result)->num_rows()) * world / 10000;
      EXPECT_GT(share, 0.9);
      EXPECT_LT(share, 1.1);
    }
  }
}

TEST(DistributedSort, WhatIsInOrderStays) {
  const Context context;
  SortOptions options;
  options.keys = {{1, false}, {0, true}};
  options.nan_is_null = true;
  const auto sorted =
      *kernels::Sort(Random({arrow::int64(), arrow::utf8(), arrow::float64()}, 1000, 20), options, context);
  const auto expected = test::RowsAsText(*sorted);
  // By tenths of the rows where each rank's begin; the last world has far too many on one rank and none on others.
  for (const auto& [begins, stay] : std::vector<std::pair<std::vector<int64_t>, bool>>{
           {{0, 5, 10}, true}, {{0, 4, 7, 10}, true}, {{0, 2, 9, 10}, false}, {{0, 0, 10, 10, 10}, false}}) {
    const int world = static_cast<int>(begins.size()) - 1;
    const auto results = test::OnRanks(world, [&](Communicator& communicator) {
      const auto at = static_cast<size_t>(communicator.rank());
      return Sort(communicator, sorted->Slice(begins[at] * 100, (begins[at + 1] - begins[at]) * 100), options, context);
    });
    const auto together = test::Together(results);
    ASSERT_NE(together, nullptr);
    EXPECT_EQ(test::RowsAsText(*together), expected);
    for (size_t r = 0; r < results.size(); ++r) {
      const int64_t rows = stay ? (begins[r + 1] - begins[r]) * 100 : 1000 / world;
      EXPECT_NEAR(static_cast<double>((*results[r])->num_rows()), static_cast<double>(rows), stay ? 0 : 1);
    }
  }
}

}  // namespace
}  // namespace weft::distributed
