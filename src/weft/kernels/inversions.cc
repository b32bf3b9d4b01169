#include "weft/kernels/inversions.h"

#include <algorithm>
#include <utility>

#include "weft/kernels/column_reals.h"

namespace weft::kernels {
namespace {

constexpr int64_t kRun = 16;

/// Sorts a short run in place, counting what each value passes.
int64_t SortRun(double* values, int64_t length) {
  int64_t count = 0;
  for (int64_t i = 1; i < length; ++i) {
    const double value = values[i];
    int64_t at = i;
    for (; at > 0 && values[at - 1] > value; --at) values[at] = values[at - 1];
    values[at] = value;
    count += i - at;
  }
  return count;
}

/// Merges [begin, middle) and [middle, end) of `from` into `to`.
int64_t MergeRuns(const double* from, int64_t begin, int64_t middle, int64_t end, double* to) {
  int64_t count = 0;
  int64_t left = begin;
  int64_t right = middle;
  for (int64_t at = begin; at < end; ++at) {
    if (right == end || (left < middle && from[left] <= from[right])) {
      to[at] = from[left++];
    } else {
      to[at] = from[right++];
      count += middle - left;
    }
  }
  return count;
}

}  // namespace

arrow::Result<Inversions> CountInversions(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto reals, Reals::Make(column, /*nan_is_null=*/true, context));
  const int64_t rows = reals.size();
  if (rows >= int64_t{1} << 32) return arrow::Status::Invalid("inversions: a part of 2^32 rows or more");
  Inversions made;
  ARROW_ASSIGN_OR_RAISE(auto values, PoolArray<double>::Make(rows, context.pool));
  ARROW_ASSIGN_OR_RAISE(auto other, PoolArray<double>::Make(rows, context.pool));
  std::copy_n(reals.data(), rows, values.data());
  for (int64_t begin = 0; begin < rows; begin += kRun) {
    made.count += SortRun(values.data() + begin, std::min(kRun, rows - begin));
  }
  for (int64_t run = kRun; run < rows; run *= 2) {
    for (int64_t begin = 0; begin < rows; begin += 2 * run) {
      made.count +=
          MergeRuns(values.data(), begin, std::min(rows, begin + run), std::min(rows, begin + 2 * run), other.data());
    }
    std::swap(values, other);
    if (context.stop.IsStopRequested()) return context.stop.Poll();
  }
  made.sorted = std::move(values);
  return made;
}

int64_t CountGreater(std::span<const double> earlier, std::span<const double> later) {
  int64_t count = 0;
  size_t at = 0;
  // Of each earlier value, the later ones below it.
  for (const double value : earlier) {
    while (at < later.size() && later[at] < value) ++at;
    count += static_cast<int64_t>(at);
  }
  return count;
}

}  // namespace weft::kernels
