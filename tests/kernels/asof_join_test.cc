// The oracle looks at every pair.
#include "weft/kernels/asof_join.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

struct Rows {
  std::vector<int64_t> keys;
  std::vector<int64_t> groups;
};

Rows MakeRows(int64_t rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  Rows out;
  for (int64_t i = 0; i < rows; ++i) {
    out.keys.push_back(static_cast<int64_t>(random() % 40) - 20);
    out.groups.push_back(static_cast<int64_t>(random() % 3));
  }
  std::sort(out.keys.begin(), out.keys.end());
  return out;
}

/// Columns k (as `type`), g, and `name`: the number of the row.
TablePtr MakeTable(const Rows& rows, const std::shared_ptr<arrow::DataType>& type, const std::string& name) {
  arrow::Int64Builder keys, groups, numbers;
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    EXPECT_TRUE(keys.Append(rows.keys[i]).ok());
    EXPECT_TRUE(groups.Append(rows.groups[i]).ok());
    EXPECT_TRUE(numbers.Append(static_cast<int64_t>(i)).ok());
  }
  auto key = keys.Finish().ValueOrDie();
  if (type->id() == arrow::Type::DOUBLE) {
    arrow::DoubleBuilder doubles;
    for (const int64_t value : rows.keys) EXPECT_TRUE(doubles.Append(static_cast<double>(value)).ok());
    key = doubles.Finish().ValueOrDie();
  } else {
    key = key->View(type).ValueOrDie();
  }
  return arrow::Table::Make(
      arrow::schema({arrow::field("k", type), arrow::field("g", arrow::int64()), arrow::field(name, arrow::int64())}),
      {key, groups.Finish().ValueOrDie(), numbers.Finish().ValueOrDie()});
}

/// The right row of a left one.
int64_t Find(const Rows& left, size_t l, const Rows& right, const AsofOptions& options, bool forward) {
  std::optional<size_t> best;
  for (size_t r = 0; r < right.keys.size(); ++r) {
    if (!options.left_by.empty() && right.groups[r] != left.groups[l]) continue;
    const int64_t ahead = forward ? right.keys[r] - left.keys[l] : left.keys[l] - right.keys[r];
    if (ahead < 0 || (ahead == 0 && !options.allow_exact_matches)) continue;
    if (!best || (forward ? right.keys[r] < right.keys[*best] : right.keys[r] >= right.keys[*best])) best = r;
  }
  if (!best) return -1;
  const auto apart = static_cast<uint64_t>(std::abs(right.keys[*best] - left.keys[l]));
  if (options.tolerance && apart > *options.tolerance) return -1;
  if (options.float_tolerance && static_cast<double>(apart) > *options.float_tolerance) return -1;
  return static_cast<int64_t>(*best);
}

int64_t Oracle(const Rows& left, size_t l, const Rows& right, const AsofOptions& options) {
  if (options.direction != AsofDirection::kNearest) {
    return Find(left, l, right, options, options.direction == AsofDirection::kForward);
  }
  const int64_t backward = Find(left, l, right, options, false);
  const int64_t forward = Find(left, l, right, options, true);
  if (backward < 0 || forward < 0) return std::max(backward, forward);
  const int64_t before = left.keys[l] - right.keys[static_cast<size_t>(backward)];
  const int64_t after = right.keys[static_cast<size_t>(forward)] - left.keys[l];
  return before <= after ? backward : forward;
}

TEST(AsofJoin, GivesTheNearestRow) {
  for (const auto& type : {arrow::int64(), arrow::timestamp(arrow::TimeUnit::MILLI), arrow::float64()}) {
    for (int variant = 0; variant < 24; ++variant) {
      const Rows left = MakeRows(variant == 0 ? 0 : 70, static_cast<uint64_t>(variant));
      const Rows right = MakeRows(variant == 1 ? 0 : 50, static_cast<uint64_t>(variant) + 100);
      AsofOptions options;
      options.direction = static_cast<AsofDirection>(variant % 3);
      options.allow_exact_matches = variant % 2 == 0;
      if (variant % 4 < 2) options.left_by = options.right_by = {1};
      if (variant >= 12) {
        if (type->id() == arrow::Type::DOUBLE) {
          options.float_tolerance = 1.5;
        } else {
          options.tolerance = 1;
        }
      }
      const auto made = AsofJoin(MakeTable(left, type, "l"), MakeTable(right, type, "r"), options, Context());
      ASSERT_TRUE(made.ok()) << made.status();
      ASSERT_TRUE((*made)->ValidateFull().ok());
      ASSERT_EQ((*made)->num_rows(), static_cast<int64_t>(left.keys.size()));
      const auto found = (*made)->GetColumnByName("r");
      for (size_t l = 0; l < left.keys.size(); ++l) {
        const auto value = found->GetScalar(static_cast<int64_t>(l)).ValueOrDie();
        const int64_t row = value->is_valid ? static_cast<const arrow::Int64Scalar&>(*value).value : -1;
        ASSERT_EQ(row, Oracle(left, l, right, options)) << "variant " << variant << ", row " << l;
      }
    }
  }
}

TEST(AsofJoin, RefusesWhatIsNotSortedOrMissing) {
  const auto sorted = MakeTable({{1, 2, 3}, {0, 0, 0}}, arrow::int64(), "l");
  const auto unsorted = MakeTable({{1, 3, 2}, {0, 0, 0}}, arrow::int64(), "l");
  const auto left = AsofJoin(unsorted, sorted, {}, Context()).status();
  EXPECT_TRUE(left.IsInvalid() && left.message().find("left") != std::string::npos) << left;
  const auto right = AsofJoin(sorted, unsorted, {}, Context()).status();
  EXPECT_TRUE(right.IsInvalid() && right.message().find("right") != std::string::npos) << right;
  const auto floats = MakeTable({{1, 2, 3}, {0, 0, 0}}, arrow::float64(), "l");
  EXPECT_TRUE(AsofJoin(sorted, floats, {}, Context()).status().IsTypeError());
}

}  // namespace
}  // namespace weft::kernels
