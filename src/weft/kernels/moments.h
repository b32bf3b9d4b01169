// Count, mean and central moments of numbers, in one pass and mergeable: variance, skewness and kurtosis stand on them.
//
// Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979, for
// the second moment; Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
// statistical moments", Sandia report SAND2008-6212, 2008, for the third, fourth and co-moments.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace weft::kernels {

/// Moments of the numbers added so far: m2, m3, m4 are the sums of (x - mean)^2, ^3, ^4. Trivially copyable, so that it
/// can be a state by group and travel as bytes. The results are pandas': NaN where there are too few numbers. Adding
/// and merging in another order changes the last bits only, whatever the offset of the numbers.
struct Moments {
  int64_t count = 0;
  /// The mean is mean + mean_low: with a large offset the difference of two means needs the digits behind a double's.
  double mean = 0;
  double mean_low = 0;
  double m2 = 0;
  double m3 = 0;
  double m4 = 0;

  /// One more number. An infinity or NaN makes all results NaN.
  void Add(double value) {
    const auto before = static_cast<double>(count);
    const auto n = static_cast<double>(++count);
    const double delta = (value - mean) - mean_low;
    const double part = delta / n;
    const double square = part * part;
    const double term = delta * part * before;
    MoveMean(part, &mean, &mean_low);
    m4 += term * square * (n * n - 3 * n + 3) + 6 * square * m2 - 4 * part * m3;
    m3 += term * part * (n - 2) - 3 * part * m2;
    m2 += delta * ((value - mean) - mean_low);
  }

  /// As if `other`'s numbers had been added.
  void Merge(const Moments& other) {
    if (other.count == 0) return;
    if (count == 0) {
      *this = other;
      return;
    }
    const auto a = static_cast<double>(count);
    const auto b = static_cast<double>(other.count);
    const double n = a + b;
    const double delta = (other.mean - mean) + (other.mean_low - mean_low);
    const double part = delta / n;
    const double term = delta * part * a * b;
    m4 += other.m4 + term * part * part * (a * a - a * b + b * b) + 6 * part * part * (a * a * other.m2 + b * b * m2) +
          4 * part * (a * other.m3 - b * m3);
    m3 += other.m3 + term * part * (a - b) + 3 * part * (a * other.m2 - b * m2);
    m2 += other.m2 + term;
    MoveMean(part * b, &mean, &mean_low);
    count += other.count;
  }

  /// Adds to a mean of two parts, so that the second stays small.
  static void MoveMean(double by, double* high, double* low) {
    const double rest = *low + by;
    const double sum = *high + rest;
    // Fast two-sum (Dekker 1971): exact where the mean is the larger one; else nothing is lost that matters to it.
    *low = std::isfinite(sum) ? rest - (sum - *high) : 0;
    *high = sum;
  }

  /// Of a block of numbers, in two passes: faster and more exact than adding one by one.
  static Moments Of(std::span<const double> values) {
    Moments made;
    made.count = static_cast<int64_t>(values.size());
    if (values.empty()) return made;
    const auto n = static_cast<double>(made.count);
    made.mean = Sum(values, [](double x) { return x; }) / n;
    const double center = made.mean;
    // What rounding left of the mean.
    made.mean_low = Sum(values, [center](double x) { return x - center; }) / n;
    const double low = made.mean_low;
    made.m2 = Sum(values, [center, low](double x) {
      const double d = (x - center) - low;
      return d * d;
    });
    made.m3 = Sum(values, [center, low](double x) {
      const double d = (x - center) - low;
      return d * d * d;
    });
    made.m4 = Sum(values, [center, low](double x) {
      const double d = (x - center) - low;
      return (d * d) * (d * d);
    });
    return made;
  }

  /// Sum of squared deviations by count - ddof; NaN where that is not above 0.
  double Variance(int64_t ddof) const {
    return count - ddof > 0 ? m2 / static_cast<double>(count - ddof) : std::numeric_limits<double>::quiet_NaN();
  }

  double StandardDeviation(int64_t ddof) const { return std::sqrt(Variance(ddof)); }

  /// Standard error of the mean.
  double StandardError(int64_t ddof) const { return StandardDeviation(ddof) / std::sqrt(static_cast<double>(count)); }

  /// The adjusted Fisher-Pearson coefficient of skewness; NaN for fewer than three numbers, and where all are equal.
  double Skew() const {
    if (count < 3 || m2 == 0) return std::numeric_limits<double>::quiet_NaN();
    const auto n = static_cast<double>(count);
    return n * std::sqrt(n - 1) / (n - 2) * (m3 / (m2 * std::sqrt(m2)));
  }

  /// The adjusted excess kurtosis; NaN for fewer than four numbers, and where all are equal.
  double Kurtosis() const {
    if (count < 4 || m2 == 0) return std::numeric_limits<double>::quiet_NaN();
    const auto n = static_cast<double>(count);
    const double adjustment = 3 * (n - 1) * (n - 1) / ((n - 2) * (n - 3));
    return n * (n + 1) * (n - 1) / ((n - 2) * (n - 3)) * (m4 / (m2 * m2)) - adjustment;
  }

 private:
  /// Four sums side by side: the processor does them at once, and the order is fixed.
  template <typename Term>
  static double Sum(std::span<const double> values, const Term& term) {
    double sums[4] = {0, 0, 0, 0};
    size_t i = 0;
    for (; i + 4 <= values.size(); i += 4) {
      for (size_t lane = 0; lane < 4; ++lane) sums[lane] += term(values[i + lane]);
    }
    for (; i < values.size(); ++i) sums[0] += term(values[i]);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
};

/// The same of pairs of numbers: co is the sum of (x - mean of x)(y - mean of y).
struct CoMoments {
  int64_t count = 0;
  double mean_x = 0;
  double mean_x_low = 0;
  double mean_y = 0;
  double mean_y_low = 0;
  double m2_x = 0;
  double m2_y = 0;
  double co = 0;

  void Add(double x, double y) {
    const auto n = static_cast<double>(++count);
    const double delta_x = (x - mean_x) - mean_x_low;
    const double delta_y = (y - mean_y) - mean_y_low;
    Moments::MoveMean(delta_x / n, &mean_x, &mean_x_low);
    Moments::MoveMean(delta_y / n, &mean_y, &mean_y_low);
    const double after_y = (y - mean_y) - mean_y_low;
    m2_x += delta_x * ((x - mean_x) - mean_x_low);
    m2_y += delta_y * after_y;
    co += delta_x * after_y;
  }

  void Merge(const CoMoments& other) {
    if (other.count == 0) return;
    if (count == 0) {
      *this = other;
      return;
    }
    const auto a = static_cast<double>(count);
    const auto b = static_cast<double>(other.count);
    const double n = a + b;
    const double delta_x = (other.mean_x - mean_x) + (other.mean_x_low - mean_x_low);
    const double delta_y = (other.mean_y - mean_y) + (other.mean_y_low - mean_y_low);
    m2_x += other.m2_x + delta_x * (delta_x / n) * a * b;
    m2_y += other.m2_y + delta_y * (delta_y / n) * a * b;
    co += other.co + delta_x * (delta_y / n) * a * b;
    Moments::MoveMean(delta_x * b / n, &mean_x, &mean_x_low);
    Moments::MoveMean(delta_y * b / n, &mean_y, &mean_y_low);
    count += other.count;
  }

  double Covariance(int64_t ddof) const {
    return count - ddof > 0 ? co / static_cast<double>(count - ddof) : std::numeric_limits<double>::quiet_NaN();
  }

  /// Pearson's coefficient, within [-1, 1]; NaN where one of the two does not vary.
  double Correlation() const {
    const double divisor = std::sqrt(m2_x) * std::sqrt(m2_y);
    if (!(divisor > 0)) return std::numeric_limits<double>::quiet_NaN();
    const double found = co / divisor;
    return found > 1 ? 1 : (found < -1 ? -1 : found);
  }
};

}  // namespace weft::kernels
