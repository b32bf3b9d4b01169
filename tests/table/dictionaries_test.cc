#include "weft/table/dictionaries.h"

#include <arrow/api.h>
#include <arrow/array/concatenate.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace weft::table {
namespace {

std::shared_ptr<arrow::Array> Texts(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  for (const auto& value : values) EXPECT_TRUE((value == "null" ? builder.AppendNull() : builder.Append(value)).ok());
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> Reals(const std::vector<double>& values) {
  arrow::DoubleBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

/// A chunk with a row for each dictionary.
std::shared_ptr<arrow::ChunkedArray> ColumnOf(const arrow::ArrayVector& dictionaries) {
  arrow::Int8Builder builder;
  EXPECT_TRUE(builder.Append(0).ok());
  const auto index = builder.Finish().ValueOrDie();
  const auto type = arrow::dictionary(arrow::int8(), dictionaries[0]->type());
  arrow::ArrayVector chunks;
  for (const auto& dictionary : dictionaries) {
    chunks.push_back(std::make_shared<arrow::DictionaryArray>(type, index, dictionary));
  }
  return std::make_shared<arrow::ChunkedArray>(chunks);
}

std::shared_ptr<arrow::Array> Copy(const std::shared_ptr<arrow::Array>& array) {
  return arrow::Concatenate({array, array->Slice(0, 0)}).ValueOrDie();
}

TEST(Dictionaries, OfTheSameMemory) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& values : {Texts({"a", "b", "null", "a"}), Reals({1, nan, -0.0, 1}), Texts({})}) {
    const auto again = arrow::MakeArray(values->data()->Copy());
    EXPECT_EQ(IdentityOf(*values->data()), IdentityOf(*again->data()));
    const auto column = ColumnOf({values, values, again});
    EXPECT_TRUE(HaveOneDictionary(*column));
    EXPECT_EQ(UnifyDictionaries(column, arrow::default_memory_pool()).ValueOrDie(), column);
  }
  const auto values = Texts({"a", "b", "c"});
  for (const auto& part : {values->Slice(0, 2), values->Slice(1)}) {
    EXPECT_NE(IdentityOf(*values->data()), IdentityOf(*part->data()));
    EXPECT_FALSE(HaveOneDictionary(*ColumnOf({values, part})));
  }
}

TEST(Dictionaries, OfTheSameValues) {
  const auto texts = Texts({"a", "b", "null"});
  EXPECT_NE(IdentityOf(*texts->data()), IdentityOf(*Copy(texts)->data()));
  EXPECT_TRUE(HaveOneDictionary(*ColumnOf({texts, Copy(texts), texts})));
  EXPECT_FALSE(HaveOneDictionary(*ColumnOf({texts, texts, Texts({"a", "c", "null"})})));
  EXPECT_FALSE(HaveOneDictionary(*ColumnOf({Reals({0.0}), Reals({-0.0})})));
  EXPECT_TRUE(HaveOneDictionary(*ColumnOf({Reals({-0.0}), Reals({-0.0})})));
}

TEST(Dictionaries, UnifiedWhereTheyDiffer) {
  const auto column = ColumnOf({Texts({"a", "b"}), Texts({"b", "c"})});
  const auto unified = UnifyDictionaries(column, arrow::default_memory_pool()).ValueOrDie();
  EXPECT_TRUE(HaveOneDictionary(*unified));
  EXPECT_TRUE(
      static_cast<const arrow::DictionaryArray&>(*unified->chunk(0)).dictionary()->Equals(Texts({"a", "b", "c"})));
  EXPECT_EQ(static_cast<const arrow::DictionaryArray&>(*unified->chunk(1)).GetValueIndex(0), 1);
}

}  // namespace
}  // namespace weft::table
