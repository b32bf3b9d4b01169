#include "weft/table/runs.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "table/random_table.h"

namespace weft::table {
namespace {

using arrow::int32;
using arrow::int64;
using arrow::run_end_encoded;
using arrow::utf8;
using test::RandomTable;
using test::SchemaOf;

std::shared_ptr<arrow::Array> Json(const std::shared_ptr<arrow::DataType>& type, const std::string& text) {
  return arrow::json::ArrayFromJSONString(type, text).ValueOrDie();
}

TEST(Runs, TypesThatMayStay) {
  EXPECT_TRUE(HasRuns(*run_end_encoded(int32(), utf8())));
  EXPECT_FALSE(HasRuns(*utf8()));
  EXPECT_FALSE(HasRuns(*run_end_encoded(int64(), utf8())));
  EXPECT_FALSE(HasRuns(*run_end_encoded(int32(), arrow::list(int64()))));
  EXPECT_FALSE(HasRuns(*run_end_encoded(int32(), arrow::null())));
  EXPECT_FALSE(HasRuns(*run_end_encoded(int32(), arrow::dictionary(int32(), utf8()))));
  const auto schema = arrow::schema({arrow::field("a", int64()), arrow::field("b", run_end_encoded(int64(), utf8()))},
                                    arrow::key_value_metadata({"key"}, {"value"}));
  EXPECT_TRUE(HasRuns(*schema));
  const auto plain = WithoutRuns(schema);
  EXPECT_TRUE(
      plain->Equals(*arrow::schema({arrow::field("a", int64()), arrow::field("b", utf8())}, schema->metadata()), true));
  EXPECT_FALSE(HasRuns(*plain));
  EXPECT_EQ(WithoutRuns(plain), plain);
}

TEST(Runs, TablesKeepTheirValues) {
  auto types = test::RunTypes();
  types.push_back(int64());
  for (const double nulls : {0.0, 0.3, 1.0}) {
    for (const int64_t rows : {0, 1, 700}) {
      const auto table = RandomTable(SchemaOf(types), {.seed = 3, .rows = rows, .null_share = nulls, .ragged = true});
      const auto plain = WithoutRuns(table, Context()).ValueOrDie();
      ASSERT_TRUE(plain->ValidateFull().ok()) << plain->ValidateFull();
      EXPECT_FALSE(HasRuns(*plain->schema()));
      EXPECT_TRUE(test::SameRowsInOrder(*table, *plain));
      const std::vector<int> some = {1, 6};
      const auto partly = WithoutRuns(table, some, Context()).ValueOrDie();
      EXPECT_TRUE(test::SameRowsInOrder(*table, *partly));
      for (int c = 0; c < table->num_columns(); ++c) {
        EXPECT_EQ(HasRuns(*partly->field(c)->type()), c != 1 && c != 6 && HasRuns(*table->field(c)->type()));
      }
      EXPECT_EQ(WithOurRuns(table, Context()).ValueOrDie(), table);
    }
  }
}

/// Other ends become ours, whatever the slice; values that cannot stay encoded are decoded.
TEST(Runs, OfEveryKind) {
  const auto lists = Json(arrow::list(int64()), "[[1, 2], null, []]");
  const auto words =
      arrow::json::DictArrayFromJSONString(arrow::dictionary(arrow::int8(), utf8()), "[1, null, 0]", R"(["x", "y"])")
          .ValueOrDie();
  const auto texts = Json(utf8(), R"(["a", null, "b"])");
  for (const auto& ends_type : {arrow::int16(), int32(), int64()}) {
    const auto ends = Json(ends_type, "[2, 3, 7]");
    for (const auto& values : {lists, words, texts}) {
      SCOPED_TRACE(ends_type->ToString() + " " + values->type()->ToString());
      const std::shared_ptr<arrow::Array> whole = arrow::RunEndEncodedArray::Make(7, ends, values).ValueOrDie();
      const auto column = std::make_shared<arrow::ChunkedArray>(
          arrow::ArrayVector{whole, whole->Slice(1, 4), whole->Slice(7, 0), whole->Slice(2, 1)});
      const auto table = arrow::Table::Make(arrow::schema({arrow::field("c", whole->type())}), {column});
      const auto ours = WithOurRuns(table, Context()).ValueOrDie();
      ASSERT_TRUE(ours->ValidateFull().ok()) << ours->ValidateFull();
      EXPECT_EQ(HasRuns(*ours->field(0)->type()), values == texts);
      EXPECT_EQ(HasRuns(*ours->schema()), values == texts);
      EXPECT_TRUE(test::SameRowsInOrder(*table, *ours));
      EXPECT_TRUE(test::SameRowsInOrder(*table, *WithoutRuns(table, Context()).ValueOrDie()));
    }
  }
}

TEST(Runs, PayWhereTheyAreLong) {
  EXPECT_TRUE(RunsPay(8, 1000, 10, 2));
  EXPECT_FALSE(RunsPay(8, 1000, 1000, 1));
  EXPECT_FALSE(RunsPay(8, 1000, 500, 2));
  EXPECT_TRUE(RunsPay(8, 1000, 100, 2));
  EXPECT_TRUE(RunsPay(100, 1000, 200, 2));
  // Over many ranks every row is a run of its own.
  EXPECT_FALSE(RunsPay(8, 1000, 100, 1000));
  EXPECT_FALSE(RunsPay(0.125, 1000, 500, 1));
  EXPECT_TRUE(RunsPay(8, 0, 0, 2));
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("long", run_end_encoded(int32(), int64())),
                     arrow::field("short", run_end_encoded(int32(), int64()))}),
      {arrow::RunEndEncodedArray::Make(6, Json(int32(), "[6]"), Json(int64(), "[1]")).ValueOrDie(),
       arrow::RunEndEncodedArray::Make(6, Json(int32(), "[1, 2, 3, 4, 5, 6]"), Json(int64(), "[1, 2, 3, 4, 5, 6]"))
           .ValueOrDie()});
  const auto kept = WithRunsThatPay(table, 2, Context()).ValueOrDie();
  EXPECT_TRUE(HasRuns(*kept->field(0)->type()));
  EXPECT_FALSE(HasRuns(*kept->field(1)->type()));
  EXPECT_TRUE(test::SameRowsInOrder(*table, *kept));
}

}  // namespace
}  // namespace weft::table
