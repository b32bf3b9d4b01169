#include "weft/kernels/filter.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <gtest/gtest.h>

#include "kernels/oracle.h"
#include "table/random_table.h"

namespace weft::kernels {
namespace {

namespace ac = arrow::compute;
using test::RandomTable;
using test::SchemaOf;

Context Threads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

ac::Expression Less(const std::string& column, int32_t value) {
  return ac::call("less", {ac::field_ref(column), ac::literal(value)});
}

TEST(Filter, RowsOfEveryTypeWhereTrue) {
  auto types = test::AllTypes();
  types.insert(types.begin(), arrow::int32());
  for (const int64_t rows : {0, 1, 900}) {
    for (const int chunks : {1, 5}) {
      const auto table = RandomTable(
          SchemaOf(types), {.rows = rows, .cardinality = 20, .extremes = false, .chunks = chunks, .ragged = true});
      const auto cells = test::CellsOf(*table->column(0));
      const auto text = test::RowsAsText(*table);
      std::vector<std::string> expected;
      for (size_t i = 0; i < text.size(); ++i) {
        if (!cells[i].is_null() && cells[i].number < arrow::Decimal256(0)) expected.push_back(text[i]);
      }
      for (const int threads : {1, 2}) {
        const auto kept = Filter(table, Less("c0", 0), Threads(threads));
        ASSERT_TRUE(kept.ok()) << kept.status();
        ASSERT_TRUE((*kept)->ValidateFull().ok());
        ASSERT_TRUE((*kept)->schema()->Equals(*table->schema()));
        EXPECT_EQ(test::RowsAsText(**kept), expected);
      }
    }
  }
}

TEST(Filter, ManyBatchesAndScalars) {
  const auto table = RandomTable(SchemaOf({arrow::int32()}), {.rows = 140000, .cardinality = 1000});
  const auto some = Filter(table, Less("c0", 0), Threads(2)).ValueOrDie();
  int64_t expected = 0;
  for (const auto& cell : test::CellsOf(*table->column(0))) {
    expected += !cell.is_null() && cell.number < arrow::Decimal256(0) ? 1 : 0;
  }
  EXPECT_EQ(some->num_rows(), expected);
  EXPECT_EQ(Filter(table, ac::literal(true), Threads(2)).ValueOrDie()->num_rows(), 140000);
  EXPECT_EQ(Filter(table, ac::literal(false), Threads(2)).ValueOrDie()->num_rows(), 0);
}

TEST(Filter, ConditionsOneAfterTheOther) {
  // Few rows are left before conditions on texts, and in some batches none.
  for (const double nulls : {0.0, 0.3}) {
    const auto table = RandomTable(SchemaOf({arrow::int32(), arrow::utf8(), arrow::int32()}),
                                   {.rows = 300000, .null_share = nulls, .cardinality = 1000});
    const auto is_text = ac::call("greater", {ac::field_ref("c1"), ac::literal("M")});
    for (const auto& first : {Less("c0", -1500000000), Less("c0", 0), Less("c0", 2000000000)}) {
      const auto all = ac::call(
          "and_kleene", {ac::call("and", {first, is_text}), ac::call("and_kleene", {Less("c2", 500000000), is_text})});
      const auto found = Filter(table, all, Threads(2)).ValueOrDie();
      auto expected = table;
      for (const auto& one : {first, is_text, Less("c2", 500000000)}) {
        expected = Filter(expected, one, Threads(1)).ValueOrDie();
      }
      ASSERT_TRUE(found->ValidateFull().ok());
      EXPECT_TRUE(found->Equals(*expected));
    }
    const auto none = Filter(table, ac::and_(ac::literal(false), is_text), Threads(2)).ValueOrDie();
    EXPECT_EQ(none->num_rows(), 0);
  }
}

/// Texts of three letters and line breaks, long enough all together for whole strips of the search.
std::shared_ptr<arrow::Table> Texts(const std::shared_ptr<arrow::DataType>& type, int64_t rows) {
  test::Random random(7);
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < rows; ++i) {
    std::string text;
    for (int64_t length = random.Below(40); length > 0; --length)
      text += "abc\n"[random.Below(16) == 0 ? 3 : random.Below(3)];
    EXPECT_TRUE((random.Below(10) == 0 ? builder.AppendNull() : builder.Append(text)).ok());
  }
  const auto texts = ac::Cast(arrow::Datum(builder.Finish().ValueOrDie()), type).ValueOrDie().make_array();
  // Chunks begin within the array.
  const auto chunks = std::make_shared<arrow::ChunkedArray>(
      arrow::ArrayVector{texts->Slice(3, rows / 2), texts->Slice(rows / 2 + 3)}, type);
  return arrow::Table::Make(arrow::schema({arrow::field("c0", type)}), {chunks});
}

TEST(Filter, PatternsOfPiecesAsArrowHasThem) {
  const std::vector<std::string> patterns{"abc",   "a",     "aa.*bb", "ab.*ca.*cb", ".*cab.*", "",    ".*",
                                          "a.*?b", "b+.*a", "ab\\.",  "cc.*c\na",   "a..b",    "^ab", "b.*.*a"};
  for (const auto& type : {arrow::utf8(), arrow::large_utf8(), arrow::binary(), arrow::large_binary()}) {
    const auto table = Texts(type, 3000);
    for (const char* function : {"match_substring", "match_substring_regex"}) {
      for (const std::string& pattern : patterns) {
        for (const bool ignore_case : {false, true}) {
          SCOPED_TRACE(type->ToString() + " " + function + " " + pattern);
          const ac::MatchSubstringOptions options(pattern, ignore_case);
          const auto found = Project(table, {{"x", ac::call(function, {ac::field_ref("c0")}, options)}}, Threads(2));
          ASSERT_TRUE(found.ok()) << found.status();
          const auto expected = ac::CallFunction(function, {table->column(0)}, &options).ValueOrDie();
          EXPECT_TRUE((*found)->column(0)->Equals(*expected.chunked_array()));
        }
      }
    }
  }
}

TEST(Filter, SaysWhatIsWrong) {
  const auto table = RandomTable(SchemaOf({arrow::int32(), arrow::utf8()}), {.rows = 10});
  auto status = Filter(table, Less("c7", 0), {}).status();
  EXPECT_TRUE(status.IsKeyError()) << status;
  for (const char* part : {"filter", "c7", "c0", "c1"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
  }
  EXPECT_TRUE(Filter(table, ac::field_ref(5), {}).status().IsKeyError());
  status = Filter(table, ac::field_ref("c0"), {}).status();
  EXPECT_TRUE(status.IsTypeError()) << status;
  status = Filter(table, ac::call("less", {ac::field_ref("c1"), ac::field_ref("c0")}), {}).status();
  EXPECT_TRUE(status.IsTypeError()) << status;
  EXPECT_TRUE(Filter(table, ac::call("no_such_function", {ac::field_ref("c1")}), {}).status().IsInvalid());
}

TEST(Project, ColumnsAndExpressions) {
  const auto schema = SchemaOf({arrow::int32(), arrow::utf8()});
  for (const int64_t rows : {0, 5, 140000}) {
    const auto table = RandomTable(schema, {.rows = rows, .cardinality = 50, .extremes = false});
    for (const int threads : {1, 2}) {
      const auto out =
          Project(table, {{"text", ac::field_ref("c1")}, {"negative", Less("c0", 0)}, {"one", ac::literal("x")}},
                  Threads(threads));
      ASSERT_TRUE(out.ok()) << out.status();
      ASSERT_TRUE((*out)->ValidateFull().ok());
      ASSERT_EQ((*out)->num_rows(), rows);
      EXPECT_EQ((*out)->schema()->field_names(), (std::vector<std::string>{"text", "negative", "one"}));
      EXPECT_TRUE((*out)->column(0)->Equals(*table->column(1)));
      const auto before = test::CellsOf(*table->column(0));
      const auto after = test::CellsOf(*(*out)->column(1));
      const auto ones = test::CellsOf(*(*out)->column(2));
      for (size_t i = 0; i < before.size(); ++i) {
        ASSERT_EQ(after[i].is_null(), before[i].is_null());
        if (!after[i].is_null()) {
          ASSERT_EQ(after[i].number, arrow::Decimal256(before[i].number < arrow::Decimal256(0) ? 1 : 0));
        }
        ASSERT_EQ(ones[i].bytes, "x");
      }
    }
  }
}

TEST(Project, SaysWhatIsWrong) {
  const auto table = RandomTable(SchemaOf({arrow::int32()}), {.rows = 10});
  const auto status = Project(table, {{"x", ac::field_ref("c")}}, {}).status();
  EXPECT_TRUE(status.IsKeyError()) << status;
  EXPECT_NE(status.message().find("project"), std::string::npos);
  // An error while computing names the operator.
  const auto zero =
      Project(table, {{"x", ac::call("divide", {ac::field_ref("c0"), ac::literal(int32_t{0})})}}, {}).status();
  EXPECT_TRUE(zero.IsInvalid()) << zero;
  EXPECT_NE(zero.message().find("project"), std::string::npos) << zero;
}

}  // namespace
}  // namespace weft::kernels
