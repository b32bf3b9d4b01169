// Number columns as doubles.
#pragma once

#include <arrow/chunked_array.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// The values of a column of bool, integers, floats, decimals, null, or a dictionary of such, each rounded to the
/// nearest double; a column of doubles in one chunk is not copied. Reading is thread-safe.
class Reals {
 public:
  static arrow::Result<Reals> Make(const std::shared_ptr<arrow::ChunkedArray>& column, bool nan_is_null,
                                   const Context& context);

  int64_t size() const { return size_; }
  /// Not said where the row is missing.
  double operator[](int64_t row) const { return values_[row]; }
  const double* data() const { return values_; }
  /// Whether the row is null, or NaN where that is null.
  bool missing(int64_t row) const { return !missing_.empty() && missing_[row] != 0; }
  bool may_miss() const { return !missing_.empty(); }

 private:
  std::shared_ptr<arrow::ChunkedArray> owner_;
  PoolArray<double> own_;
  const double* values_ = nullptr;
  int64_t size_ = 0;
  PoolArray<uint8_t> missing_;
};

}  // namespace weft::kernels
