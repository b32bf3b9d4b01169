#include "table/random_table.h"

namespace weft::test {
namespace {

TEST(RandomTable, MakesValidTablesOfEveryType) {
  const auto schema = SchemaOf(AllTypes());
  for (const bool sliced : {false, true}) {
    for (const int64_t rows : {0, 1, 7, 500}) {
      RandomTableOptions options;
      options.rows = rows;
      options.sliced = sliced;
      options.ragged = sliced;
      const auto table = RandomTable(schema, options);
      ASSERT_EQ(table->num_rows(), rows);
      const arrow::Status valid = table->ValidateFull();
      ASSERT_TRUE(valid.ok()) << valid.ToString();
    }
  }
}

TEST(RandomTable, IsTheSameForTheSameSeedAndOtherwiseNot) {
  const auto schema = SchemaOf(KeyTypes());
  RandomTableOptions options;
  const auto a = RandomTable(schema, options);
  EXPECT_TRUE(SameRowsInOrder(*a, *RandomTable(schema, options)));
  options.seed = 2;
  EXPECT_FALSE(SameRows(*a, *RandomTable(schema, options)));
}

TEST(RandomTable, ComparisonMindsValuesAndNotOrder) {
  const auto schema = SchemaOf({arrow::int64()});
  RandomTableOptions options;
  options.rows = 50;
  const auto a = RandomTable(schema, options);
  const auto swapped = arrow::ConcatenateTables({a->Slice(20), a->Slice(0, 20)}).ValueOrDie();
  EXPECT_TRUE(SameRows(*a, *swapped));
  EXPECT_FALSE(SameRowsInOrder(*a, *swapped));
  EXPECT_FALSE(SameRows(*a, *a->Slice(1)));
}

TEST(RandomTable, ZeroColumnsKeepTheirRows) {
  RandomTableOptions options;
  const auto table = RandomTable(arrow::schema(arrow::FieldVector{}), options);
  EXPECT_EQ(table->num_rows(), options.rows);
  EXPECT_EQ(RowsAsText(*table).size(), static_cast<size_t>(options.rows));
}

}  // namespace
}  // namespace weft::test
