// Unique, slice, repartition and concat over ranks against plain oracles.
#include <algorithm>
#include <set>

#include "distributed/ranks.h"
#include "table/random_table.h"
#include "weft/distributed/concat.h"
#include "weft/distributed/slice.h"
#include "weft/distributed/unique.h"

namespace weft::distributed {
namespace {

test::TablePtr Random(int64_t rows, uint64_t seed) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.seed = seed;
  options.cardinality = 25;
  options.extremes = false;
  return test::RandomTable(test::SchemaOf({arrow::int32(), arrow::utf8(), arrow::list(arrow::int32())}), options);
}

TEST(DistributedUnique, KeepsTheFirstOfEach) {
  const auto table = Random(600, 1);
  const auto rows = test::RowsAsText(*table);
  const auto keys = test::RowsAsText(*table->SelectColumns({0, 1}).ValueOrDie());
  std::set<std::string> seen;
  std::vector<std::string> expected;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (seen.insert(keys[i]).second) expected.push_back(rows[i]);
  }
  std::sort(expected.begin(), expected.end());
  kernels::UniqueOptions options;
  options.columns = {0, 1};
  for (const int world : test::Worlds()) {
    const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
      return Unique(communicator, test::Share(table, communicator.rank(), world), options, Context{});
    }));
    ASSERT_NE(together, nullptr);
    auto got = test::RowsAsText(*together);
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, expected) << "world " << world;
  }
}

TEST(DistributedUnique, ListColumnsAreRefusedByName) {
  const auto table = Random(20, 1);
  for (const auto& result :
       test::OnRanks(2, [&](Communicator& communicator) { return Unique(communicator, table, {}, Context{}); })) {
    EXPECT_TRUE(result.status().IsTypeError()) << result.status().ToString();
    EXPECT_NE(result.status().message().find("c2"), std::string::npos) << result.status().ToString();
  }
}

TEST(DistributedSlice, GlobalPositions) {
  const auto table = Random(101, 2);
  const auto rows = test::RowsAsText(*table);
  for (const int world : test::Worlds()) {
    for (const auto& [offset, length] : std::vector<std::pair<int64_t, int64_t>>{
             {0, 10}, {5, 90}, {100, 50}, {101, 1}, {500, 1}, {3, 0}, {0, INT64_MAX}, {7, INT64_MAX}}) {
      const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
        return Slice(communicator, test::Share(table, communicator.rank(), world), offset, length);
      }));
      ASSERT_NE(together, nullptr);
      const auto begin = std::min<size_t>(static_cast<size_t>(offset), rows.size());
      const auto end = length > 1000 ? rows.size() : std::min(rows.size(), begin + static_cast<size_t>(length));
      const std::vector<std::string> expected(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                              rows.begin() + static_cast<std::ptrdiff_t>(end));
      EXPECT_EQ(test::RowsAsText(*together), expected) << "world " << world << " offset " << offset;
    }
  }
}

TEST(DistributedRepartition, EvenAndInOrder) {
  const auto table = Random(103, 3);
  for (const int world : test::Worlds()) {
    const auto results = test::OnRanks(world, [&](Communicator& communicator) {
      return Repartition(communicator, test::Share(table, communicator.rank(), world), Context{});
    });
    const auto together = test::Together(results);
    ASSERT_NE(together, nullptr);
    EXPECT_EQ(test::RowsAsText(*together), test::RowsAsText(*table));
    for (const auto& result : results) {
      EXPECT_GE((*result)->num_rows(), 103 / world);
      EXPECT_LE((*result)->num_rows(), 103 / world + 1);
    }
  }
}

TEST(DistributedConcat, OrderOfTablesThenRanks) {
  const auto a = Random(50, 4);
  const auto b = Random(77, 5);
  const auto expected = test::RowsAsText(*arrow::ConcatenateTables({a, b}).ValueOrDie());
  for (const int world : test::Worlds()) {
    const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
      const int rank = communicator.rank();
      return Concat(communicator, {test::Share(a, rank, world), test::Share(b, rank, world)}, true, Context{});
    }));
    ASSERT_NE(together, nullptr);
    EXPECT_EQ(test::RowsAsText(*together), expected) << "world " << world;
  }
}

TEST(DistributedTotalRows, Counts) {
  const auto table = Random(42, 6);
  test::OnRanks(3, [&](Communicator& communicator) -> test::TableResult {
    const auto rows = TotalRows(communicator, *test::Share(table, communicator.rank(), 3));
    EXPECT_EQ(rows.ValueOr(-1), 42);
    return table;
  });
}

}  // namespace
}  // namespace weft::distributed
