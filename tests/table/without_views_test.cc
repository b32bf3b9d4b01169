#include "weft/table/without_views.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <string>

namespace weft::table {
namespace {

std::shared_ptr<arrow::Array> Json(const std::shared_ptr<arrow::DataType>& type, const std::string& text) {
  return arrow::json::ArrayFromJSONString(type, text).ValueOrDie();
}

TEST(WithoutViews, TypesOfEveryDepth) {
  const auto view = arrow::utf8_view();
  EXPECT_TRUE(WithoutViews(view)->Equals(*arrow::utf8()));
  EXPECT_TRUE(WithoutViews(arrow::binary_view())->Equals(*arrow::binary()));
  EXPECT_TRUE(WithoutViews(arrow::list(view))->Equals(*arrow::list(arrow::utf8())));
  EXPECT_TRUE(WithoutViews(arrow::list_view(arrow::int8()))->Equals(*arrow::list(arrow::int8())));
  EXPECT_TRUE(WithoutViews(arrow::large_list_view(view))->Equals(*arrow::large_list(arrow::utf8())));
  const auto nested = arrow::struct_({arrow::field("a", arrow::list(view)), arrow::field("b", arrow::int64())});
  EXPECT_TRUE(WithoutViews(nested)->Equals(
      *arrow::struct_({arrow::field("a", arrow::list(arrow::utf8())), arrow::field("b", arrow::int64())})));
  for (const auto& plain : {arrow::int64(), arrow::utf8(), arrow::list(arrow::utf8())}) {
    EXPECT_EQ(WithoutViews(plain), plain);
  }
}

TEST(WithoutViews, Tables) {
  const std::string texts = R"(["a", null, "a text of more than twelve bytes", ""])";
  const std::string lists = R"([["a", null], null, [], ["a text of more than twelve bytes"]])";
  const auto numbers = Json(arrow::int64(), "[1, 2, null, 4]");
  const auto schema = arrow::schema({arrow::field("t", arrow::utf8_view()), arrow::field("n", arrow::int64()),
                                     arrow::field("l", arrow::list(arrow::utf8_view()))},
                                    arrow::key_value_metadata({"key"}, {"value"}));
  const auto table = arrow::Table::Make(
      schema, {Json(arrow::utf8_view(), texts), numbers, Json(arrow::list(arrow::utf8_view()), lists)});
  const auto plain = WithoutViews(table, Context()).ValueOrDie();
  ASSERT_TRUE(plain->ValidateFull().ok());
  EXPECT_TRUE(plain->schema()->metadata()->Equals(*schema->metadata()));
  EXPECT_TRUE(plain->column(0)->chunk(0)->Equals(*Json(arrow::utf8(), texts)));
  EXPECT_EQ(plain->column(1), table->column(1));
  EXPECT_TRUE(plain->column(2)->chunk(0)->Equals(*Json(arrow::list(arrow::utf8()), lists)));
  EXPECT_EQ(WithoutViews(plain, Context()).ValueOrDie(), plain);
}

}  // namespace
}  // namespace weft::table
