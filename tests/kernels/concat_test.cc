#include "weft/kernels/concat.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "kernels/oracle.h"
#include "table/random_table.h"

namespace weft::kernels {
namespace {

using arrow::field;
using arrow::schema;
using test::RandomTable;

TEST(Concat, EveryTypeInOrder) {
  const auto types = test::SchemaOf(test::AllTypes());
  std::vector<std::shared_ptr<arrow::Table>> tables;
  std::vector<std::string> expected;
  for (uint64_t t = 0; t < 4; ++t) {
    tables.push_back(RandomTable(types, {.seed = t, .rows = t == 1 ? 0 : 100}));
    for (auto& row : test::RowsAsText(*tables.back())) expected.push_back(std::move(row));
  }
  const auto all = Concat(tables, true, {});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE((*all)->ValidateFull().ok());
  EXPECT_TRUE((*all)->schema()->Equals(*types));
  EXPECT_EQ(test::RowsAsText(**all), expected);
}

TEST(Concat, ColumnsThatAreMissing) {
  const auto a = schema({field("x", arrow::int32()), field("y", arrow::utf8())});
  const auto b = schema({field("z", arrow::dictionary(arrow::int8(), arrow::utf8())), field("x", arrow::int32())});
  const auto outer = ConcatSchema({a, b}, true).ValueOrDie();
  EXPECT_EQ(outer->field_names(), (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(ConcatSchema({a, b}, false).ValueOrDie()->field_names(), (std::vector<std::string>{"x"}));
  const auto left = RandomTable(a, {.rows = 30, .null_share = 0});
  const auto right = RandomTable(b, {.rows = 20, .null_share = 0});
  Context context;
  context.threads = 2;
  const auto all = Concat({left, right}, true, context).ValueOrDie();
  ASSERT_TRUE(all->ValidateFull().ok());
  EXPECT_EQ(all->num_rows(), 50);
  EXPECT_EQ(all->column(0)->null_count(), 0);
  EXPECT_EQ(all->column(1)->null_count(), 20);
  EXPECT_EQ(all->column(2)->null_count(), 30);
  EXPECT_TRUE(all->column(0)->Slice(30)->Equals(*right->column(1)));
}

TEST(Concat, TypesThatDiffer) {
  struct Case {
    std::shared_ptr<arrow::DataType> a, b, common;
  };
  const std::vector<Case> cases{
      {arrow::int8(), arrow::int64(), arrow::int64()},
      {arrow::int32(), arrow::float64(), arrow::float64()},
      {arrow::int64(), arrow::float64(), arrow::float64()},
      {arrow::uint8(), arrow::int16(), arrow::int16()},
      {arrow::float32(), arrow::float64(), arrow::float64()},
      {arrow::utf8(), arrow::large_utf8(), arrow::large_utf8()},
      {arrow::null(), arrow::utf8(), arrow::utf8()},
      {arrow::null(), arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::dictionary(arrow::int8(), arrow::utf8())},
      {arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::utf8(), arrow::utf8()},
      {arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::dictionary(arrow::int32(), arrow::utf8()),
       arrow::utf8()},
      {arrow::timestamp(arrow::TimeUnit::SECOND), arrow::timestamp(arrow::TimeUnit::MILLI),
       arrow::timestamp(arrow::TimeUnit::MILLI)}};
  for (const Case& c : cases) {
    for (const bool swapped : {false, true}) {
      const auto first =
          RandomTable(schema({field("v", swapped ? c.b : c.a)}), {.seed = 1, .rows = 40, .extremes = false});
      const auto second =
          RandomTable(schema({field("v", swapped ? c.a : c.b)}), {.seed = 2, .rows = 40, .extremes = false});
      const auto all = Concat({first, second}, true, {});
      ASSERT_TRUE(all.ok()) << all.status();
      ASSERT_TRUE((*all)->ValidateFull().ok());
      EXPECT_TRUE((*all)->schema()->field(0)->type()->Equals(*c.common)) << (*all)->schema()->ToString();
      const auto cells = test::CellsOf(*(*all)->column(0));
      const auto before = test::CellsOf(*first->column(0));
      const auto after = test::CellsOf(*second->column(0));
      for (size_t i = 0; i < 40; ++i) {
        ASSERT_EQ(cells[i].is_null(), before[i].is_null());
        ASSERT_EQ(cells[40 + i].is_null(), after[i].is_null());
        ASSERT_EQ(cells[i].bytes, before[i].bytes);
      }
    }
  }
}

TEST(Concat, NothingIsCopiedWhereTypesAgree) {
  const auto table = RandomTable(schema({field("x", arrow::int32())}), {.rows = 10, .chunks = 1});
  const auto twice = Concat({table, table}, true, {}).ValueOrDie();
  EXPECT_EQ(twice->column(0)->chunk(0)->data()->buffers[1], table->column(0)->chunk(0)->data()->buffers[1]);
}

TEST(Concat, SaysWhatIsWrong) {
  EXPECT_TRUE(Concat({}, true, {}).status().IsInvalid());
  const auto numbers = schema({field("v", arrow::int32())});
  const auto text = schema({field("v", arrow::utf8())});
  const auto status = ConcatSchema({numbers, text}, true).status();
  EXPECT_TRUE(status.IsTypeError()) << status;
  for (const char* part : {"concat", "'v'", "int32", "string"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
  }
  EXPECT_TRUE(
      ConcatSchema({schema({field("v", arrow::int8()), field("v", arrow::int8())})}, true).status().IsInvalid());
  // A value that the common type cannot hold.
  arrow::UInt64Builder builder;
  ASSERT_TRUE(builder.Append(~uint64_t{0}).ok());
  const auto large = arrow::Table::Make(schema({field("v", arrow::uint64())}), {builder.Finish().ValueOrDie()});
  const auto failed = Concat({large, RandomTable(numbers, {.rows = 1})}, true, {}).status();
  EXPECT_TRUE(failed.IsInvalid()) << failed;
  EXPECT_NE(failed.message().find("'v'"), std::string::npos) << failed;
}

TEST(Conform, CastsAndFills) {
  const auto table = RandomTable(schema({field("b", arrow::int8()), field("a", arrow::int16())}), {.rows = 20});
  const auto wanted = schema({field("a", arrow::int64()), field("new", arrow::utf8())});
  const auto out = Conform(table, wanted, {}).ValueOrDie();
  ASSERT_TRUE(out->ValidateFull().ok());
  EXPECT_TRUE(out->schema()->Equals(*wanted));
  EXPECT_EQ(out->num_rows(), 20);
  EXPECT_EQ(out->column(1)->null_count(), 20);
  EXPECT_TRUE(Conform(table, schema({field("c", arrow::int8(), false)}), {}).status().IsInvalid());
}

}  // namespace
}  // namespace weft::kernels
