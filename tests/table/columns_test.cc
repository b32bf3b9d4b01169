#include "weft/table/columns.h"

#include "table/random_table.h"

namespace weft::table {
namespace {

TEST(Columns, FindsByName) {
  const auto schema = arrow::schema({arrow::field("a", arrow::int8()), arrow::field("b", arrow::utf8())});
  const auto found = FindColumns(*schema, std::vector<std::string>{"b", "a", "b"}, "merge");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, (std::vector<int>{1, 0, 1}));
  EXPECT_TRUE(FindColumns(*schema, {}, "merge")->empty());
}

TEST(Columns, NamesWhatIsMissingAndWhatIsNear) {
  const auto schema = arrow::schema({arrow::field("tailnum", arrow::int8()), arrow::field("origin", arrow::utf8())});
  const auto status = FindColumns(*schema, std::vector<std::string>{"Tailnums", "zzz"}, "merge").status();
  EXPECT_TRUE(status.IsKeyError());
  EXPECT_EQ(status.message(),
            "merge: no column 'Tailnums' (did you mean 'tailnum'?), 'zzz'; columns: 'tailnum', 'origin'");
  const auto empty = FindColumns(*arrow::schema(arrow::FieldVector{}), std::vector<std::string>{"a"}, "sort").status();
  EXPECT_EQ(empty.message(), "sort: no column 'a'; columns: there are none");
}

TEST(Columns, RefusesNamesThatTwoColumnsHave) {
  const auto schema = arrow::schema({arrow::field("a", arrow::int8()), arrow::field("a", arrow::utf8())});
  const auto status = FindColumns(*schema, std::vector<std::string>{"a"}, "merge").status();
  EXPECT_TRUE(status.IsInvalid()) << status.ToString();
}

TEST(Columns, KnowsWhichTypesCanBeKeys) {
  for (const auto& type : test::KeyTypes()) EXPECT_TRUE(CanBeKey(*type)) << type->ToString();
  for (const auto& type : test::NestedTypes()) EXPECT_FALSE(CanBeKey(*type)) << type->ToString();
  EXPECT_FALSE(CanBeKey(*arrow::dictionary(arrow::int8(), arrow::list(arrow::int8()))));
  EXPECT_TRUE(CanBeKey(*arrow::decimal64(9, 2)));
  const auto schema = arrow::schema({arrow::field("a", arrow::int8()), arrow::field("l", arrow::list(arrow::int8()))});
  EXPECT_TRUE(CheckKeyTypes(*schema, std::vector<int>{0}, "sort").ok());
  const auto status = CheckKeyTypes(*schema, std::vector<int>{0, 1}, "sort");
  EXPECT_TRUE(status.IsTypeError());
  EXPECT_EQ(status.message(), "sort: column 'l' of type list<item: int8> cannot be a key");
  EXPECT_TRUE(CheckKeyTypes(*schema, std::vector<int>{2}, "sort").IsIndexError());
}

TEST(Columns, SameKeyTypeLooksThroughEncodings) {
  EXPECT_TRUE(SameKeyType(*arrow::utf8(), *arrow::large_utf8()));
  EXPECT_TRUE(SameKeyType(*arrow::large_binary(), *arrow::binary()));
  EXPECT_TRUE(SameKeyType(*arrow::dictionary(arrow::int8(), arrow::large_utf8()), *arrow::utf8()));
  EXPECT_FALSE(SameKeyType(*arrow::utf8(), *arrow::binary()));
  EXPECT_FALSE(SameKeyType(*arrow::int32(), *arrow::int64()));
  EXPECT_FALSE(SameKeyType(*arrow::decimal128(5, 1), *arrow::decimal128(5, 2)));
  EXPECT_FALSE(SameKeyType(*arrow::timestamp(arrow::TimeUnit::MICRO), *arrow::timestamp(arrow::TimeUnit::NANO)));
}

}  // namespace
}  // namespace weft::table
