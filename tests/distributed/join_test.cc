// The join over ranks gives the rows of the join on one rank, whose oracle is in tests/kernels.
#include "weft/distributed/join.h"

#include "distributed/ranks.h"
#include "table/random_table.h"
#include "weft/distributed/slice.h"

namespace weft::distributed {
namespace {

using kernels::JoinAlgorithm;
using kernels::JoinOptions;
using kernels::JoinType;
using test::RandomTable;
using test::TablePtr;

TablePtr Side(const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows, uint64_t seed) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.seed = seed;
  options.cardinality = 40;
  return RandomTable(test::SchemaOf(types), options);
}

void ExpectSameAsLocal(const TablePtr& left, const TablePtr& right, const JoinOptions& options) {
  const Context context;
  const auto expected = kernels::Join(left, right, options, context);
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  const auto expected_rows = test::SortedRows(**expected);
  for (const int world : test::Worlds()) {
    SCOPED_TRACE("world " + std::to_string(world));
    const auto results = test::OnRanks(world, [&](Communicator& communicator) {
      const int rank = communicator.rank();
      return Join(communicator, test::Share(left, rank, world), test::Share(right, rank, world), options, context);
    });
    const auto together = test::Together(results);
    ASSERT_NE(together, nullptr);
    EXPECT_TRUE(together->schema()->Equals(*(*expected)->schema(), false));
    EXPECT_EQ(test::SortedRows(*together), expected_rows);
    if (options.algorithm == JoinAlgorithm::kSort) {
      // Ordered over all ranks by the keys: the key column alone must read as on one rank.
      const auto key = [](const arrow::Table& table) {
        return test::RowsAsText(*table.SelectColumns({0}).ValueOrDie());
      };
      if (options.type == JoinType::kInner) {
        EXPECT_EQ(key(*together), key(**expected));
      }
    }
  }
}

TEST(DistributedJoin, EveryTypeAndAlgorithm) {
  const auto left = Side({arrow::int64(), arrow::utf8(), arrow::float64()}, 300, 1);
  const auto right = Side({arrow::int64(), arrow::int32()}, 200, 2);
  for (const auto type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kOuter, JoinType::kLeftSemi,
                          JoinType::kLeftAnti}) {
    for (const auto algorithm :
         {JoinAlgorithm::kHash, JoinAlgorithm::kSort, JoinAlgorithm::kBroadcast, JoinAlgorithm::kAuto}) {
      JoinOptions options;
      options.left_keys = options.right_keys = {0};
      options.type = type;
      options.algorithm = algorithm;
      options.nan_is_null = true;
      ExpectSameAsLocal(left, right, options);
    }
  }
}

TEST(DistributedJoin, KeysOfEveryType) {
  for (const auto& type : test::KeyTypes()) {
    SCOPED_TRACE(type->ToString());
    JoinOptions options;
    options.left_keys = options.right_keys = {0};
    options.nan_is_null = true;
    options.type = JoinType::kOuter;
    const int64_t rows = type->id() == arrow::Type::NA ? 12 : 60;
    ExpectSameAsLocal(Side({type, arrow::int32()}, rows, 3), Side({type, arrow::utf8()}, rows, 4), options);
  }
}

TEST(DistributedJoin, SeveralKeys) {
  JoinOptions options;
  options.left_keys = {1, 0};
  options.right_keys = {0, 2};
  options.type = JoinType::kLeft;
  ExpectSameAsLocal(Side({arrow::utf8(), arrow::int32(), arrow::boolean()}, 200, 5),
                    Side({arrow::int32(), arrow::float32(), arrow::large_utf8()}, 200, 6), options);
}

TEST(DistributedJoin, ChosenColumnsAndIndicator) {
  const auto left = Side({arrow::utf8(), arrow::int32(), arrow::boolean()}, 90, 5);
  const auto right = Side({arrow::utf8(), arrow::int32(), arrow::float32()}, 80, 6);
  for (const auto type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kOuter}) {
    JoinOptions options;
    options.left_keys = options.right_keys = {0};
    options.type = type;
    options.indicator = "from";
    ExpectSameAsLocal(left, right, options);
    options.columns = {{5, 4, 1}};
    ExpectSameAsLocal(left, right, options);
    options.columns = {{0, 3}};
    ExpectSameAsLocal(left, right, options);
  }
}

TEST(DistributedJoin, Cross) {
  JoinOptions options;
  options.type = JoinType::kCross;
  const auto large = Side({arrow::utf8(), arrow::int32()}, 60, 5);
  const auto small = Side({arrow::utf8()}, 7, 6);
  ExpectSameAsLocal(large, small, options);
  ExpectSameAsLocal(small, large, options);
}

TEST(DistributedJoin, MaintainsTheOrderOfRows) {
  const auto left = Side({arrow::utf8(), arrow::int32()}, 120, 5);
  const auto right = Side({arrow::utf8(), arrow::int16()}, 100, 6);
  for (const auto type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kOuter, JoinType::kCross,
                          JoinType::kLeftSemi, JoinType::kLeftAnti}) {
    JoinOptions options;
    if (type != JoinType::kCross) options.left_keys = options.right_keys = {0};
    options.type = type;
    options.maintain_order = true;
    const Context context;
    const auto expected = kernels::Join(left, right, options, context);
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    for (const int world : test::Worlds()) {
      const auto results = test::OnRanks(world, [&](Communicator& communicator) {
        const int rank = communicator.rank();
        return Join(communicator, test::Share(left, rank, world), test::Share(right, rank, world), options, context);
      });
      const auto together = test::Together(results);
      ASSERT_NE(together, nullptr);
      EXPECT_EQ(test::RowsAsText(*together), test::RowsAsText(**expected)) << world;
    }
  }
}

/// `rows` rows of key 1 and `others` of other keys.
TablePtr Skewed(int64_t rows, int64_t others) {
  arrow::Int64Builder keys;
  for (int64_t i = 0; i < rows + others; ++i) EXPECT_TRUE(keys.Append(i < rows ? 1 : i).ok());
  return arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64())}), {keys.Finish().ValueOrDie()});
}

TEST(DistributedJoin, AHeavyKeyIsSpreadOverTheRanks) {
  for (const auto type : {JoinType::kInner, JoinType::kLeft, JoinType::kLeftSemi, JoinType::kRight}) {
    const bool right_heavy = type == JoinType::kRight;
    const auto heavy = Skewed(20000, 50);
    const auto other = Skewed(1, 30000);
    const auto& left = right_heavy ? other : heavy;
    const auto& right = right_heavy ? heavy : other;
    JoinOptions options;
    options.left_keys = options.right_keys = {0};
    options.type = type;
    ExpectSameAsLocal(left, right, options);
    for (const int world : {3, 5}) {
      const auto results = test::OnRanks(world, [&](Communicator& communicator) {
        const int rank = communicator.rank();
        return Join(communicator, test::Share(left, rank, world), test::Share(right, rank, world), options, Context{});
      });
      const auto together = test::Together(results);
      for (const auto& result : results) {
        EXPECT_LT((*result)->num_rows() * world, 2 * together->num_rows()) << world;
      }
    }
  }
}

TEST(DistributedJoin, EveryRankHasTheErrorAndTheCommunicatorLives) {
  const auto left = Side({arrow::int64()}, 10, 1);
  const auto right = Side({arrow::utf8()}, 10, 1);
  JoinOptions options;
  options.left_keys = options.right_keys = {0};
  const auto results = test::OnRanks(3, [&](Communicator& communicator) -> test::TableResult {
    const auto bad = Join(communicator, left, right, options, Context{});
    EXPECT_TRUE(bad.status().IsTypeError()) << bad.status().ToString();
    return Join(communicator, left, left, options, Context{});
  });
  for (const auto& result : results) EXPECT_TRUE(result.ok()) << result.status().ToString();
}

TEST(DistributedJoin, SchemasThatDifferBetweenRanksAreNamed) {
  const auto ints = Side({arrow::int64()}, 10, 1);
  const auto texts = Side({arrow::utf8()}, 10, 1);
  JoinOptions options;
  options.left_keys = options.right_keys = {0};
  const auto results = test::OnRanks(2, [&](Communicator& communicator) {
    const auto& side = communicator.rank() == 0 ? ints : texts;
    return Join(communicator, side, side, options, Context{});
  });
  for (const auto& result : results) {
    EXPECT_TRUE(result.status().IsTypeError()) << result.status().ToString();
    EXPECT_NE(result.status().message().find("c0"), std::string::npos) << result.status().ToString();
  }
}

}  // namespace
}  // namespace weft::distributed
