#include "weft/kernels/tdigest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

namespace weft::kernels {
namespace {

constexpr size_t kPending = 8192;

}  // namespace

void TDigest::Add(std::span<const double> values) {
  for (const double value : values) {
    if (count_ == 0 || value < least_) least_ = value;
    if (count_ == 0 || value > greatest_) greatest_ = value;
    ++count_;
    pending_.push_back({value, 1});
    if (pending_.size() >= kPending) Compress();
  }
}

void TDigest::Merge(const TDigest& other) {
  if (other.count_ == 0) return;
  least_ = count_ == 0 ? other.least_ : std::min(least_, other.least_);
  greatest_ = count_ == 0 ? other.greatest_ : std::max(greatest_, other.greatest_);
  count_ += other.count_;
  pending_.insert(pending_.end(), other.centroids_.begin(), other.centroids_.end());
  pending_.insert(pending_.end(), other.pending_.begin(), other.pending_.end());
  Compress();
}

void TDigest::Compress() {
  if (pending_.empty()) return;
  pending_.insert(pending_.end(), centroids_.begin(), centroids_.end());
  std::stable_sort(pending_.begin(), pending_.end(),
                   [](const Centroid& a, const Centroid& b) { return a.mean < b.mean; });
  double total = 0;
  for (const Centroid& one : pending_) total += one.weight;
  // A centroid may span at most one unit of k(q) = compression / (2 pi) asin(2q - 1).
  const double scale = compression_ / (2 * std::numbers::pi);
  const auto limit_after = [&](double q) {
    const double k = scale * std::asin(2 * q - 1) + 1;
    return k >= compression_ / 4 ? 1.0 : (std::sin(k / scale) + 1) / 2;
  };
  centroids_.clear();
  double before = 0;
  double limit = limit_after(0);
  Centroid open = pending_.front();
  for (size_t i = 1; i < pending_.size(); ++i) {
    const Centroid& one = pending_[i];
    const bool same = one.mean == open.mean;
    if (same || (before + open.weight + one.weight) / total <= limit) {
      open.weight += one.weight;
      // Equal means are kept as they are: infinities have no difference.
      if (!same) open.mean += (one.mean - open.mean) * (one.weight / open.weight);
      continue;
    }
    before += open.weight;
    limit = limit_after(std::min(1.0, before / total));
    centroids_.push_back(open);
    open = one;
  }
  centroids_.push_back(open);
  pending_.clear();
}

double TDigest::Quantile(double q) {
  Compress();
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto total = static_cast<double>(count_);
  // As pandas places quantiles: the first number at 0, the last at count - 1; a centroid stands in its middle.
  const double place = q * (total - 1) + 0.5;
  double from_place = 0.5;
  double from = least_;
  double before = 0;
  for (const Centroid& one : centroids_) {
    const double middle = before + one.weight / 2;
    if (place <= middle) {
      const double width = middle - from_place;
      return width <= 0 ? one.mean : from + (one.mean - from) * ((place - from_place) / width);
    }
    from_place = middle;
    from = one.mean;
    before += one.weight;
  }
  const double width = total - 0.5 - from_place;
  return width <= 0 ? greatest_ : from + (greatest_ - from) * std::min(1.0, (place - from_place) / width);
}

std::string TDigest::Save() {
  Compress();
  std::string bytes;
  const auto put = [&](const auto& value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof(value)); };
  put(compression_);
  put(count_);
  put(least_);
  put(greatest_);
  for (const Centroid& one : centroids_) put(one);
  return bytes;
}

arrow::Result<TDigest> TDigest::Load(std::string_view bytes) {
  TDigest made;
  constexpr size_t kHead = 4 * sizeof(double);
  if (bytes.size() < kHead || (bytes.size() - kHead) % sizeof(Centroid) != 0) {
    return arrow::Status::Invalid("quantile: a digest of ", bytes.size(), " bytes is none");
  }
  const auto get = [&](auto* value) {
    std::memcpy(value, bytes.data(), sizeof(*value));
    bytes.remove_prefix(sizeof(*value));
  };
  get(&made.compression_);
  get(&made.count_);
  get(&made.least_);
  get(&made.greatest_);
  made.centroids_.resize(bytes.size() / sizeof(Centroid));
  for (Centroid& one : made.centroids_) get(&one);
  if (made.count_ < 0 || (made.count_ > 0) == made.centroids_.empty() || !(made.compression_ >= 1)) {
    return arrow::Status::Invalid("quantile: a digest of ", made.count_, " numbers has ", made.centroids_.size(),
                                  " centroids");
  }
  return made;
}

}  // namespace weft::kernels
