// The oracle counts rows as text.
#include "weft/kernels/set_operations.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "table/random_table.h"
#include "weft/kernels/membership.h"
#include "weft/kernels/unique_keys.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

TablePtr Some(const std::vector<std::shared_ptr<arrow::DataType>>& types, uint64_t seed) {
  test::RandomTableOptions options;
  options.rows = 60;
  options.seed = seed;
  options.cardinality = 12;
  return test::RandomTable(test::SchemaOf(types), options);
}

std::map<std::string, int64_t> Count(const arrow::Table& table) {
  std::map<std::string, int64_t> counts;
  for (const auto& row : test::SortedRows(table)) ++counts[row];
  return counts;
}

TEST(CombineSets, CountsRows) {
  for (const auto& type : {arrow::int32(), arrow::utf8(), arrow::dictionary(arrow::int8(), arrow::utf8())}) {
    const auto left = Some({type, arrow::boolean()}, 1);
    const auto right = Some({type, arrow::boolean()}, 2);
    const auto sides = ConformSets(left, right, Context()).ValueOrDie();
    for (const auto operation : {SetOperation::kUnion, SetOperation::kIntersect, SetOperation::kSubtract}) {
      for (const bool all : {false, true}) {
        const auto made = CombineSets(sides.first, sides.second, {operation, all}, Context());
        ASSERT_TRUE(made.ok()) << made.status();
        auto a = Count(*left);
        auto b = Count(*right);
        std::map<std::string, int64_t> expected;
        for (const auto& [row, n] : b) a.emplace(row, 0);
        for (const auto& [row, n] : a) {
          const int64_t l = all ? n : std::min<int64_t>(n, 1);
          const int64_t r = all ? b[row] : std::min<int64_t>(b[row], 1);
          const int64_t rows = operation == SetOperation::kUnion       ? (all ? l + r : std::max(l, r))
                               : operation == SetOperation::kIntersect ? std::min(l, r)
                                                                       : std::max<int64_t>(l - r, 0);
          if (rows > 0) expected[row] = rows;
        }
        EXPECT_EQ(Count(**made), expected) << static_cast<int>(operation) << all;
      }
    }
  }
}

TEST(CombineSets, RefusesOtherColumns) {
  const auto left = Some({arrow::int32(), arrow::int32()}, 1);
  EXPECT_TRUE(ConformSets(left, left->RemoveColumn(0).ValueOrDie(), Context()).status().IsInvalid());
  EXPECT_TRUE(
      ConformSets(left, Some({arrow::int32(), arrow::list(arrow::int8())}, 1), Context()).status().IsTypeError());
}

TEST(IsMember, MarksRowsInTheirPlaces) {
  const auto left = Some({arrow::utf8(), arrow::int8()}, 3);
  const auto right = Some({arrow::int16(), arrow::utf8()}, 4);
  const auto marks = IsMember(left, right, {0}, {1}, Context()).ValueOrDie();
  const auto keys = Count(*right->SelectColumns({1}).ValueOrDie());
  const auto rows = test::RowsAsText(*left->SelectColumns({0}).ValueOrDie());
  ASSERT_EQ(marks->num_rows(), left->num_rows());
  for (int64_t i = 0; i < marks->num_rows(); ++i) {
    const auto mark = marks->column(0)->GetScalar(i).ValueOrDie();
    EXPECT_EQ(static_cast<const arrow::BooleanScalar&>(*mark).value, keys.contains(rows[static_cast<size_t>(i)]));
  }
}

TEST(CheckUniqueKeys, NamesAKeyThatIsThereTwice) {
  arrow::Int64Builder builder;
  ASSERT_TRUE(builder.AppendValues({5, 7, 9, 7}).ok());
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64())}), {builder.Finish().ValueOrDie()});
  const std::vector<int> keys = {0};
  const auto status = CheckUniqueKeys(*table, keys, "keys", Context());
  EXPECT_TRUE(status.IsInvalid() && status.message().find("k=7") != std::string::npos) << status;
  EXPECT_TRUE(CheckUniqueKeys(*table->Slice(0, 3), keys, "keys", Context()).ok());
}

}  // namespace
}  // namespace weft::kernels
