#include "weft/communicator/reduction.h"

#include <arrow/type.h>
#include <arrow/util/float16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace weft {
namespace {

using arrow::util::Float16;

/// lower op higher, into `higher` or into `lower`.
template <typename T>
T Reduce(arrow::Type::type type, ReduceOp op, T lower, T higher, bool into_lower = false) {
  auto reducer = Reducer::Make({.type = type, .op = op});
  EXPECT_TRUE(reducer.ok()) << reducer.status().ToString();
  auto* a = reinterpret_cast<std::byte*>(&lower);
  auto* b = reinterpret_cast<std::byte*>(&higher);
  EXPECT_EQ(reducer->element_size(), static_cast<int64_t>(sizeof(T)));
  EXPECT_TRUE(reducer->Combine(a, b, into_lower ? a : b, 1).ok());
  return into_lower ? lower : higher;
}

TEST(Reduction, IntegersWrap) {
  using Limits8 = std::numeric_limits<int8_t>;
  EXPECT_EQ(Reduce<int8_t>(arrow::Type::INT8, ReduceOp::kSum, Limits8::max(), 1), Limits8::min());
  EXPECT_EQ(Reduce<uint16_t>(arrow::Type::UINT16, ReduceOp::kProd, 65535, 65535), 1);
  EXPECT_EQ(Reduce<int16_t>(arrow::Type::INT16, ReduceOp::kProd, -32768, -1), -32768);
  EXPECT_EQ(Reduce<int32_t>(arrow::Type::INT32, ReduceOp::kProd, INT32_MIN, -1), INT32_MIN);
  EXPECT_EQ(Reduce<int64_t>(arrow::Type::INT64, ReduceOp::kSum, INT64_MAX, INT64_MAX), -2);
  EXPECT_EQ(Reduce<uint64_t>(arrow::Type::UINT64, ReduceOp::kSum, UINT64_MAX, 2), 1U);
}

TEST(Reduction, SignsMatterToMinAndMax) {
  EXPECT_EQ(Reduce<int8_t>(arrow::Type::INT8, ReduceOp::kMin, -1, 1), -1);
  EXPECT_EQ(Reduce<uint8_t>(arrow::Type::UINT8, ReduceOp::kMin, 255, 1), 1);
  EXPECT_EQ(Reduce<int64_t>(arrow::Type::INT64, ReduceOp::kMax, -5, -7), -5);
}

TEST(Reduction, MinAndMaxWithNaNAreNaN) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const ReduceOp op : {ReduceOp::kMin, ReduceOp::kMax}) {
    for (const bool into_lower : {false, true}) {
      EXPECT_TRUE(std::isnan(Reduce<double>(arrow::Type::DOUBLE, op, nan, 1, into_lower)));
      EXPECT_TRUE(std::isnan(Reduce<double>(arrow::Type::DOUBLE, op, 1, nan, into_lower)));
      const auto half_nan = Float16::FromDouble(nan).bits();
      const auto half_one = Float16::FromDouble(1).bits();
      EXPECT_TRUE(Float16::FromBits(Reduce(arrow::Type::HALF_FLOAT, op, half_nan, half_one, into_lower)).is_nan());
      EXPECT_TRUE(Float16::FromBits(Reduce(arrow::Type::HALF_FLOAT, op, half_one, half_nan, into_lower)).is_nan());
    }
  }
}

TEST(Reduction, TiesGoToTheLowerRankWhereverTheResultLies) {
  for (const bool into_lower : {false, true}) {
    EXPECT_TRUE(std::signbit(Reduce<float>(arrow::Type::FLOAT, ReduceOp::kMin, -0.0F, 0.0F, into_lower)));
    EXPECT_FALSE(std::signbit(Reduce<float>(arrow::Type::FLOAT, ReduceOp::kMax, 0.0F, -0.0F, into_lower)));
  }
}

TEST(Reduction, BoolsStayBools) {
  for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMax, ReduceOp::kLogicalOr, ReduceOp::kBitOr}) {
    EXPECT_EQ(Reduce<uint8_t>(arrow::Type::BOOL, op, 1, 1), 1) << ReduceOpName(op);
    EXPECT_EQ(Reduce<uint8_t>(arrow::Type::BOOL, op, 0, 1), 1) << ReduceOpName(op);
    EXPECT_EQ(Reduce<uint8_t>(arrow::Type::BOOL, op, 0, 0), 0) << ReduceOpName(op);
  }
  for (const ReduceOp op : {ReduceOp::kProd, ReduceOp::kMin, ReduceOp::kLogicalAnd, ReduceOp::kBitAnd}) {
    EXPECT_EQ(Reduce<uint8_t>(arrow::Type::BOOL, op, 1, 1), 1) << ReduceOpName(op);
    EXPECT_EQ(Reduce<uint8_t>(arrow::Type::BOOL, op, 0, 1), 0) << ReduceOpName(op);
  }
}

TEST(Reduction, LogicalOperationsGiveZeroOrOne) {
  EXPECT_EQ(Reduce<int32_t>(arrow::Type::INT32, ReduceOp::kLogicalAnd, 6, 9), 1);
  EXPECT_EQ(Reduce<double>(arrow::Type::DOUBLE, ReduceOp::kLogicalOr, 0, 0.25), 1);
  EXPECT_EQ(Reduce<double>(arrow::Type::DOUBLE, ReduceOp::kLogicalAnd, -0.0, 0.25), 0);
}

TEST(Reduction, ElementsNeedNoAlignment) {
  auto reducer = Reducer::Make({.type = arrow::Type::INT64});
  ASSERT_TRUE(reducer.ok());
  std::vector<std::byte> a(1 + 100 * 8);
  std::vector<std::byte> b(3 + 100 * 8);
  for (int64_t i = 0; i < 100; ++i) {
    std::memcpy(&a[static_cast<size_t>(1 + i * 8)], &i, 8);
    std::memcpy(&b[static_cast<size_t>(3 + i * 8)], &i, 8);
  }
  ASSERT_TRUE(reducer->Combine(&a[1], &b[3], &b[3], 100).ok());
  for (int64_t i = 0; i < 100; ++i) {
    int64_t sum = 0;
    std::memcpy(&sum, &b[static_cast<size_t>(3 + i * 8)], 8);
    EXPECT_EQ(sum, 2 * i);
  }
}

TEST(Reduction, WrongCombinationsAreInvalid) {
  EXPECT_TRUE(Reducer::Make({.type = arrow::Type::FLOAT, .op = ReduceOp::kBitAnd}).status().IsInvalid());
  EXPECT_TRUE(Reducer::Make({.type = arrow::Type::HALF_FLOAT, .op = ReduceOp::kBitOr}).status().IsInvalid());
  EXPECT_TRUE(Reducer::Make({.type = arrow::Type::STRING}).status().IsInvalid());
  EXPECT_TRUE(Reducer::Make({.type = arrow::Type::DECIMAL128}).status().IsInvalid());
  const auto nothing = [](const std::byte*, std::byte*, int64_t) { return arrow::Status::OK(); };
  EXPECT_TRUE(Reducer::Make({.type = arrow::Type::NA, .function = nothing}).status().IsInvalid());
}

TEST(Reduction, FunctionsPutTheResultWhereItIsAskedFor) {
  const auto minus = [](const std::byte* in, std::byte* inout, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      int32_t a = 0;
      int32_t b = 0;
      std::memcpy(&a, in + i * 4, 4);
      std::memcpy(&b, inout + i * 4, 4);
      b = a - b;
      std::memcpy(inout + i * 4, &b, 4);
    }
    return arrow::Status::OK();
  };
  auto reducer = Reducer::Make({.type = arrow::Type::NA, .function = minus, .element_size = 4});
  ASSERT_TRUE(reducer.ok());
  EXPECT_FALSE(reducer->commutative());
  for (const bool into_lower : {false, true}) {
    int32_t lower = 10;
    int32_t higher = 3;
    auto* a = reinterpret_cast<std::byte*>(&lower);
    auto* b = reinterpret_cast<std::byte*>(&higher);
    ASSERT_TRUE(reducer->Combine(a, b, into_lower ? a : b, 1).ok());
    EXPECT_EQ(into_lower ? lower : higher, 7);
  }
}

TEST(Reduction, AFunctionThatThrowsIsAnError) {
  const auto throws = [](const std::byte*, std::byte*, int64_t) -> arrow::Status { throw std::runtime_error("boom"); };
  auto reducer = Reducer::Make({.type = arrow::Type::NA, .function = throws, .element_size = 1});
  ASSERT_TRUE(reducer.ok());
  std::byte a{};
  std::byte b{};
  const arrow::Status status = reducer->Combine(&a, &b, &b, 1);
  EXPECT_NE(status.ToString().find("boom"), std::string::npos);
}

}  // namespace
}  // namespace weft
