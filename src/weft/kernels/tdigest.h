// Approximate quantiles in little memory, mergeable.
//
// Source: Dunning, Ertl, "Computing extremely accurate quantiles using t-digests", 2019: the merging digest with the
// scale function k1. Arrow's own digest cannot give its centroids away, which ranks must.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::kernels {

/// A sketch of numbers (no NaN). What it answers depends on the numbers and the order of calls alone.
class TDigest {
 public:
  /// Above 2 / compression of the quantile range no centroid reaches in the middle; much less at the ends.
  explicit TDigest(double compression = 500) : compression_(compression) {}

  void Add(std::span<const double> values);
  void Merge(const TDigest& other);

  int64_t count() const { return count_; }
  /// The value below which a share q (0 to 1) of the numbers lies, between centroids by interpolation; exact for q = 0
  /// and 1. NaN without numbers.
  double Quantile(double q);

  /// The form in which it goes to other ranks. Load fails with Status::Invalid for bytes that are none.
  std::string Save();
  static arrow::Result<TDigest> Load(std::string_view bytes);

 private:
  struct Centroid {
    double mean;
    double weight;
  };

  void Compress();

  double compression_;
  int64_t count_ = 0;
  double least_ = 0;
  double greatest_ = 0;
  std::vector<Centroid> centroids_;
  /// Not yet compressed.
  std::vector<Centroid> pending_;
};

}  // namespace weft::kernels
