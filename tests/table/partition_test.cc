#include "weft/table/partition.h"

#include <arrow/api.h>
#include <arrow/array/concatenate.h>
#include <arrow/extension/uuid.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "weft/table/scatter_fixed.h"

namespace weft::table {
namespace {

std::shared_ptr<arrow::Array> Json(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

struct Sample {
  std::string name;
  std::shared_ptr<arrow::Array> values;
};

/// A few values, with a null, of every kind of layout.
std::vector<Sample> Samples() {
  using namespace arrow;  // NOLINT: type names
  const std::string ints = "[3, null, 0, 7, 100]";
  const std::string lists = "[[1, 2], null, [], [3], [4, null, 5]]";
  const std::string long_text = R"(["", "a", null, "exactly 16 bytes", "a text that is longer than sixteen bytes"])";
  std::vector<Sample> out = {
      {"null", Json(null(), "[null, null, null]")},
      {"bool", Json(boolean(), "[true, null, false, true]")},
      {"int8", Json(int8(), ints)},
      {"uint16", Json(uint16(), ints)},
      {"half", Json(float16(), ints)},
      {"int32", Json(int32(), ints)},
      {"double", Json(float64(), "[1.5, null, -0.0, NaN]")},
      {"int64 without nulls", Json(int64(), "[1, 2, 3]")},
      {"date64", Json(date64(), "[86400000, null, 0]")},
      {"timestamp", Json(timestamp(TimeUnit::NANO, "UTC"), ints)},
      {"duration", Json(duration(TimeUnit::MILLI), ints)},
      {"decimal32", Json(decimal32(7, 2), R"(["1.23", null, "-4.00"])")},
      {"decimal128", Json(decimal128(20, 2), R"(["1.23", null, "-4.00"])")},
      {"decimal256", Json(decimal256(50, 2), R"(["1.23", null, "-4.00"])")},
      {"interval", Json(month_day_nano_interval(), "[[1, 2, 3], null, [4, 5, 6]]")},
      {"fixed-size binary", Json(fixed_size_binary(3), R"(["abc", null, "xyz"])")},
      {"fixed-size binary, zero wide", Json(fixed_size_binary(0), R"(["", null])")},
      {"string", Json(utf8(), long_text)},
      {"large string", Json(large_utf8(), long_text)},
      {"binary", Json(binary(), long_text)},
      {"string view", Json(utf8_view(), long_text)},
      {"list", Json(list(int32()), lists)},
      {"large list", Json(large_list(int32()), lists)},
      {"fixed-size list", Json(fixed_size_list(int32(), 2), "[[1, 2], null, [3, null]]")},
      {"map", Json(map(utf8(), int32()), R"([[["a", 1]], null, [], [["b", 2], ["c", null]]])")},
      {"struct", Json(struct_({field("a", int32()), field("b", list(utf8()))}),
                      R"([{"a": 1, "b": ["x"]}, null, {"a": null, "b": []}])")},
      {"dense union", Json(dense_union({field("a", int32()), field("b", utf8())}), R"([[0, 1], [1, "x"], [0, null]])")},
      {"dictionary",
       arrow::json::DictArrayFromJSONString(dictionary(int8(), utf8()), "[1, null, 0, 1]", R"(["x", "y"])")
           .ValueOrDie()},
  };
  out.push_back(
      {"list of dictionary", ListArray::FromArrays(*Json(int32(), "[0, 2, 2, 4]"), *out.back().values).ValueOrDie()});
  out.push_back({"extension", ExtensionType::WrapArray(extension::uuid(), Json(fixed_size_binary(16), R"([
                 "0123456789abcdef", null, "fedcba9876543210"])"))});
  const auto ends = Json(int32(), "[2, 3, 6]");
  out.push_back(
      {"run-end encoded", RunEndEncodedArray::Make(6, ends, Json(utf8(), R"(["x", null, "y"])")).ValueOrDie()});
  return out;
}

std::shared_ptr<arrow::Array> Repeat(const std::shared_ptr<arrow::Array>& values, int64_t rows) {
  std::vector<std::shared_ptr<arrow::Array>> copies(static_cast<size_t>(rows / values->length() + 1), values);
  return arrow::Concatenate(copies).ValueOrDie()->Slice(0, rows);
}

void CheckPartition(const std::shared_ptr<arrow::RecordBatch>& batch, const std::vector<uint32_t>& targets, int parts) {
  const auto out = PartitionBatch(*batch, targets, parts, Context());
  ASSERT_TRUE(out.ok()) << out.status();
  ASSERT_EQ(out->size(), static_cast<size_t>(parts));
  std::vector<int64_t> next(static_cast<size_t>(parts), 0);
  for (const auto& part : *out) {
    ASSERT_TRUE(part->ValidateFull().ok()) << part->ValidateFull();
    ASSERT_TRUE(part->schema()->Equals(batch->schema()));
  }
  const auto options = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto& part = (*out)[targets[i]];
    const int64_t row = next[targets[i]]++;
    ASSERT_LT(row, part->num_rows());
    for (int c = 0; c < batch->num_columns(); ++c) {
      ASSERT_TRUE(part->column(c)->RangeEquals(row, row + 1, static_cast<int64_t>(i), batch->column(c), options))
          << "row " << i << " of part " << targets[i];
    }
  }
  for (size_t p = 0; p < next.size(); ++p) EXPECT_EQ(next[p], (*out)[p]->num_rows());
}

std::vector<uint32_t> RandomTargets(int64_t rows, int parts, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> targets(static_cast<size_t>(rows));
  for (auto& target : targets) target = static_cast<uint32_t>(random() % static_cast<uint32_t>(parts));
  return targets;
}

TEST(PartitionBatch, EveryTypeWholeAndSliced) {
  for (const Sample& sample : Samples()) {
    SCOPED_TRACE(sample.name);
    const auto schema = arrow::schema({arrow::field("c", sample.values->type())});
    const auto whole = Repeat(sample.values, 203);
    for (const int parts : {1, 2, 7}) {
      for (const auto& column : {whole, whole->Slice(13, 170), whole->Slice(5, 0)}) {
        const auto batch = arrow::RecordBatch::Make(schema, column->length(), {column});
        CheckPartition(batch, RandomTargets(column->length(), parts, 17), parts);
      }
    }
  }
}

TEST(PartitionBatch, SeveralColumnsKeepRowsTogether) {
  const auto a = Repeat(Json(arrow::int64(), "[1, 2, null, 4, 5, 6, 7]"), 5000);
  const auto b = Repeat(Json(arrow::utf8(), R"(["x", "yy", null])"), 5000);
  const auto c = Repeat(Json(arrow::boolean(), "[true, false]"), 5000);
  const auto schema =
      arrow::schema({arrow::field("a", a->type()), arrow::field("b", b->type()), arrow::field("c", c->type())});
  CheckPartition(arrow::RecordBatch::Make(schema, 5000, {a, b, c}), RandomTargets(5000, 64, 3), 64);
}

TEST(PartitionBatch, ColumnsOfNone) {
  const auto batch = arrow::RecordBatch::Make(arrow::schema({}), 5, arrow::ArrayVector{});
  const auto out = PartitionBatch(*batch, std::vector<uint32_t>{2, 0, 2, 2, 0}, 3, Context()).ValueOrDie();
  EXPECT_EQ(out[0]->num_rows(), 2);
  EXPECT_EQ(out[1]->num_rows(), 0);
  EXPECT_EQ(out[2]->num_rows(), 3);
}

TEST(PartitionBatch, PartsOwnTheirMemory) {
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  Context context;
  context.pool = &pool;
  const auto column = Repeat(Json(arrow::int64(), "[1, 2, 3]"), 3000);
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("c", column->type())}), 3000, {column});
  std::vector<uint32_t> targets(3000);
  for (size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<uint32_t>(i % 3);
  auto out = PartitionBatch(*batch, targets, 3, context).ValueOrDie();
  EXPECT_EQ(pool.bytes_allocated(), 3 * (8000 + kScatterSlack));
  out[1].reset();
  EXPECT_EQ(pool.bytes_allocated(), 2 * (8000 + kScatterSlack));
}

TEST(PartitionBatch, RefusesTargetsThatDoNotFit) {
  const auto column = Json(arrow::int64(), "[1, 2, 3]");
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("c", column->type())}), 3, {column});
  EXPECT_TRUE(PartitionBatch(*batch, std::vector<uint32_t>{0, 1}, 2, Context()).status().IsInvalid());
  EXPECT_TRUE(PartitionBatch(*batch, std::vector<uint32_t>{0, 1, 2}, 2, Context()).status().IsInvalid());
  EXPECT_TRUE(PartitionBatch(*batch, std::vector<uint32_t>{0, 0, 0}, 0, Context()).status().IsInvalid());
}

}  // namespace
}  // namespace weft::table
