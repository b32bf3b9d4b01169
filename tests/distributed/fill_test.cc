// Filling and aligning over ranks against plain oracles.
#include "weft/distributed/fill.h"

#include <optional>

#include "distributed/ranks.h"
#include "table/random_table.h"
#include "weft/distributed/align.h"

namespace weft::distributed {
namespace {

using Values = std::vector<std::optional<int64_t>>;

test::TablePtr TableOf(const Values& values) {
  arrow::Int64Builder builder;
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return arrow::Table::Make(arrow::schema({arrow::field("v", arrow::int64())}), {builder.Finish().ValueOrDie()});
}

/// Row by row.
Values Filled(const Values& values, bool forward, int64_t limit) {
  Values made = values;
  const auto rows = static_cast<int64_t>(values.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t away = 0; limit < 0 || away <= limit; ++away) {
      const int64_t from = forward ? row - away : row + away;
      if (from < 0 || from >= rows) break;
      if (!values[static_cast<size_t>(from)]) continue;
      made[static_cast<size_t>(row)] = values[static_cast<size_t>(from)];
      break;
    }
  }
  return made;
}

TEST(DistributedFill, AcrossRanks) {
  uint64_t state = 7;
  for (const size_t rows : {0U, 1U, 5U, 40U}) {
    Values values;
    for (size_t i = 0; i < rows; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      values.push_back((state >> 60) < 4 ? std::optional<int64_t>(static_cast<int64_t>(i)) : std::nullopt);
    }
    for (const bool forward : {true, false}) {
      for (const int64_t limit : {-1, 1, 3}) {
        const auto expected = test::RowsAsText(*TableOf(Filled(values, forward, limit)));
        for (const int world : test::Worlds()) {
          const auto whole = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
            const auto part = test::Share(TableOf(values), communicator.rank(), world);
            return Fill(communicator, part, {{0}, forward, limit}, Context{});
          }));
          ASSERT_NE(whole, nullptr);
          EXPECT_EQ(test::RowsAsText(*whole), expected)
              << world << " ranks, forward " << forward << ", limit " << limit;
        }
      }
    }
  }
}

TEST(DistributedAlign, MovesRowsBesideOthers) {
  test::RandomTableOptions options;
  options.rows = 50;
  const auto table = test::RandomTable(test::SchemaOf({arrow::int32(), arrow::utf8()}), options);
  for (const int world : test::Worlds()) {
    const auto whole = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
      const Rank rank = communicator.rank();
      // All of the left side's rows lie on the last rank.
      const auto left = table->Slice(rank == world - 1 ? 0 : 50);
      const auto right = test::Share(table, rank, world);
      auto aligned = Align(communicator, left, right, 2, "test", Context{});
      EXPECT_TRUE(!aligned.ok() || (*aligned)->num_rows() == left->num_rows());
      return aligned;
    }));
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(test::RowsAsText(*whole), test::RowsAsText(*table));
  }
}

TEST(DistributedAlign, SaysWhatDiffers) {
  const auto table = TableOf({1, 2, 3, 4});
  const auto other = TableOf({1, 2, 3, 5});
  for (const int world : {1, 3}) {
    for (const auto& result : test::OnRanks(world, [&](Communicator& communicator) {
           const auto part = test::Share(table, communicator.rank(), world);
           return Align(communicator, part, part->Slice(0, communicator.rank() == 0 ? 0 : 1), 0, "test", Context{});
         })) {
      EXPECT_TRUE(result.status().IsInvalid()) << result.status();
    }
    for (const auto& result : test::OnRanks(world, [&](Communicator& communicator) {
           const Rank rank = communicator.rank();
           return Align(communicator, test::Share(table, rank, world), test::Share(other, rank, world), 1, "test",
                        Context{});
         })) {
      EXPECT_TRUE(result.status().IsInvalid()) << result.status();
      EXPECT_NE(result.status().message().find("indexes (v) differ"), std::string::npos) << result.status();
    }
  }
}

}  // namespace
}  // namespace weft::distributed
