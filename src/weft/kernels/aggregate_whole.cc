// States that need all rows of a group at once.
#include <arrow/builder.h>
#include <arrow/compute/cast.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "weft/kernels/aggregate_kinds.h"
#include "weft/kernels/column_reals.h"
#include "weft/kernels/dense_values.h"
#include "weft/kernels/group_fold.h"
#include "weft/kernels/group_runs.h"
#include "weft/kernels/interpolation.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// A column without nulls over memory of the pool.
arrow::Result<std::shared_ptr<arrow::Array>> Numbers(const PoolArray<int64_t>& values, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(values.size() * static_cast<int64_t>(sizeof(int64_t)), context.pool));
  std::copy(values.begin(), values.end(), reinterpret_cast<int64_t*>(buffer->mutable_data()));
  return arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), values.size(), {nullptr, std::move(buffer)}, 0));
}

/// The rows are grouped a second time, by group and value; each of these groups counts one.
class DistinctStates : public GroupStates {
 public:
  DistinctStates(const StateInput& input, bool skip_nulls) : input_(input), skip_nulls_(skip_nulls) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    const int64_t rows = input_.column->length();
    ARROW_ASSIGN_OR_RAISE(counts_, PoolArray<int64_t>::MakeZero(grouping.groups, context.pool));
    ARROW_ASSIGN_OR_RAISE(auto groups, GroupOfRows(grouping, rows, context));
    ARROW_ASSIGN_OR_RAISE(auto ids, Numbers(groups, context));
    const auto schema = arrow::schema({arrow::field("group", arrow::int64()), arrow::field("value", input_.of)});
    const auto pairs =
        arrow::Table::Make(schema, {std::make_shared<arrow::ChunkedArray>(std::move(ids)), input_.column}, rows);
    const std::vector<int> both{0, 1};
    ARROW_ASSIGN_OR_RAISE(
        const auto distinct,
        GroupRows(*pairs, both, {.nan_is_null = input_.nan_is_null, .drop_nulls = skip_nulls_}, context));
    for (const int64_t row : distinct.first_rows) {
      if (groups[row] >= 0) ++counts_[groups[row]];
    }
    input_.column.reset();
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    return MakeColumn<int64_t>(arrow::int64(), order, [&](int64_t group) { return counts_[group]; }, context);
  }

  void Counts(std::span<const int64_t> groups, int64_t* out) const override {
    for (size_t i = 0; i < groups.size(); ++i) out[i] = counts_[groups[i]];
  }

 private:
  StateInput input_;
  const bool skip_nulls_;
  PoolArray<int64_t> counts_;
};

/// The quantile of `count` values, which are put in another order. Hyndman, Fan, "Sample quantiles in statistical
/// packages", 1996, definition 7, with the interpolations of NumPy.
template <typename T>
T QuantileOf(T* values, int64_t count, const StateSpec& spec) {
  const double place = spec.quantile * static_cast<double>(count - 1);
  const auto lower = std::min(static_cast<int64_t>(place), count - 1);
  const double rest = place - static_cast<double>(lower);
  std::nth_element(values, values + lower, values + count);
  const T low = values[lower];
  if (rest <= 0 || lower + 1 >= count || spec.interpolation == Interpolation::kLower) return low;
  const T high = *std::min_element(values + lower + 1, values + count);
  switch (spec.interpolation) {
    case Interpolation::kHigher:
      return high;
    case Interpolation::kNearest:
      // Half way: the even place, as NumPy rounds.
      return rest > 0.5 || (rest == 0.5 && lower % 2 == 1) ? high : low;
    case Interpolation::kMidpoint:
      if constexpr (std::is_integral_v<T>) {
        return std::midpoint(low, high);
      } else {
        return (low + high) / 2;
      }
    default:
      if constexpr (std::is_integral_v<T>) {
        return BetweenTimes(low, high, rest);
      } else {
        return low + (high - low) * rest;
      }
  }
}

/// Of doubles; of points in time and durations by their 64-bit numbers.
template <typename T>
class QuantileStates : public GroupStates {
 public:
  QuantileStates(const StateSpec& spec, const StateInput& input) : spec_(spec), input_(input) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    ARROW_ASSIGN_OR_RAISE(const auto runs, MakeGroupRuns(grouping, context));
    ARROW_ASSIGN_OR_RAISE(results_, PoolArray<T>::MakeZero(grouping.groups, context.pool));
    ARROW_ASSIGN_OR_RAISE(missing_, PoolArray<uint8_t>::MakeZero(grouping.groups, context.pool));
    if constexpr (std::is_same_v<T, double>) {
      ARROW_ASSIGN_OR_RAISE(const auto values, Reals::Make(input_.column, input_.nan_is_null, context));
      return Compute(
          runs, [&](int64_t row) { return values[row]; }, [&](int64_t row) { return values.missing(row); }, context);
    } else {
      ARROW_ASSIGN_OR_RAISE(const auto decoded, DecodeDictionary(input_.column, context));
      ARROW_ASSIGN_OR_RAISE(const auto flat, Flatten(*decoded, context));
      const auto* values = flat->data()->template GetValues<int64_t>(1);
      return Compute(
          runs, [&](int64_t row) { return values[row]; }, [&](int64_t row) { return flat->IsNull(row); }, context);
    }
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    typename arrow::CTypeTraits<T>::BuilderType builder(context.pool);
    ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(order.size())));
    for (const int64_t group : order) {
      if (missing_[group] != 0) {
        builder.UnsafeAppendNull();
      } else {
        builder.UnsafeAppend(results_[group]);
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto made, builder.Finish());
    const auto type = StateType(StateKind::kQuantile, input_.of);
    if (!made->type()->Equals(*type)) {
      ARROW_ASSIGN_OR_RAISE(made, made->View(type));
    }
    return std::make_shared<arrow::ChunkedArray>(std::move(made));
  }

 private:
  template <typename Value, typename Missing>
  arrow::Status Compute(const GroupRuns& runs, const Value& value, const Missing& missing, const Context& context) {
    return VisitRuns(runs, context, [&](int64_t begin, int64_t end) -> arrow::Status {
      int64_t longest = 0;
      for (int64_t g = begin; g < end; ++g) longest = std::max(longest, runs.starts[g + 1] - runs.starts[g]);
      ARROW_ASSIGN_OR_RAISE(auto values, PoolArray<T>::Make(longest, context.pool));
      for (int64_t g = begin; g < end; ++g) {
        int64_t count = 0;
        bool nan = false;
        for (int64_t i = runs.starts[g]; i < runs.starts[g + 1]; ++i) {
          const int64_t row = runs.rows[i];
          if (missing(row)) continue;
          values[count++] = value(row);
          if constexpr (std::is_same_v<T, double>) nan |= std::isnan(values[count - 1]);
        }
        if (count == 0) {
          missing_[g] = 1;
        } else if (nan) {
          results_[g] = std::numeric_limits<T>::quiet_NaN();
        } else {
          results_[g] = QuantileOf(values.data(), count, spec_);
        }
      }
      return arrow::Status::OK();
    });
  }

  const StateSpec spec_;
  const StateInput input_;
  PoolArray<T> results_;
  PoolArray<uint8_t> missing_;
};

}  // namespace

arrow::Result<std::unique_ptr<GroupStates>> MakeWholeStates(const StateSpec& spec, const StateInput& input,
                                                            const Context&) {
  if (spec.kind == StateKind::kDistinct) return std::make_unique<DistinctStates>(input, spec.skip_nulls);
  if (StateType(spec.kind, input.of)->id() == Type::DOUBLE) {
    return std::make_unique<QuantileStates<double>>(spec, input);
  }
  return std::make_unique<QuantileStates<int64_t>>(spec, input);
}

}  // namespace weft::kernels
