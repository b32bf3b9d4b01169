// Keys of dictionaries as numbers compare as the values that they stand for.
#include "weft/kernels/key_ranks.h"

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "weft/kernels/key_encoding.h"

namespace weft::kernels {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

/// `count` values of a type, some of them twice, one null where there is room: those of a dictionary.
ArrayPtr SomeValues(const std::shared_ptr<arrow::DataType>& type, int count, std::mt19937* random) {
  if (arrow::is_floating(type->id())) {
    arrow::DoubleBuilder builder;
    const double odd[] = {0.0, -0.0, std::nan(""), -1e300, 1e300};
    for (int i = 0; i < count; ++i) {
      const auto draw = (*random)() % 16;
      if (draw < 5) {
        EXPECT_TRUE(builder.Append(odd[draw]).ok());
      } else {
        EXPECT_TRUE((draw == 5 ? builder.AppendNull() : builder.Append(static_cast<double>(draw) - 10.5)).ok());
      }
    }
    return arrow::compute::Cast(*builder.Finish().ValueOrDie(), type).ValueOrDie();
  }
  arrow::StringBuilder builder;
  for (int i = 0; i < count; ++i) {
    const auto draw = static_cast<int>((*random)() % 40);
    const bool digits = !arrow::is_base_binary_like(type->id());
    const std::string text =
        digits ? std::to_string(draw - 20) : std::string(static_cast<size_t>(draw), static_cast<char>('a' + draw % 3));
    EXPECT_TRUE((draw == 7 ? builder.AppendNull() : builder.Append(text)).ok());
  }
  return arrow::compute::Cast(*builder.Finish().ValueOrDie(), type).ValueOrDie();
}

TEST(KeyRanks, CompareAsTheValuesDo) {
  std::mt19937 random(7);
  for (const auto& type : {arrow::utf8(), arrow::large_binary(), arrow::int64(), arrow::int8(), arrow::float64(),
                           arrow::float32(), arrow::decimal128(20, 2)}) {
    for (const auto& index : {arrow::int8(), arrow::uint16(), arrow::int32(), arrow::uint64()}) {
      for (const bool nan_is_null : {false, true}) {
        arrow::ArrayVector chunks;
        for (int c = 0; c < 3; ++c) {
          const ArrayPtr dictionary = c == 2 ? static_cast<const arrow::DictionaryArray&>(*chunks[0]).dictionary()
                                             : SomeValues(type, 20, &random);
          arrow::Int32Builder builder;
          for (int i = 0; i < 700; ++i) {
            const auto place = static_cast<int32_t>(random() % 20);
            ASSERT_TRUE((random() % 9 == 0 ? builder.AppendNull() : builder.Append(place)).ok());
          }
          const auto indices = arrow::compute::Cast(*builder.Finish().ValueOrDie(), index).ValueOrDie();
          chunks.push_back(std::make_shared<arrow::DictionaryArray>(arrow::dictionary(index, type), indices, dictionary)
                               ->Slice(c * 10));
        }
        const auto ranked = RankDictionaries(chunks, nan_is_null, Context{}).ValueOrDie();
        ASSERT_EQ(ranked.size(), chunks.size());
        const auto column = std::make_shared<arrow::ChunkedArray>(chunks);
        const auto ranks = KeyColumn::Make({column}, nan_is_null, Context{}).ValueOrDie();
        const auto values =
            KeyColumn::Make({column}, nan_is_null, Context{}, /*views=*/true, /*alone=*/false).ValueOrDie();
        ASSERT_FALSE(ranks.is_binary());
        ASSERT_EQ(ranks.rows(), values.rows());
        for (int64_t a = 0; a < ranks.rows(); ++a) {
          ASSERT_EQ(ranks.IsNull(a), values.IsNull(a)) << type->ToString() << " row " << a;
          const auto b = static_cast<int64_t>(random() % static_cast<uint64_t>(ranks.rows()));
          const int order = CompareKeys(values, a, values, b, {});
          const int by_rank = CompareKeys(ranks, a, ranks, b, {});
          ASSERT_EQ(order < 0, by_rank < 0) << type->ToString() << " rows " << a << " and " << b;
          ASSERT_EQ(order > 0, by_rank > 0) << type->ToString() << " rows " << a << " and " << b;
        }
      }
    }
  }
}

TEST(KeyRanks, ManyValuesAreNotOrdered) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < 100; ++i) ASSERT_TRUE(builder.Append(i).ok());
  const ArrayPtr values = builder.Finish().ValueOrDie();
  const auto indices = arrow::compute::Cast(*values, arrow::int32()).ValueOrDie();
  const auto chunk =
      std::make_shared<arrow::DictionaryArray>(arrow::dictionary(arrow::int32(), arrow::int64()), indices, values);
  EXPECT_TRUE(RankDictionaries({chunk}, false, Context{}).ValueOrDie().empty());
}

}  // namespace
}  // namespace weft::kernels
