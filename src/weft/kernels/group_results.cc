#include "weft/kernels/group_results.h"

#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/util/bitmap_generate.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "weft/kernels/group_fold.h"

namespace weft::kernels {
namespace {

using arrow::Type;

arrow::Status Overflow(std::string_view what, const std::string& column, const arrow::DataType& type) {
  return arrow::Status::Invalid("groupby: the ", what, " of column '", column, "' does not fit its result type ",
                                type.ToString(), "; cast the column to a decimal or to double first");
}

/// A sum as a 64-bit integer; false where it does not fit.
template <typename T>
bool Narrow(Int128 sum, T* out) {
  *out = static_cast<T>(sum);
  return Int128{*out} == sum;
}

/// A column of `type` whose values `fill(groups, out, valid)` writes, block by block; where it clears valid[i], which
/// comes as true, there is null.
template <typename T, typename Fill>
arrow::Result<std::shared_ptr<arrow::Array>> FillColumn(const std::shared_ptr<arrow::DataType>& type,
                                                        std::span<const int64_t> order, const Context& context,
                                                        const Fill& fill) {
  const auto count = static_cast<int64_t>(order.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values,
                        arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(T)), context.pool));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> validity,
                        arrow::AllocateBuffer(arrow::bit_util::BytesForBits(count), context.pool));
  auto* const out = reinterpret_cast<T*>(values->mutable_data());
  std::atomic<int64_t> nulls{0};
  static_assert(kFoldBlock % 8 == 0);
  ARROW_RETURN_NOT_OK(ForGroups(order, context, [&](int64_t begin, std::span<const int64_t> groups) -> arrow::Status {
    bool valid[kFoldBlock];
    std::fill(valid, valid + groups.size(), true);
    ARROW_RETURN_NOT_OK(fill(groups, out + begin, valid));
    const auto block_nulls = static_cast<int64_t>(std::count(valid, valid + groups.size(), false));
    if (block_nulls > 0) nulls += block_nulls;
    size_t next = 0;
    arrow::internal::GenerateBitsUnrolled(validity->mutable_data(), begin, static_cast<int64_t>(groups.size()),
                                          [&] { return valid[next++]; });
    return arrow::Status::OK();
  }));
  if (nulls == 0) validity.reset();
  return arrow::MakeArray(arrow::ArrayData::Make(type, count, {std::move(validity), std::move(values)}, nulls.load()));
}

template <typename T>
arrow::Result<std::shared_ptr<arrow::Array>> IntegerSums(const GroupStates& sums, std::span<const int64_t> order,
                                                         const std::shared_ptr<arrow::DataType>& type,
                                                         const std::string& column, const Context& context) {
  return FillColumn<T>(type, order, context, [&](std::span<const int64_t> groups, T* out, bool*) -> arrow::Status {
    Int128 wide[kFoldBlock];
    sums.Integers(groups, wide);
    bool fit = true;
    for (size_t i = 0; i < groups.size(); ++i) fit &= Narrow(wide[i], &out[i]);
    return fit ? arrow::Status::OK() : Overflow("sum", column, *type);
  });
}

template <typename Builder, typename Value>
arrow::Result<std::shared_ptr<arrow::Array>> BuildDecimals(Builder builder, std::span<const int64_t> order,
                                                           const Value& append) {
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(order.size())));
  for (const int64_t group : order) ARROW_RETURN_NOT_OK(append(&builder, group));
  return builder.Finish();
}

/// Sums or, with `counts`, means of decimals.
arrow::Result<std::shared_ptr<arrow::Array>> DecimalResults(const GroupStates& sums, const GroupStates* counts,
                                                            std::span<const int64_t> order,
                                                            const std::shared_ptr<arrow::DataType>& type,
                                                            const std::string& column, const Context& context) {
  const int32_t precision = static_cast<const arrow::DecimalType&>(*type).precision();
  const auto append = [&](auto* builder, int64_t group) -> arrow::Status {
    arrow::Decimal256 value = sums.Decimal(group);
    if (counts != nullptr) {
      if (counts->Count(group) == 0) return builder->AppendNull();
      ARROW_ASSIGN_OR_RAISE(value, DecimalMean(value, counts->Count(group)));
    }
    if (!value.FitsInPrecision(precision)) return Overflow("sum", column, *type);
    const uint64_t low = value.little_endian_array()[0];
    using Builder = std::remove_pointer_t<decltype(builder)>;
    if constexpr (std::is_same_v<Builder, arrow::Decimal256Builder>) {
      return builder->Append(value);
    } else if constexpr (std::is_same_v<Builder, arrow::Decimal128Builder>) {
      return builder->Append(arrow::Decimal128(static_cast<int64_t>(value.little_endian_array()[1]), low));
    } else if constexpr (std::is_same_v<Builder, arrow::Decimal64Builder>) {
      return builder->Append(arrow::Decimal64(static_cast<int64_t>(low)));
    } else {
      return builder->Append(arrow::Decimal32(static_cast<int32_t>(low)));
    }
  };
  switch (type->id()) {
    case Type::DECIMAL32:
      return BuildDecimals(arrow::Decimal32Builder(type, context.pool), order, append);
    case Type::DECIMAL64:
      return BuildDecimals(arrow::Decimal64Builder(type, context.pool), order, append);
    case Type::DECIMAL128:
      return BuildDecimals(arrow::Decimal128Builder(type, context.pool), order, append);
    default:
      return BuildDecimals(arrow::Decimal256Builder(type, context.pool), order, append);
  }
}

double MeanOf(Int128 sum, int64_t count) {
  int64_t small = 0;
  constexpr int64_t kExact = int64_t{1} << 53;
  // Both are exact as doubles, so that their quotient is rounded once.
  if (Narrow(sum, &small) && small <= kExact && small >= -kExact && count <= kExact) {
    return static_cast<double>(small) / static_cast<double>(count);
  }
  return ExactQuotient(sum, count);
}

arrow::Result<std::shared_ptr<arrow::Array>> Means(const GroupStates& sums, const GroupStates& counts,
                                                   const std::shared_ptr<arrow::DataType>& input,
                                                   std::span<const int64_t> order, const Context& context) {
  const bool real = arrow::is_floating(input->id()) || input->id() == Type::NA;
  const auto fill = [&](std::span<const int64_t> groups, double* out, bool* valid) {
    int64_t count[kFoldBlock];
    counts.Counts(groups, count);
    for (size_t i = 0; i < groups.size(); ++i) valid[i] = count[i] != 0;
    if (real) {
      sums.Reals(groups, out);
      for (size_t i = 0; i < groups.size(); ++i) out[i] /= static_cast<double>(count[i]);
    } else {
      Int128 sum[kFoldBlock];
      sums.Integers(groups, sum);
      for (size_t i = 0; i < groups.size(); ++i) out[i] = valid[i] ? MeanOf(sum[i], count[i]) : 0;
    }
    return arrow::Status::OK();
  };
  return FillColumn<double>(arrow::float64(), order, context, fill);
}

/// Means of durations and points in time: cut to whole units (whole days for dates) towards zero, as pandas does.
template <typename T>
arrow::Result<std::shared_ptr<arrow::Array>> TimeMeans(const GroupStates& sums, const GroupStates& counts,
                                                       const std::shared_ptr<arrow::DataType>& type,
                                                       std::span<const int64_t> order, const Context& context) {
  constexpr int64_t kDay = int64_t{24} * 3600 * 1000;
  const int64_t unit = type->id() == Type::DATE64 ? kDay : 1;
  return FillColumn<T>(type, order, context, [&](std::span<const int64_t> groups, T* out, bool* valid) {
    int64_t count[kFoldBlock];
    Int128 sum[kFoldBlock];
    counts.Counts(groups, count);
    sums.Integers(groups, sum);
    for (size_t i = 0; i < groups.size(); ++i) {
      valid[i] = count[i] != 0;
      const auto mean = valid[i] ? static_cast<int64_t>(sum[i] / count[i]) : 0;
      out[i] = static_cast<T>(mean - mean % unit);
    }
    return arrow::Status::OK();
  });
}

template <typename T>
arrow::Result<std::shared_ptr<arrow::Array>> IntegerProducts(const GroupStates& products,
                                                             std::span<const int64_t> order,
                                                             const std::shared_ptr<arrow::DataType>& type,
                                                             const std::string& column, const Context& context) {
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<T>::max());
  return FillColumn<T>(type, order, context, [&](std::span<const int64_t> groups, T* out, bool*) -> arrow::Status {
    for (size_t i = 0; i < groups.size(); ++i) {
      const IntegerProduct product = products.Product(groups[i]);
      const bool negative = product.negative() && product.magnitude != 0;
      const uint64_t most = negative ? (std::is_signed_v<T> ? kMost + 1 : 0) : kMost;
      if (product.overflow() || product.magnitude > most) return Overflow("product", column, *type);
      out[i] = static_cast<T>(negative ? ~product.magnitude + 1 : product.magnitude);
    }
    return arrow::Status::OK();
  });
}

/// NaN where it is not defined, as pandas has it.
double MomentResult(AggregateFunction function, const Moments& moments, int ddof) {
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<double>(moments.count);
  const double variance = moments.count > ddof ? moments.m2 / (n - ddof) : kUndefined;
  switch (function) {
    case AggregateFunction::kVar:
      return variance;
    case AggregateFunction::kStd:
      return std::sqrt(variance);
    case AggregateFunction::kSem:
      return std::sqrt(variance / n);
    default:
      break;
  }
  // What is left of equal values after rounding is no spread.
  const double noise = std::numeric_limits<double>::epsilon() * moments.mean;
  const bool constant = moments.m2 <= n * noise * noise;
  if (function == AggregateFunction::kSkew) {
    if (moments.count < 3 || constant) return kUndefined;
    return n * std::sqrt(n - 1) / (n - 2) * moments.m3 / (moments.m2 * std::sqrt(moments.m2));
  }
  if (moments.count < 4 || constant) return kUndefined;
  const double below = (n - 2) * (n - 3);
  return n * (n + 1) * (n - 1) * moments.m4 / (below * moments.m2 * moments.m2) - 3 * (n - 1) * (n - 1) / below;
}

arrow::Result<std::shared_ptr<arrow::Array>> MomentResults(const Aggregation& aggregation, const GroupStates& states,
                                                           std::span<const int64_t> order, const Context& context) {
  const auto fill = [&](std::span<const int64_t> groups, double* out, bool* valid) {
    for (size_t i = 0; i < groups.size(); ++i) {
      out[i] = MomentResult(aggregation.function, states.MomentsOf(groups[i]), aggregation.ddof);
      valid[i] = !std::isnan(out[i]);
    }
    return arrow::Status::OK();
  };
  return FillColumn<double>(arrow::float64(), order, context, fill);
}

/// Sums, products and means; nullptr where the states themselves are the result.
arrow::Result<std::shared_ptr<arrow::Array>> NumberResults(const Aggregation& aggregation, const ResultStates& states,
                                                           std::span<const int64_t> order, const arrow::Schema& input,
                                                           const std::shared_ptr<arrow::DataType>& type,
                                                           const Context& context) {
  const auto& field = *input.field(aggregation.column);
  auto of = field.type();
  if (of->id() == Type::DICTIONARY) of = static_cast<const arrow::DictionaryType&>(*of).value_type();
  if (aggregation.function == AggregateFunction::kProd) {
    if (type->id() == Type::DOUBLE) return nullptr;
    if (type->id() == Type::UINT64) return IntegerProducts<uint64_t>(*states.state, order, type, field.name(), context);
    return IntegerProducts<int64_t>(*states.state, order, type, field.name(), context);
  }
  const bool mean = aggregation.function == AggregateFunction::kMean;
  if (arrow::is_decimal(type->id())) {
    return DecimalResults(*states.state, mean ? states.counts : nullptr, order, type, field.name(), context);
  }
  if (mean && type->id() == Type::DOUBLE) return Means(*states.state, *states.counts, of, order, context);
  if (mean && type->id() == Type::DATE32) {
    return TimeMeans<int32_t>(*states.state, *states.counts, type, order, context);
  }
  if (mean) return TimeMeans<int64_t>(*states.state, *states.counts, type, order, context);
  if (type->id() == Type::DOUBLE) return nullptr;
  if (type->id() == Type::UINT64) return IntegerSums<uint64_t>(*states.state, order, type, field.name(), context);
  return IntegerSums<int64_t>(*states.state, order, type, field.name(), context);
}

/// Any and all. What is missing counts as true unless it is passed over.
arrow::Result<std::shared_ptr<arrow::Array>> TruthResults(const Aggregation& aggregation, const ResultStates& states,
                                                          std::span<const int64_t> order, const Context& context) {
  arrow::BooleanBuilder builder(context.pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(order.size())));
  for (const int64_t group : order) {
    const int64_t trues = states.state->Count(group);
    const int64_t values = states.counts->Count(group);
    const bool missing = states.sizes != nullptr && states.sizes->Count(group) > values;
    builder.UnsafeAppend(aggregation.function == AggregateFunction::kAny ? trues > 0 || missing : trues == values);
  }
  return builder.Finish();
}

/// Labels; there must be one for each group.
arrow::Status CheckLabels(const Aggregation& aggregation, const ResultStates& states, std::span<const int64_t> order,
                          const std::string& column) {
  for (const int64_t group : order) {
    const int64_t values = states.counts->Count(group);
    const bool missing = states.sizes != nullptr && states.sizes->Count(group) > values;
    if (values > 0 && !missing) continue;
    return arrow::Status::Invalid("groupby: ", AggregateFunctionName(aggregation.function), " of column '", column,
                                  "': a group has ", missing ? "a missing value" : "no value that is not missing",
                                  missing ? "; skipna=True passes over it" : "; leave such rows out first");
  }
  return arrow::Status::OK();
}

/// Groups with fewer than min_count values, or with a null that is not passed over, become null.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> NullWhereShort(std::shared_ptr<arrow::ChunkedArray> column,
                                                                   const Aggregation& aggregation,
                                                                   const ResultStates& states,
                                                                   std::span<const int64_t> order,
                                                                   const Context& context) {
  const bool whole = states.sizes != nullptr;
  if (states.counts == nullptr || (!whole && aggregation.min_count <= 0)) return column;
  ARROW_ASSIGN_OR_RAISE(auto rows, PoolArray<int64_t>::Make(static_cast<int64_t>(order.size()), context.pool));
  std::atomic<bool> short_of{false};
  ARROW_RETURN_NOT_OK(ForGroups(order, context, [&](int64_t begin, std::span<const int64_t> groups) {
    int64_t values[kFoldBlock];
    int64_t sizes[kFoldBlock];
    states.counts->Counts(groups, values);
    if (whole) states.sizes->Counts(groups, sizes);
    bool all = true;
    for (size_t i = 0; i < groups.size(); ++i) {
      const bool valid = values[i] >= aggregation.min_count && (!whole || sizes[i] == values[i]);
      const int64_t row = begin + static_cast<int64_t>(i);
      rows[row] = valid ? row : -1;
      all &= valid;
    }
    if (!all) short_of = true;
    return arrow::Status::OK();
  }));
  if (!short_of) return column;
  return GatherOrNull(column, std::move(rows), context);
}

}  // namespace

NeededCounts CountsNeededBy(const Aggregation& aggregation) {
  NeededCounts needed;
  switch (aggregation.function) {
    case AggregateFunction::kCount:
    case AggregateFunction::kSize:
    case AggregateFunction::kNunique:
      return needed;
    case AggregateFunction::kFirst:
    case AggregateFunction::kLast:
      needed.values = aggregation.min_count > 0;
      return needed;
    case AggregateFunction::kMean:
    case AggregateFunction::kAny:
    case AggregateFunction::kAll:
    case AggregateFunction::kIdxMin:
    case AggregateFunction::kIdxMax:
      needed.values = true;
      break;
    default:
      needed.values = aggregation.min_count > 0 || !aggregation.skip_nulls;
      break;
  }
  needed.rows = !aggregation.skip_nulls;
  return needed;
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> ResultColumn(
    const Aggregation& aggregation, const ResultStates& states, std::span<const int64_t> order,
    const arrow::Schema& input, const std::shared_ptr<arrow::DataType>& type, const Context& context) {
  const std::string column = aggregation.column < 0 ? "" : input.field(aggregation.column)->name();
  std::shared_ptr<arrow::Array> array;
  switch (aggregation.function) {
    case AggregateFunction::kAny:
    case AggregateFunction::kAll: {
      ARROW_ASSIGN_OR_RAISE(array, TruthResults(aggregation, states, order, context));
      return std::make_shared<arrow::ChunkedArray>(std::move(array));
    }
    case AggregateFunction::kIdxMin:
    case AggregateFunction::kIdxMax:
      ARROW_RETURN_NOT_OK(CheckLabels(aggregation, states, order, column));
      return states.state->Result(order, context);
    case AggregateFunction::kVar:
    case AggregateFunction::kStd:
    case AggregateFunction::kSem:
    case AggregateFunction::kSkew:
    case AggregateFunction::kKurt: {
      ARROW_ASSIGN_OR_RAISE(array, MomentResults(aggregation, *states.state, order, context));
      break;
    }
    case AggregateFunction::kSum:
    case AggregateFunction::kProd:
    case AggregateFunction::kMean: {
      ARROW_ASSIGN_OR_RAISE(array, NumberResults(aggregation, states, order, input, type, context));
      break;
    }
    default:
      break;
  }
  std::shared_ptr<arrow::ChunkedArray> made;
  if (array != nullptr) {
    made = std::make_shared<arrow::ChunkedArray>(std::move(array));
  } else {
    ARROW_ASSIGN_OR_RAISE(made, states.state->Result(order, context));
  }
  return NullWhereShort(std::move(made), aggregation, states, order, context);
}

}  // namespace weft::kernels
