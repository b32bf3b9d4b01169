#include "weft/kernels/row_numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "weft/base/cpu_level.h"
#include "weft/kernels/aggregate.h"
#include "weft/kernels/dense_values.h"
#include "weft/kernels/reduce_states.h"
#include "weft/kernels/row_results.h"

namespace weft::kernels {
namespace {

using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

bool IsNumber(Type::type id) {
  return id == Type::BOOL || id == Type::NA || arrow::is_integer(id) || arrow::is_floating(id);
}

bool IsTime(Type::type id) { return id == Type::TIMESTAMP || id == Type::DURATION; }

/// nullptr where the function does not take the type. For functions that read numbers.
TypePtr ResultType(const RowReduceOptions& options, const TypePtr& type) {
  const Type::type id = type->id();
  switch (options.function) {
    case RowFunction::kSum:
      if (arrow::is_decimal(id)) {
        const int32_t scale = static_cast<const arrow::DecimalType&>(*type).scale();
        return id == Type::DECIMAL256 ? arrow::decimal256(76, scale) : arrow::decimal128(38, scale);
      }
      if (id == Type::DURATION) return type;
      [[fallthrough]];
    case RowFunction::kProduct:
      if (id == Type::BOOL || arrow::is_signed_integer(id)) return arrow::int64();
      if (arrow::is_unsigned_integer(id)) return arrow::uint64();
      break;
    case RowFunction::kMean:
    case RowFunction::kQuantile:
      if (IsTime(id) || (arrow::is_decimal(id) && options.function == RowFunction::kMean)) return type;
      break;
    case RowFunction::kStandardDeviation:
      if (id == Type::DURATION) return type;
      if (id == Type::TIMESTAMP) return arrow::duration(static_cast<const arrow::TimestampType&>(*type).unit());
      break;
    default:
      break;
  }
  return IsNumber(id) || arrow::is_decimal(id) ? arrow::float64() : nullptr;
}

/// A few rows of all columns: of column c the value of row i is values[c][i], and missing[c * kDenseRows + i] is 1
/// where there is none.
template <typename T>
struct RowBlock {
  int64_t first_row;
  int64_t length;
  std::span<const T* const> values;
  const uint8_t* missing;
};

/// Calls visit(RowBlock<T>) for all rows; for different ones at once. The columns are of one type that DenseValues
/// reads as T.
template <typename T, typename Visit>
arrow::Status VisitBlocks(const arrow::Table& table, const Context& context, const Visit& visit) {
  constexpr int64_t kTaskRows = 1 << 16;
  const auto columns = static_cast<size_t>(table.num_columns());
  if (columns == 0) {
    for (int64_t row = 0; row < table.num_rows(); row += kDenseRows) {
      ARROW_RETURN_NOT_OK(visit(RowBlock<T>{row, std::min(kDenseRows, table.num_rows() - row), {}, nullptr}));
    }
    return arrow::Status::OK();
  }
  // Batches are cut at the same rows in all columns.
  arrow::TableBatchReader reader(table);
  reader.set_chunksize(kTaskRows);
  ARROW_ASSIGN_OR_RAISE(const auto batches, reader.ToRecordBatches());
  std::vector<int64_t> starts{0};
  for (const auto& batch : batches) starts.push_back(starts.back() + batch->num_rows());
  return ParallelFor(context, static_cast<int64_t>(batches.size()), [&](int64_t b) -> arrow::Status {
    const auto& batch = *batches[static_cast<size_t>(b)];
    constexpr auto kRows = static_cast<size_t>(kDenseRows);
    std::vector<T> scratch(columns * kRows);
    std::vector<uint8_t> missing(columns * kRows);
    std::vector<const T*> values(columns);
    const arrow::ArrayVector arrays = batch.columns();
    for (int64_t begin = 0; begin < batch.num_rows(); begin += kDenseRows) {
      const int64_t length = std::min(kDenseRows, batch.num_rows() - begin);
      for (size_t c = 0; c < columns; ++c) {
        values[c] = DenseValues<T>(*arrays[c]).ReadAll(begin, length, &scratch[c * kRows], &missing[c * kRows]);
      }
      ARROW_RETURN_NOT_OK(visit(RowBlock<T>{starts[static_cast<size_t>(b)] + begin, length, values, missing.data()}));
    }
    return arrow::Status::OK();
  });
}

/// Calls visit(row, the values that are there, whether all are) for every row; for different rows at once. A row's
/// values may be changed. The columns are as for VisitBlocks.
template <typename T, typename Visit>
arrow::Status VisitRows(const arrow::Table& table, const Context& context, const Visit& visit) {
  const auto columns = static_cast<size_t>(table.num_columns());
  return VisitBlocks<T>(table, context, [&](const RowBlock<T>& block) -> arrow::Status {
    std::vector<T> row(columns);
    for (int64_t i = 0; i < block.length; ++i) {
      size_t count = 0;
      for (size_t c = 0; c < columns; ++c) {
        row[count] = block.values[c][i];
        count += block.missing[c * static_cast<size_t>(kDenseRows) + static_cast<size_t>(i)] == 0 ? 1 : 0;
      }
      ARROW_RETURN_NOT_OK(visit(block.first_row + i, std::span<T>(row.data(), count), count == columns));
    }
    return arrow::Status::OK();
  });
}

arrow::Status Overflow(const RowReduceOptions& options, int64_t row, const TypePtr& type) {
  return arrow::Status::Invalid(RowFunctionName(options.function), ": the result of row ", row,
                                " does not fit its type ", type->ToString(),
                                "; cast the columns to a decimal or to double first");
}

/// reduce(row, values) -> arrow::Result<std::optional<Out>> of the rows that have enough values.
template <typename T, typename Out, typename Reduce>
arrow::Result<ArrayPtr> MakeNumbers(const arrow::Table& table, const RowReduceOptions& options, int64_t least,
                                    const TypePtr& type, const Context& context, const Reduce& reduce) {
  ARROW_ASSIGN_OR_RAISE(auto results, RowResults<Out>::Make(table.num_rows(), context));
  ARROW_RETURN_NOT_OK(VisitRows<T>(table, context, [&](int64_t row, std::span<T> values, bool all) -> arrow::Status {
    if (static_cast<int64_t>(values.size()) < least || (!all && !options.skip_missing)) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const std::optional<Out> found, reduce(row, values));
    if (found) results.Set(row, *found);
    return arrow::Status::OK();
  }));
  return results.Finish(type, context);
}

template <typename Out>
arrow::Result<std::optional<Out>> Whole(Int128 value, const RowReduceOptions& options, int64_t row,
                                        const TypePtr& type) {
  if (value < std::numeric_limits<Out>::min() || value > std::numeric_limits<Out>::max()) {
    return Overflow(options, row, type);
  }
  return static_cast<Out>(value);
}

/// Sums, products and means of integers and of what is kept as integers.
template <typename T>
arrow::Result<ArrayPtr> IntegerRows(const arrow::Table& table, const RowReduceOptions& options, const TypePtr& type,
                                    const Context& context) {
  const auto sum_of = [](std::span<const T> values) {
    IntegerSumState sum;
    sum.Add(values);
    return sum.sum;
  };
  switch (options.function) {
    case RowFunction::kSum:
      return MakeNumbers<T, T>(table, options, options.min_count, type, context,
                               [&](int64_t row, auto values) { return Whole<T>(sum_of(values), options, row, type); });
    case RowFunction::kProduct:
      return MakeNumbers<T, T>(table, options, options.min_count, type, context,
                               [&](int64_t row, auto values) -> arrow::Result<std::optional<T>> {
                                 IntegerProductState product;
                                 product.Add(std::span<const T>(values));
                                 const auto value = product.value();
                                 if (!value) return Overflow(options, row, type);
                                 return Whole<T>(*value, options, row, type);
                               });
    default:
      break;
  }
  if (type->id() == Type::DOUBLE) {
    return MakeNumbers<T, double>(table, options, 1, type, context,
                                  [&](int64_t, auto values) -> arrow::Result<std::optional<double>> {
                                    return ExactQuotient(sum_of(values), static_cast<int64_t>(values.size()));
                                  });
  }
  // Means of times are cut to whole units towards zero, as pandas does.
  return MakeNumbers<T, int64_t>(table, options, 1, type, context,
                                 [&](int64_t, auto values) -> arrow::Result<std::optional<int64_t>> {
                                   return static_cast<int64_t>(sum_of(values) / static_cast<Int128>(values.size()));
                                 });
}

arrow::Result<ArrayPtr> DecimalRows(const arrow::Table& table, const RowReduceOptions& options, const TypePtr& type,
                                    const Context& context) {
  using arrow::Decimal256;
  const bool mean = options.function == RowFunction::kMean;
  const int32_t precision = static_cast<const arrow::DecimalType&>(*type).precision();
  return MakeNumbers<Decimal256, Decimal256>(table, options, mean ? 1 : options.min_count, type, context,
                                             [&](int64_t row, auto values) -> arrow::Result<std::optional<Decimal256>> {
                                               DecimalSumState state;
                                               state.Add(std::span<const Decimal256>(values));
                                               Decimal256 found = state.sum;
                                               if (mean) {
                                                 ARROW_ASSIGN_OR_RAISE(
                                                     found, DecimalMean(found, static_cast<int64_t>(values.size())));
                                               }
                                               if (!found.FitsInPrecision(precision))
                                                 return Overflow(options, row, type);
                                               return found;
                                             });
}

double MomentOf(const RowReduceOptions& options, std::span<const double> values) {
  const Moments moments = Moments::Of(values);
  switch (options.function) {
    case RowFunction::kVariance:
      return moments.Variance(options.ddof);
    case RowFunction::kStandardDeviation:
      return moments.StandardDeviation(options.ddof);
    case RowFunction::kStandardError:
      return moments.StandardError(options.ddof);
    case RowFunction::kSkew:
      return moments.Skew();
    default:
      return moments.Kurtosis();
  }
}

/// Sums and means, column by column: RealSumState's sums of many rows at once.
arrow::Result<ArrayPtr> SumRows(const arrow::Table& table, const RowReduceOptions& options, const TypePtr& type,
                                const Context& context) {
  const bool mean = options.function == RowFunction::kMean;
  const int64_t least =
      std::max(mean ? int64_t{1} : options.min_count, options.skip_missing ? int64_t{0} : int64_t{table.num_columns()});
  ARROW_ASSIGN_OR_RAISE(auto results, RowResults<double>::Make(table.num_rows(), context));
  ARROW_RETURN_NOT_OK(VisitBlocks<double>(table, context, [&](const RowBlock<double>& block) {
    constexpr auto kRows = static_cast<size_t>(kDenseRows);
    double sums[kRows] = {};
    double lost[kRows] = {};
    int64_t counts[kRows] = {};
    for (size_t c = 0; c < block.values.size(); ++c) {
      ForCpu([values = block.values[c], missing = block.missing + c * kRows, length = block.length, sums = &sums[0],
              lost = &lost[0], counts = &counts[0]]() WEFT_FOR_CPU {
        for (int64_t i = 0; i < length; ++i) {
          const double value = missing[i] != 0 ? 0 : values[i];
          const double next = sums[i] + value;
          const double large = std::abs(sums[i]) >= std::abs(value) ? sums[i] : value;
          const double small = std::abs(sums[i]) >= std::abs(value) ? value : sums[i];
          const double rest = (large - next) + small;
          lost[i] += std::abs(next) <= std::numeric_limits<double>::max() ? rest : 0;
          sums[i] = next;
          counts[i] += 1 - missing[i];
        }
      });
    }
    for (int64_t i = 0; i < block.length; ++i) {
      if (counts[i] < least) continue;
      const double sum = sums[i] + lost[i];
      results.Set(block.first_row + i, mean ? sum / static_cast<double>(counts[i]) : sum);
    }
    return arrow::Status::OK();
  }));
  return results.Finish(type, context);
}

/// Least and greatest doubles, column by column.
arrow::Result<ArrayPtr> ExtremeReals(const arrow::Table& table, const RowReduceOptions& options,
                                     const Context& context) {
  const double sign = options.function == RowFunction::kMax ? 1 : -1;
  const int64_t least = options.skip_missing ? 1 : std::max(table.num_columns(), 1);
  ARROW_ASSIGN_OR_RAISE(auto results, RowResults<double>::Make(table.num_rows(), context));
  ARROW_RETURN_NOT_OK(VisitBlocks<double>(table, context, [&](const RowBlock<double>& block) {
    constexpr auto kRows = static_cast<size_t>(kDenseRows);
    double best[kRows] = {};
    int64_t counts[kRows] = {};
    for (size_t c = 0; c < block.values.size(); ++c) {
      ForCpu([values = block.values[c], missing = block.missing + c * kRows, length = block.length, best = &best[0],
              counts = &counts[0], sign]() WEFT_FOR_CPU {
        for (int64_t i = 0; i < length; ++i) {
          // Of equal ones, 0.0 and -0.0 too, the first.
          const bool better = counts[i] == 0 || sign * values[i] > sign * best[i];
          best[i] = missing[i] == 0 && better ? values[i] : best[i];
          counts[i] += 1 - missing[i];
        }
      });
    }
    for (int64_t i = 0; i < block.length; ++i) {
      if (counts[i] >= least) results.Set(block.first_row + i, best[i]);
    }
    return arrow::Status::OK();
  }));
  return results.Finish(arrow::float64(), context);
}

arrow::Result<ArrayPtr> RealRows(const arrow::Table& table, const RowReduceOptions& options, const TypePtr& type,
                                 const Context& context) {
  using Found = arrow::Result<std::optional<double>>;
  switch (options.function) {
    case RowFunction::kSum:
    case RowFunction::kMean:
      return SumRows(table, options, type, context);
    case RowFunction::kProduct:
      return MakeNumbers<double, double>(table, options, options.min_count, type, context,
                                         [&](int64_t, auto values) -> Found {
                                           RealProductState product;
                                           product.Add(std::span<const double>(values));
                                           return product.product;
                                         });
    case RowFunction::kQuantile:
      return MakeNumbers<double, double>(
          table, options, 1, type, context, [&](int64_t, std::span<double> values) -> Found {
            std::sort(values.begin(), values.end());
            const auto place = PlaceOf(options.quantile, static_cast<int64_t>(values.size()), options.interpolation);
            return Between(values[static_cast<size_t>(place.lower)], values[static_cast<size_t>(place.higher)],
                           place.share);
          });
    default:
      break;
  }
  if (type->id() == Type::DURATION) {
    return MakeNumbers<double, int64_t>(table, options, 1, type, context,
                                        [&](int64_t, auto values) -> arrow::Result<std::optional<int64_t>> {
                                          const double found = MomentOf(options, values);
                                          constexpr double kMost = 9.2e18;
                                          if (!(std::abs(found) < kMost)) return std::nullopt;
                                          return static_cast<int64_t>(found);
                                        });
  }
  return MakeNumbers<double, double>(table, options, 1, type, context, [&](int64_t, auto values) -> Found {
    const double found = MomentOf(options, values);
    // A NaN is the answer of too few or infinite values; pandas' missing value.
    if (std::isnan(found)) return std::nullopt;
    return found;
  });
}

arrow::Result<ArrayPtr> TimeQuantiles(const arrow::Table& table, const RowReduceOptions& options, const TypePtr& type,
                                      const Context& context) {
  return MakeNumbers<int64_t, int64_t>(
      table, options, 1, type, context,
      [&](int64_t, std::span<int64_t> values) -> arrow::Result<std::optional<int64_t>> {
        std::sort(values.begin(), values.end());
        const auto place = PlaceOf(options.quantile, static_cast<int64_t>(values.size()), options.interpolation);
        return BetweenTimes(values[static_cast<size_t>(place.lower)], values[static_cast<size_t>(place.higher)],
                            place.share);
      });
}

}  // namespace

arrow::Result<ArrayPtr> ReduceNumbers(const arrow::Table& table, const RowReduceOptions& options, const TypePtr& of,
                                      const Context& context) {
  if (options.function == RowFunction::kMin || options.function == RowFunction::kMax) {
    return ExtremeReals(table, options, context);
  }
  const TypePtr type = ResultType(options, of);
  if (type == nullptr) {
    return arrow::Status::TypeError(RowFunctionName(options.function), ": columns of type ", of->ToString(),
                                    " have no ", RowFunctionName(options.function), " of a row");
  }
  const bool adds = options.function == RowFunction::kSum || options.function == RowFunction::kMean;
  if (options.function == RowFunction::kQuantile && IsTime(of->id())) {
    return TimeQuantiles(table, options, type, context);
  }
  if (adds && arrow::is_decimal(of->id())) return DecimalRows(table, options, type, context);
  const bool whole = of->id() == Type::BOOL || arrow::is_integer(of->id()) || IsTime(of->id());
  if (whole && (adds || options.function == RowFunction::kProduct)) {
    return arrow::is_unsigned_integer(of->id()) ? IntegerRows<uint64_t>(table, options, type, context)
                                                : IntegerRows<int64_t>(table, options, type, context);
  }
  return RealRows(table, options, type, context);
}

}  // namespace weft::kernels
