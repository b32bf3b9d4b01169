// Moments beside plain formulas in long double.
#include "weft/kernels/moments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace weft::kernels {
namespace {

struct Expected {
  double variance;
  double skew;
  double kurtosis;
};

/// pandas' formulas, on numbers kept exactly in long double.
Expected Plain(const std::vector<double>& values) {
  const auto n = static_cast<long double>(values.size());
  long double sum = 0;
  for (const double x : values) sum += x;
  const long double mean = sum / n;
  long double m2 = 0;
  long double m3 = 0;
  long double m4 = 0;
  for (const double x : values) {
    const long double d = x - mean;
    m2 += d * d;
    m3 += d * d * d;
    m4 += d * d * d * d;
  }
  const long double skew = n * std::sqrt(n - 1) / (n - 2) * m3 / std::pow(m2, 1.5L);
  const long double kurtosis =
      n * (n + 1) * (n - 1) * m4 / ((n - 2) * (n - 3) * m2 * m2) - 3 * (n - 1) * (n - 1) / ((n - 2) * (n - 3));
  return {static_cast<double>(m2 / (n - 1)), static_cast<double>(skew), static_cast<double>(kurtosis)};
}

void ExpectNear(const Moments& found, const Expected& expected) {
  EXPECT_NEAR(found.Variance(1) / expected.variance, 1, 1e-11);
  EXPECT_NEAR(found.Skew(), expected.skew, 1e-9 * std::max(1.0, std::abs(expected.skew)));
  EXPECT_NEAR(found.Kurtosis(), expected.kurtosis, 1e-9 * std::max(1.0, std::abs(expected.kurtosis)));
}

TEST(Moments, AddedMergedAndOfBlocksAreTheSame) {
  std::mt19937_64 random(1);
  std::exponential_distribution<double> draw(1);
  for (const double offset : {0.0, -3.0, 1e9, -1e12}) {
    const double spread = offset == 0 ? 1 : std::abs(offset) / 1e7;
    std::vector<double> values;
    for (int i = 0; i < 5000; ++i) values.push_back(offset + spread * draw(random));
    const Expected expected = Plain(values);
    Moments added;
    for (const double x : values) added.Add(x);
    ExpectNear(added, expected);
    ExpectNear(Moments::Of(values), expected);
    Moments merged;
    for (size_t begin = 0; begin < values.size();) {
      const size_t length = std::min<size_t>(1 + random() % 97, values.size() - begin);
      merged.Merge(Moments::Of(std::span(values).subspan(begin, length)));
      merged.Merge(Moments());
      begin += length;
    }
    EXPECT_EQ(merged.count, 5000);
    ExpectNear(merged, expected);
  }
}

TEST(Moments, AreNaNWhereThereAreTooFewOrAllAreEqual) {
  Moments moments;
  EXPECT_TRUE(std::isnan(moments.Variance(0)));
  moments.Add(0.1);
  EXPECT_TRUE(std::isnan(moments.Variance(1)));
  EXPECT_EQ(moments.Variance(0), 0);
  moments.Add(0.1);
  EXPECT_TRUE(std::isnan(moments.Skew()));
  moments.Add(0.1);
  EXPECT_TRUE(std::isnan(moments.Skew()));
  moments.Add(0.1);
  EXPECT_TRUE(std::isnan(moments.Kurtosis()));
  EXPECT_EQ(moments.Variance(1), 0);
  moments.Merge(moments);
  EXPECT_EQ(moments.Variance(1), 0);
  EXPECT_TRUE(std::isnan(moments.Kurtosis()));
  moments.Add(INFINITY);
  EXPECT_TRUE(std::isnan(moments.Variance(1)));
}

TEST(CoMoments, MergedAreAsAdded) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> draw(1e6, 3);
  CoMoments added;
  CoMoments merged;
  CoMoments part;
  long double product = 0;
  long double sum_x = 0;
  long double sum_y = 0;
  for (int i = 0; i < 4000; ++i) {
    const double x = draw(random);
    const double y = 2 * x + draw(random);
    added.Add(x, y);
    part.Add(x, y);
    if (random() % 50 == 0) {
      merged.Merge(part);
      part = {};
    }
    product += static_cast<long double>(x) * y;
    sum_x += x;
    sum_y += y;
  }
  merged.Merge(part);
  const auto covariance = static_cast<double>((product - sum_x * sum_y / 4000) / 3999);
  EXPECT_NEAR(added.Covariance(1), covariance, 1e-5);
  EXPECT_NEAR(merged.Covariance(1) / added.Covariance(1), 1, 1e-9);
  EXPECT_NEAR(merged.Correlation() / added.Correlation(), 1, 1e-9);
  CoMoments same;
  for (const double x : {1.0, 2.0, 4.0}) same.Add(x, -x);
  EXPECT_EQ(same.Correlation(), -1);
}

}  // namespace
}  // namespace weft::kernels
