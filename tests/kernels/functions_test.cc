// Functions that Arrow's registry lacks.
#include "weft/kernels/functions.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace weft::kernels {
namespace {

namespace cp = arrow::compute;

template <typename T>
std::shared_ptr<arrow::Array> ArrayOf(const std::vector<T>& values, const std::vector<bool>& valid = {}) {
  typename arrow::CTypeTraits<T>::BuilderType builder;
  EXPECT_TRUE(valid.empty() ? builder.AppendValues(values).ok() : builder.AppendValues(values, valid).ok());
  return builder.Finish().ValueOrDie();
}

arrow::Result<std::shared_ptr<arrow::Array>> Call(const std::string& name, const std::vector<arrow::Datum>& arguments,
                                                  const cp::FunctionOptions* options = nullptr) {
  ARROW_RETURN_NOT_OK(RegisterFunctions());
  ARROW_ASSIGN_OR_RAISE(const auto made, cp::CallFunction(name, arguments, options));
  return made.make_array();
}

TEST(Functions, DivisionOfIntegersRoundsDown) {
  const std::vector<int64_t> numbers{0, 1, -1, 7, -7, 8, -8, 1000000007};
  for (const int64_t divisor : {1, -1, 2, -2, 3, -3, 7, -7}) {
    const auto x = ArrayOf(numbers);
    const auto y = ArrayOf(std::vector<int64_t>(numbers.size(), divisor));
    const auto quotient = Call("weft_floor_divide", {x, y}).ValueOrDie();
    const auto rest = Call("weft_modulo", {x, arrow::Datum(divisor)}).ValueOrDie();
    for (size_t i = 0; i < numbers.size(); ++i) {
      const auto q = static_cast<const arrow::Int64Array&>(*quotient).Value(static_cast<int64_t>(i));
      const auto r = static_cast<const arrow::Int64Array&>(*rest).Value(static_cast<int64_t>(i));
      EXPECT_EQ(q * divisor + r, numbers[i]);
      EXPECT_EQ(q, static_cast<int64_t>(std::floor(static_cast<double>(numbers[i]) / static_cast<double>(divisor))));
    }
  }
}

TEST(Functions, DivisionAtTheEdges) {
  constexpr auto kLeast = std::numeric_limits<int8_t>::min();
  const auto quotient =
      Call("weft_floor_divide", {ArrayOf<int8_t>({kLeast, kLeast, 127}), ArrayOf<int8_t>({-1, 1, -1})});
  EXPECT_TRUE((*quotient)->Equals(ArrayOf<int8_t>({kLeast, kLeast, -127})));
  EXPECT_TRUE(Call("weft_floor_divide", {ArrayOf<int8_t>({1}), ArrayOf<int8_t>({0})}).status().IsInvalid());
  // Under a null may lie a 0.
  const auto null =
      Call("weft_modulo", {ArrayOf<int32_t>({5, 5}), ArrayOf<int32_t>({0, 3}, {false, true})}).ValueOrDie();
  EXPECT_TRUE(null->IsNull(0));
  EXPECT_EQ(static_cast<const arrow::Int32Array&>(*null).Value(1), 2);
}

TEST(Functions, DivisionOfFloatsIsPythons) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // 1.0 // 0.1, -1.0 // 0.1, 5.5 // -2, 0 // -3, 7 // inf, -7 // inf, 1 // 0, -1 // 0 in Python, but for the last two.
  const auto x = ArrayOf<double>({1.0, -1.0, 5.5, 0.0, 7.0, -7.0, 1.0, -1.0});
  const auto y = ArrayOf<double>({0.1, 0.1, -2.0, -3.0, kInfinity, kInfinity, 0.0, 0.0});
  const auto quotient = Call("weft_floor_divide", {x, y}).ValueOrDie();
  EXPECT_TRUE(quotient->Equals(ArrayOf<double>({9.0, -10.0, -3.0, -0.0, 0.0, -1.0, kInfinity, -kInfinity})));
  const auto rest = Call("weft_modulo", {x, y}).ValueOrDie();
  const auto& rests = static_cast<const arrow::DoubleArray&>(*rest);
  EXPECT_DOUBLE_EQ(rests.Value(0), 0.09999999999999995);
  EXPECT_DOUBLE_EQ(rests.Value(2), -0.5);
  EXPECT_EQ(rests.Value(5), kInfinity);
  EXPECT_TRUE(std::isnan(rests.Value(6)));
}

TEST(Functions, LookupGivesNullOrKeeps) {
  const auto keys = ArrayOf<int64_t>({1, 2});
  const auto x = ArrayOf<int64_t>({1, 3, 2, 0}, {true, true, true, false});
  const LookupOptions lost(keys, ArrayOf<double>({0.5, 0}, {true, false}), false);
  const auto found = Call("weft_lookup", {x}, &lost).ValueOrDie();
  EXPECT_TRUE(found->Equals(ArrayOf<double>({0.5, 0, 0, 0}, {true, false, false, false})));
  const LookupOptions kept(keys, ArrayOf<int64_t>({2, 1}), true);
  const auto replaced = Call("weft_lookup", {x}, &kept).ValueOrDie();
  EXPECT_TRUE(replaced->Equals(ArrayOf<int64_t>({2, 3, 1, 0}, {true, true, true, false})));
}

TEST(Functions, NumbersAsText) {
  const auto text = Call("weft_number_text", {ArrayOf<double>({1.0, -0.0, 0.1, 1e15, 1e16, 1.5e300, 1e-4, 9e-5, 5e-324,
                                                               123456.789, std::numeric_limits<double>::infinity()})})
                        .ValueOrDie();
  const std::vector<std::string> expected{"1.0",    "-0.0",  "0.1",    "1000000000000000.0", "1e+16", "1.5e+300",
                                          "0.0001", "9e-05", "5e-324", "123456.789",         "inf"};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(static_cast<const arrow::StringArray&>(*text).GetString(static_cast<int64_t>(i)), expected[i]);
  }
  // Whatever is written reads back.
  uint64_t state = 12345;
  std::vector<double> numbers;
  for (int i = 0; i < 5000; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    double number;
    std::memcpy(&number, &state, sizeof(number));
    if (std::isfinite(number)) numbers.push_back(number);
  }
  const auto many = Call("weft_number_text", {ArrayOf(numbers)}).ValueOrDie();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto view = static_cast<const arrow::StringArray&>(*many).GetView(static_cast<int64_t>(i));
    double read = 0;
    std::from_chars(view.data(), view.data() + view.size(), read);
    EXPECT_EQ(read, numbers[i]) << view;
  }
}

TEST(Functions, ItemsOfLists) {
  for (const auto& type : {arrow::list(arrow::int32()), arrow::large_list(arrow::int32())}) {
    const auto lists = arrow::json::ArrayFromJSONString(type, "[[1, 2], [], null, [3], [null, 4]]").ValueOrDie();
    const auto first = Call("weft_list_get", {lists, arrow::Datum(int64_t{0})}).ValueOrDie();
    EXPECT_TRUE(
        first->Equals(arrow::json::ArrayFromJSONString(arrow::int32(), "[1, null, null, 3, null]").ValueOrDie()));
    const auto last = Call("weft_list_get", {lists->Slice(1), arrow::Datum(int64_t{-1})}).ValueOrDie();
    EXPECT_TRUE(last->Equals(arrow::json::ArrayFromJSONString(arrow::int32(), "[null, null, 3, 4]").ValueOrDie()));
  }
}

TEST(Functions, Dictionaries) {
  const auto made = Call("weft_dictionary", {ArrayOf<int64_t>({7, 7, 5})}).ValueOrDie();
  EXPECT_EQ(made->type()->ToString(), arrow::dictionary(arrow::int32(), arrow::int64())->ToString());
  EXPECT_EQ(static_cast<const arrow::DictionaryArray&>(*made).dictionary()->length(), 2);
}

}  // namespace
}  // namespace weft::kernels
