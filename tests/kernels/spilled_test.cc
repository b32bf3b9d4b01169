// Operators that go by way of disk give what they give in memory, whose oracles are in the tests beside this one.
#include <arrow/api.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/spill_directory.h"
#include "table/random_table.h"
#include "weft/kernels/groupby.h"
#include "weft/kernels/join.h"
#include "weft/kernels/ordered_join.h"
#include "weft/kernels/sort.h"
#include "weft/kernels/spilling.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

using test::RandomTable;
using test::RandomTableOptions;
using test::SchemaOf;
using test::SpillDirectory;
using test::SpillingContext;
using TablePtr = std::shared_ptr<arrow::Table>;

TablePtr Table(const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows, int64_t cardinality,
               uint64_t seed, double skew = 0) {
  RandomTableOptions options;
  options.rows = rows;
  options.cardinality = cardinality;
  options.seed = seed;
  options.skew = skew;
  // Nulls that are equal make pairs of all of them.
  options.null_share = 0.02;
  return RandomTable(SchemaOf(types), options);
}

/// Operators may hold a small part of their inputs, so that all of them spill.
class Spilled : public ::testing::Test {
 protected:
  Context Spilling(int64_t work = 160 << 10) const { return SpillingContext(directory_, work, work, 2); }
  void TearDown() override { EXPECT_EQ(directory_.names(), 0); }

  SpillDirectory directory_;
};

constexpr JoinType kTypes[] = {JoinType::kInner, JoinType::kLeft,     JoinType::kRight,
                               JoinType::kOuter, JoinType::kLeftSemi, JoinType::kLeftAnti};

void ExpectSameJoin(const TablePtr& left, const TablePtr& right, const JoinOptions& options, const Context& spilling) {
  const auto expected = Join(left, right, options, Context{});
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  const int64_t before = spilling.spill->space().bytes_spilled();
  const auto made = Join(left, right, options, spilling);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_GT(spilling.spill->space().bytes_spilled(), before);
  EXPECT_TRUE((*made)->ValidateFull().ok());
  EXPECT_TRUE((*made)->schema()->Equals(*(*expected)->schema(), false));
  EXPECT_EQ((*made)->num_rows(), (*expected)->num_rows());
  const bool ordered =
      options.algorithm == JoinAlgorithm::kSort || options.maintain_order || options.type == JoinType::kCross;
  EXPECT_TRUE(ordered ? test::SameRowsInOrder(**made, **expected) : test::SameRows(**made, **expected));
}

TEST_F(Spilled, JoinsOfEveryKindByBothAlgorithms) {
  const auto left = Table({arrow::int64(), arrow::utf8(), arrow::float64()}, 6000, 4000, 1);
  const auto right = Table({arrow::int64(), arrow::utf8(), arrow::list(arrow::int32())}, 5000, 4000, 2);
  for (const JoinType type : kTypes) {
    for (const JoinAlgorithm algorithm : {JoinAlgorithm::kHash, JoinAlgorithm::kSort}) {
      for (const bool nulls_equal : {false, true}) {
        SCOPED_TRACE(std::to_string(static_cast<int>(type)) + " " + std::to_string(static_cast<int>(algorithm)));
        JoinOptions options;
        options.left_keys = {0, 1};
        options.right_keys = {0, 1};
        options.type = type;
        options.algorithm = algorithm;
        options.nulls_equal = nulls_equal;
        options.nan_is_null = nulls_equal;
        if (!ChoosesLeftRows(type)) options.indicator = "where";
        ExpectSameJoin(left, right, options, Spilling());
        options.left_keys = {0};
        options.right_keys = {0};
        ExpectSameJoin(left, right, options, Spilling());
      }
    }
  }
}

TEST_F(Spilled, JoinsInPandasOrder) {
  const auto left = Table({arrow::utf8(), arrow::dictionary(arrow::int32(), arrow::utf8())}, 4000, 2000, 3);
  const auto right = Table({arrow::utf8(), arrow::int32()}, 3000, 2000, 4);
  for (const JoinType type : kTypes) {
    JoinOptions options;
    options.left_keys = {0};
    options.right_keys = {0};
    options.type = type;
    options.maintain_order = true;
    ExpectSameJoin(left, right, options, Spilling());
  }
}

TEST_F(Spilled, JoinsOnEveryKeyType) {
  for (const auto& type : test::KeyTypes()) {
    if (type->id() == arrow::Type::NA || type->id() == arrow::Type::BOOL) continue;
    // Dictionaries that differ from chunk to chunk pass what its indices hold.
    if (type->Equals(arrow::dictionary(arrow::int8(), arrow::int64()))) continue;
    SCOPED_TRACE(type->ToString());
    const auto left = Table({type, arrow::int64()}, 3000, 2500, 5);
    const auto right = Table({type, arrow::utf8()}, 2000, 2500, 6);
    JoinOptions options;
    options.left_keys = {0};
    options.right_keys = {0};
    options.type = JoinType::kInner;
    options.nulls_equal = false;
    ExpectSameJoin(left, right, options, Spilling(40 << 10));
  }
}

TEST_F(Spilled, JoinsThatCountOnly) {
  const auto left = Table({arrow::int64(), arrow::float64()}, 9000, 500, 7);
  const auto right = Table({arrow::int64(), arrow::float64()}, 2000, 500, 8);
  JoinOptions options;
  options.left_keys = {0};
  options.right_keys = {0};
  options.columns = std::vector<int>{};
  ExpectSameJoin(left, right, options, Spilling(16 << 10));
}

TEST_F(Spilled, CrossJoinsAreInOrder) {
  const auto left = Table({arrow::int64(), arrow::utf8()}, 300, 100, 9);
  const auto right = Table({arrow::int32(), arrow::utf8()}, 250, 100, 10);
  JoinOptions options;
  options.type = JoinType::kCross;
  for (const int64_t work : {4 << 10, 400 << 10}) ExpectSameJoin(left, right, options, Spilling(work));
}

TEST_F(Spilled, JoinsWithOneKeyOfVeryManyRows) {
  const auto heavy = [](int64_t rows, int64_t of_key, int64_t first) {
    arrow::Int64Builder keys;
    arrow::Int64Builder values;
    for (int64_t i = 0; i < rows; ++i) {
      EXPECT_TRUE(keys.Append(i < of_key ? -1 : first + i).ok());
      EXPECT_TRUE(values.Append(i).ok());
    }
    return arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64()), arrow::field("v", arrow::int64())}),
                              {*keys.Finish(), *values.Finish()}, rows);
  };
  struct Shape {
    int64_t left;
    int64_t right;
  };
  // Many on the left, on the right, on both.
  for (const Shape shape : {Shape{3000, 3}, Shape{3, 3000}, Shape{250, 220}}) {
    const auto left = heavy(3500, shape.left, 0);
    const auto right = heavy(3400, shape.right, 2000);
    for (const JoinType type : kTypes) {
      JoinOptions options;
      options.left_keys = {0};
      options.right_keys = {0};
      options.type = type;
      ExpectSameJoin(left, right, options, Spilling(8 << 10));
      if (type != JoinType::kOuter) continue;
      options.algorithm = JoinAlgorithm::kSort;
      ExpectSameJoin(left, right, options, Spilling(8 << 10));
    }
  }
}

void ExpectSameSort(const TablePtr& table, const SortOptions& options, const Context& spilling) {
  ASSERT_TRUE(MustSpill(spilling, table::TableBytes(*table)));
  const auto expected = Sort(table, options, Context{});
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  const auto made = Sort(table, options, spilling);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_TRUE((*made)->ValidateFull().ok());
  EXPECT_TRUE(test::SameRowsInOrder(**made, **expected));
}

TEST_F(Spilled, SortsByEveryKeyType) {
  for (const auto& type : test::KeyTypes()) {
    SCOPED_TRACE(type->ToString());
    // The second column shows whether rows of equal keys keep their order.
    const auto table = Table({type, arrow::int64(), arrow::utf8()}, 2000, 400, 11);
    SortOptions options;
    options.keys = {{0, true}};
    ExpectSameSort(table, options, Spilling(24 << 10));
    options.keys = {{0, false}};
    options.nulls_first = true;
    options.nan_is_null = true;
    ExpectSameSort(table, options, Spilling(24 << 10));
  }
}

TEST_F(Spilled, SortsByTwoKeysWithManyEqual) {
  const auto table = Table(test::AllTypes(), 1500, 9, 12, 0.5);
  SortOptions options;
  options.keys = {{3, true}, {25, false}};
  ExpectSameSort(table, options, Spilling(400 << 10));
}

TEST_F(Spilled, SortsInSeveralPasses) {
  const auto table = Table({arrow::int32(), arrow::int64()}, 6000, 1500, 13);
  SortOptions options;
  options.keys = {{0, true}};
  // More runs than are merged at once.
  ExpectSameSort(table, options, Spilling(3 << 10));
}

TEST_F(Spilled, MergesSortedTables) {
  std::vector<TablePtr> runs;
  SortOptions options;
  options.keys = {{1, true}, {0, false}};
  for (uint64_t seed = 20; seed < 25; ++seed) {
    runs.push_back(*Sort(Table({arrow::utf8(), arrow::int32(), arrow::int64()}, 3000, 400, seed), options, Context{}));
  }
  const auto expected = MergeSorted(runs, options, Context{});
  ASSERT_TRUE(expected.ok());
  const auto made = MergeSorted(runs, options, Spilling(64 << 10));
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_TRUE(test::SameRowsInOrder(**made, **expected));
}

/// With a column that has no missing value, which idxmin asks for.
TablePtr Numbered(const TablePtr& table) { return *AppendRowNumbers(table, "number", -100, Context{}); }

std::vector<Aggregation> Aggregations(bool mergeable) {
  std::vector<Aggregation> out;
  const auto add = [&](AggregateFunction function, int column) {
    Aggregation aggregation;
    aggregation.function = function;
    aggregation.column = column;
    aggregation.name = "a" + std::to_string(out.size());
    out.push_back(aggregation);
  };
  using enum AggregateFunction;
  for (const auto function : {kSum, kCount, kMin, kMax, kFirst, kLast, kMean}) add(function, 2);
  for (const auto function : {kIdxMin, kIdxMax}) add(function, 4);
  add(kSize, -1);
  add(kFirst, 3);
  add(kMax, 3);
  if (!mergeable) {
    add(kNunique, 3);
    add(kMedian, 2);
  }
  return out;
}

TEST_F(Spilled, GroupsByFewAndManyKeys) {
  for (const int64_t cardinality : {5, 3000}) {
    for (const bool mergeable : {true, false}) {
      for (const bool sort : {true, false}) {
        SCOPED_TRACE(std::to_string(cardinality) + (mergeable ? " merged" : " by rows") + (sort ? " sorted" : ""));
        // Values whose sums do not depend on the order.
        const auto table =
            Numbered(Table({arrow::int64(), arrow::utf8(), arrow::int32(), arrow::utf8()}, 8000, cardinality, 14));
        GroupByOptions options;
        options.keys = {0, 1};
        options.aggregations = Aggregations(mergeable);
        options.sort = sort;
        options.drop_null_keys = sort;
        options.first_row = 1000;
        const auto expected = GroupBy(table, options, Context{});
        ASSERT_TRUE(expected.ok()) << expected.status().ToString();
        const Context spilling = Spilling(128 << 10);
        const auto made = GroupBy(table, options, spilling);
        ASSERT_TRUE(made.ok()) << made.status().ToString();
        EXPECT_TRUE((*made)->ValidateFull().ok());
        EXPECT_TRUE((*made)->schema()->Equals(*(*expected)->schema(), false)) << (*made)->schema()->ToString();
        EXPECT_TRUE(test::SameRowsInOrder(**made, **expected));
      }
    }
  }
}

TEST_F(Spilled, GroupsByDictionariesAndHalves) {
  const auto table = Numbered(Table({arrow::dictionary(arrow::int32(), arrow::utf8()), arrow::float64(), arrow::int32(),
                                     arrow::dictionary(arrow::int16(), arrow::utf8())},
                                    6000, 900, 15));
  for (const bool sort : {true, false}) {
    GroupByOptions options;
    options.keys = {0, 1};
    options.aggregations = Aggregations(true);
    options.sort = sort;
    options.nan_is_null = true;
    const auto expected = GroupBy(table, options, Context{});
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    const Context spilling = Spilling(128 << 10);
    const auto partial = GroupByPartial(table, options, spilling);
    ASSERT_TRUE(partial.ok()) << partial.status().ToString();
    const auto made = GroupByFinal(*partial, *table->schema(), options, spilling);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    EXPECT_TRUE(test::SameRowsInOrder(**made, **expected));
  }
}

TEST_F(Spilled, AFullDiskNamesTheOperator) {
  const SpillDirectory full(256 << 10);
  if (!full.ok()) GTEST_SKIP() << "no file system can be mounted here";
  const auto table = Table({arrow::int64(), arrow::float64()}, 100'000, 100'000, 16);
  const auto context = [&] { return SpillingContext(full, 64 << 10, 64 << 10); };
  const auto check = [](const arrow::Status& status, const std::string& name) {
    EXPECT_TRUE(status.IsOutOfMemory()) << status.ToString();
    EXPECT_EQ(status.message().rfind("MemoryLimitExceeded: " + name + ": ", 0), 0U) << status.message();
  };
  JoinOptions join;
  join.left_keys = {0};
  join.right_keys = {0};
  check(Join(table, table, join, context()).status(), "join");
  SortOptions sort;
  sort.keys = {{0, true}};
  check(Sort(table, sort, context()).status(), "sort");
  GroupByOptions groupby;
  groupby.keys = {0};
  groupby.aggregations = {{AggregateFunction::kSum, 1, "sum"}};
  check(GroupBy(table, groupby, context()).status(), "groupby");
  // Nothing stays taken.
  EXPECT_GT(full.free_bytes(), 200 << 10);
}

}  // namespace
}  // namespace weft::kernels
