// The asof join over ranks gives the rows of the one on one rank, whose oracle is in tests/kernels, in their places.
#include "weft/distributed/asof_join.h"

#include <algorithm>

#include "distributed/ranks.h"
#include "table/random_table.h"
#include "weft/distributed/set_operations.h"
#include "weft/kernels/sort.h"

namespace weft::distributed {
namespace {

using test::TablePtr;

TablePtr Sorted(int64_t rows, uint64_t seed) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.seed = seed;
  options.cardinality = 60;
  options.null_share = 0;
  const auto table = test::RandomTable(test::SchemaOf({arrow::int32(), arrow::int8(), arrow::utf8()}), options);
  kernels::SortOptions sort;
  sort.keys = {{0, true}};
  return kernels::Sort(table, sort, Context()).ValueOrDie();
}

TEST(DistributedAsofJoin, SameAsOnOneRankInTheLeftsPlaces) {
  const auto left = Sorted(120, 1);
  const auto right = Sorted(90, 2);
  for (int variant = 0; variant < 6; ++variant) {
    kernels::AsofOptions options;
    options.direction = static_cast<kernels::AsofDirection>(variant % 3);
    if (variant >= 3) options.left_by = options.right_by = {1};
    const auto expected = kernels::AsofJoin(left, right, options, Context());
    ASSERT_TRUE(expected.ok()) << expected.status();
    for (const int world : test::Worlds()) {
      const auto results = test::OnRanks(world, [&](Communicator& communicator) {
        const int rank = communicator.rank();
        return AsofJoin(communicator, test::Share(left, rank, world), test::Share(right, rank, world), options,
                        Context());
      });
      const auto together = test::Together(results);
      ASSERT_NE(together, nullptr);
      EXPECT_EQ(test::RowsAsText(*together), test::RowsAsText(**expected)) << variant << ", world " << world;
      for (int rank = 0; rank < world; ++rank) {
        EXPECT_EQ((*results[static_cast<size_t>(rank)])->num_rows(), test::Share(left, rank, world)->num_rows());
      }
    }
  }
}

TEST(DistributedAsofJoin, EveryRankIsToldThatRanksAreNotInOrder) {
  const auto left = Sorted(40, 1);
  const auto results = test::OnRanks(3, [&](Communicator& communicator) {
    const int other = communicator.world_size() - 1 - communicator.rank();
    return AsofJoin(communicator, test::Share(left, other, 3), test::Share(left, communicator.rank(), 3), {},
                    Context());
  });
  for (const auto& result : results) EXPECT_TRUE(result.status().IsInvalid()) << result.status().ToString();
}

TEST(DistributedSets, SameAsOnOneRank) {
  const auto left = Sorted(100, 3)->SelectColumns({0, 1}).ValueOrDie();
  const auto right = Sorted(100, 4)->SelectColumns({0, 1}).ValueOrDie();
  for (int variant = 0; variant < 6; ++variant) {
    const kernels::SetOptions options{static_cast<kernels::SetOperation>(variant % 3), variant >= 3};
    const auto expected = kernels::CombineSets(left, right, options, Context());
    ASSERT_TRUE(expected.ok()) << expected.status();
    for (const int world : {1, 3, 4}) {
      const auto results = test::OnRanks(world, [&](Communicator& communicator) {
        const int rank = communicator.rank();
        return CombineSets(communicator, test::Share(left, rank, world), test::Share(right, rank, world), options,
                           Context());
      });
      const auto together = test::Together(results);
      ASSERT_NE(together, nullptr);
      EXPECT_EQ(test::SortedRows(*together), test::SortedRows(**expected)) << variant << ", world " << world;
    }
  }
}

}  // namespace
}  // namespace weft::distributed
