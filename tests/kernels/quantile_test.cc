// Quantiles beside a sorted vector, digests beside the same.
#include "weft/kernels/quantile.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "weft/kernels/tdigest.h"

namespace weft::kernels {
namespace {

std::shared_ptr<arrow::Table> TableOf(const std::vector<double>& values, int64_t chunk) {
  arrow::ArrayVector chunks;
  for (size_t begin = 0; begin < values.size(); begin += static_cast<size_t>(chunk)) {
    arrow::DoubleBuilder builder;
    for (size_t i = begin; i < std::min(values.size(), begin + static_cast<size_t>(chunk)); ++i) {
      EXPECT_TRUE((i % 17 == 3 ? builder.AppendNull() : builder.Append(values[i])).ok());
    }
    chunks.push_back(builder.Finish().ValueOrDie());
  }
  auto column = std::make_shared<arrow::ChunkedArray>(chunks, arrow::float64());
  return arrow::Table::Make(arrow::schema({arrow::field("v", arrow::float64())}), {std::move(column)});
}

/// The values that are there, in order.
std::vector<double> Sorted(const arrow::Table& table) {
  std::vector<double> sorted;
  for (const auto& chunk : table.column(0)->chunks()) {
    const auto& array = static_cast<const arrow::DoubleArray&>(*chunk);
    for (int64_t i = 0; i < array.length(); ++i) {
      if (array.IsValid(i) && !std::isnan(array.Value(i))) sorted.push_back(array.Value(i));
    }
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::vector<double> Found(const std::shared_ptr<arrow::Table>& table, const QuantileOptions& options, int threads) {
  Context context;
  context.threads = threads;
  const auto made = Quantile(table, options, SelectAlone(), context).ValueOrDie();
  const auto& array = static_cast<const arrow::DoubleArray&>(*made->column(0)->chunk(0));
  std::vector<double> values;
  for (int64_t i = 0; i < array.length(); ++i) values.push_back(array.Value(i));
  return values;
}

TEST(Quantile, IsThatOfTheSortedValues) {
  std::mt19937_64 random(3);
  for (const int shape : {0, 1, 2, 3}) {
    std::vector<double> values;
    for (int i = 0; i < 50'000; ++i) {
      const double uniform = std::uniform_real_distribution<double>(-1, 1)(random);
      if (shape == 0) values.push_back(uniform);
      if (shape == 1) values.push_back(std::exp(600 * uniform) * (random() % 2 == 0 ? 1 : -1));
      if (shape == 2) values.push_back(random() % 10 != 0 ? 3.5 : uniform);
      if (shape == 3) values.push_back(i % 5 == 0 ? std::numeric_limits<double>::quiet_NaN() : std::floor(4 * uniform));
    }
    const auto table = TableOf(values, 7'001);
    const auto sorted = Sorted(*table);
    QuantileOptions options;
    options.columns = {0};
    options.quantiles = {0, 1e-4, 0.25, 0.5, 0.75, 0.9999, 1};
    options.interpolation = Interpolation::kLower;
    const auto lower = Found(table, options, 1);
    options.interpolation = Interpolation::kHigher;
    const auto higher = Found(table, options, 3);
    for (size_t i = 0; i < options.quantiles.size(); ++i) {
      const double at = options.quantiles[i] * static_cast<double>(sorted.size() - 1);
      EXPECT_EQ(lower[i], sorted[static_cast<size_t>(std::floor(at))]) << shape << " " << i;
      EXPECT_EQ(higher[i], sorted[static_cast<size_t>(std::ceil(at))]) << shape << " " << i;
    }
  }
}

TEST(Quantile, OfExtremeIntegersIsExact) {
  arrow::Int64Builder builder;
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (int64_t i = 0; i < 5'000; ++i) ASSERT_TRUE(builder.AppendValues({kLeast + i, kMost - i}).ok());
  const auto array = builder.Finish().ValueOrDie();
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("v", arrow::int64())}), {array});
  QuantileOptions options;
  options.columns = {0};
  options.quantiles = {0, 0.5, 1};
  options.interpolation = Interpolation::kHigher;
  const auto made = Quantile(table, options, SelectAlone(), {}).ValueOrDie();
  const auto& found = static_cast<const arrow::Int64Array&>(*made->column(0)->chunk(0));
  EXPECT_EQ(found.Value(0), kLeast);
  EXPECT_EQ(found.Value(1), kMost - 4'999);
  EXPECT_EQ(found.Value(2), kMost);
}

TEST(TDigest, IsNearAndExactAtItsEnds) {
  std::mt19937_64 random(5);
  std::vector<double> values;
  TDigest whole;
  for (int part = 0; part < 7; ++part) {
    std::vector<double> some;
    for (int i = 0; i < 20'000; ++i) some.push_back(std::lognormal_distribution<double>(0, 2)(random));
    TDigest digest;
    digest.Add(some);
    whole.Merge(TDigest::Load(digest.Save()).ValueOrDie());
    values.insert(values.end(), some.begin(), some.end());
  }
  std::sort(values.begin(), values.end());
  EXPECT_EQ(whole.count(), static_cast<int64_t>(values.size()));
  EXPECT_EQ(whole.Quantile(0), values.front());
  EXPECT_EQ(whole.Quantile(1), values.back());
  for (const double q : {0.0001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999}) {
    const auto place = std::lower_bound(values.begin(), values.end(), whole.Quantile(q)) - values.begin();
    const double found = static_cast<double>(place) / static_cast<double>(values.size());
    EXPECT_NEAR(found, q, 0.01 * std::sqrt(q * (1 - q)) + 1e-5) << q;
  }
  EXPECT_LT(whole.Save().size(), 20'000U);
  EXPECT_FALSE(TDigest::Load("nonsense").ok());
}

}  // namespace
}  // namespace weft::kernels
