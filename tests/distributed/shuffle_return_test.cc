// Answers come back to the rows they belong to.
#include "weft/distributed/shuffle_return.h"

#include "distributed/ranks.h"
#include "table/random_table.h"

namespace weft::distributed {
namespace {

test::TablePtr Random(const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.seed = 5;
  options.cardinality = 20;
  return test::RandomTable(test::SchemaOf(types), options);
}

void ExpectRowsComeBack(const test::TablePtr& table, std::vector<int> keys) {
  for (const int world : test::Worlds()) {
    SCOPED_TRACE("world " + std::to_string(world));
    const auto results = test::OnRanks(world, [&](Communicator& communicator) {
      return ComputeByKey(
          communicator, test::Share(table, communicator.rank(), world), keys, true,
          [](const test::TablePtr& rows) { return test::TableResult(rows); }, "test", Context{});
    });
    const auto together = test::Together(results);
    ASSERT_NE(together, nullptr);
    EXPECT_EQ(test::RowsAsText(*together), test::RowsAsText(*table));
  }
}

TEST(ShuffleReturn, EveryRowComesBackToItsPlace) {
  ExpectRowsComeBack(Random({arrow::int32(), arrow::utf8(), arrow::list(arrow::int64())}, 700), {0});
  ExpectRowsComeBack(Random({arrow::utf8(), arrow::float64()}, 300), {0, 1});
  ExpectRowsComeBack(Random({arrow::utf8(), arrow::float64()}, 0), {0});
}

TEST(ShuffleReturn, KeysLieTogetherInRowOrder) {
  arrow::Int64Builder keys;
  arrow::Int64Builder rows;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(keys.Append(i % 7).ok());
    ASSERT_TRUE(rows.Append(i).ok());
  }
  const auto schema = arrow::schema({arrow::field("k", arrow::int64()), arrow::field("row", arrow::int64())});
  const auto table = arrow::Table::Make(schema, {*keys.Finish(), *rows.Finish()});
  for (const int world : test::Worlds()) {
    const auto results = test::OnRanks(world, [&](Communicator& communicator) {
      // How many rows of the key there were before.
      return ComputeByKey(
          communicator, test::Share(table, communicator.rank(), world), {0}, true,
          [](const test::TablePtr& received) -> test::TableResult {
            ARROW_ASSIGN_OR_RAISE(const auto flat, received->CombineChunks());
            std::vector<int64_t> seen(7);
            std::vector<int64_t> last(7, -1);
            arrow::Int64Builder counts;
            for (int64_t i = 0; i < flat->num_rows(); ++i) {
              const auto key =
                  static_cast<size_t>(std::static_pointer_cast<arrow::Int64Array>(flat->column(0)->chunk(0))->Value(i));
              const int64_t row = std::static_pointer_cast<arrow::Int64Array>(flat->column(1)->chunk(0))->Value(i);
              if (row <= last[key]) return arrow::Status::Invalid("row ", row, " after ", last[key]);
              last[key] = row;
              ARROW_RETURN_NOT_OK(counts.Append(seen[key]++));
            }
            ARROW_ASSIGN_OR_RAISE(auto made, counts.Finish());
            return arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64())}), {made});
          },
          "test", Context{});
    });
    const auto together = test::Together(results);
    ASSERT_NE(together, nullptr);
    const auto flat = *together->CombineChunks();
    for (int64_t i = 0; i < 1000; ++i) {
      EXPECT_EQ(std::static_pointer_cast<arrow::Int64Array>(flat->column(0)->chunk(0))->Value(i), i / 7);
    }
  }
}

TEST(ShuffleReturn, ErrorOfOneRankIsEveryRanks) {
  const auto table = Random({arrow::int32()}, 50);
  const auto results = test::OnRanks(3, [&](Communicator& communicator) {
    return ComputeByKey(
        communicator, test::Share(table, communicator.rank(), 3), {0}, true,
        [&](const test::TablePtr& rows) -> test::TableResult {
          if (communicator.rank() == 1) return arrow::Status::Invalid("this one");
          return rows;
        },
        "test", Context{});
  });
  for (const auto& result : results) {
    EXPECT_TRUE(result.status().IsInvalid());
    EXPECT_NE(result.status().message().find("this one"), std::string::npos) << result.status().ToString();
  }
}

}  // namespace
}  // namespace weft::distributed
