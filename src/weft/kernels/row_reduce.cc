#include "weft/kernels/row_reduce.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/table.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "weft/kernels/gather.h"
#include "weft/kernels/group_fold.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/row_numbers.h"
#include "weft/kernels/row_results.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using ChunkedPtr = std::shared_ptr<arrow::ChunkedArray>;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr std::array<std::string_view, 17> kNames{"count", "sum",     "prod",   "mean",   "min",     "max",
                                                  "var",   "std",     "sem",    "skew",   "kurt",    "any",
                                                  "all",   "nunique", "idxmin", "idxmax", "quantile"};

bool IsNumber(Type::type id) {
  return id == Type::BOOL || id == Type::NA || arrow::is_integer(id) || arrow::is_floating(id);
}

// -- truth and counts ------------------------------------------------------------------------------------------------

arrow::Result<ArrayPtr> CountRows(const arrow::Table& table, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto counts, RowResults<int64_t>::Make(table.num_rows(), context));
  std::vector<PoolArray<uint8_t>> missing;
  for (const auto& column : table.columns()) {
    ARROW_ASSIGN_OR_RAISE(auto of_column, MissingRows(column, /*nan_is_null=*/true, context));
    missing.push_back(std::move(of_column));
  }
  for (int64_t row = 0; row < table.num_rows(); ++row) {
    int64_t count = table.num_columns();
    for (const auto& of_column : missing) count -= of_column.empty() ? 0 : of_column[row];
    counts.Set(row, count);
  }
  return counts.Finish(arrow::int64(), context);
}

arrow::Result<ArrayPtr> TruthRows(const arrow::Table& table, const RowReduceOptions& options, const Context& context) {
  const bool any = options.function == RowFunction::kAny;
  ARROW_ASSIGN_OR_RAISE(auto found, PoolArray<uint8_t>::Make(table.num_rows(), context.pool));
  std::fill(found.begin(), found.end(), any ? uint8_t{0} : uint8_t{1});
  for (int c = 0; c < table.num_columns(); ++c) {
    const auto& column = table.column(c);
    const Type::type id = column->type()->id();
    if (!IsNumber(id) && !arrow::is_decimal(id) && id != Type::DURATION && !arrow::is_base_binary_like(id)) {
      return arrow::Status::TypeError(RowFunctionName(options.function), ": column '", table.field(c)->name(),
                                      "' of type ", column->type()->ToString(), " has no ",
                                      RowFunctionName(options.function));
    }
    ARROW_ASSIGN_OR_RAISE(const auto missing, MissingRows(column, /*nan_is_null=*/true, context));
    ARROW_ASSIGN_OR_RAISE(const auto untrue, FalseRows(column, /*nan_is_null=*/true, context));
    for (int64_t row = 0; row < table.num_rows(); ++row) {
      const bool is_missing = !missing.empty() && missing[row] != 0;
      // What is passed over decides nothing.
      const bool truth = is_missing ? !options.skip_missing || !any : untrue[row] == 0;
      found[row] = any ? found[row] | (truth ? 1 : 0) : found[row] & (truth ? 1 : 0);
    }
  }
  arrow::BooleanBuilder builder(context.pool);
  ARROW_RETURN_NOT_OK(builder.AppendValues(found.data(), found.size()));
  return builder.Finish();
}

// -- values of any type that has an order ----------------------------------------------------------------------------

/// The table's columns as keys, one behind the other: row r of column c is key c * rows + r.
class RowKeys {
 public:
  static arrow::Result<RowKeys> Make(const arrow::Table& table, const RowReduceOptions& options,
                                     const Context& context) {
    const auto& type = table.field(0)->type();
    if (!table::CanBeKey(*type)) {
      return arrow::Status::TypeError(RowFunctionName(options.function), ": columns of type ", type->ToString(),
                                      " have no ", RowFunctionName(options.function), " of a row");
    }
    RowKeys made;
    made.rows_ = table.num_rows();
    made.columns_ = table.num_columns();
    ARROW_ASSIGN_OR_RAISE(made.keys_, KeyColumn::Make(table.columns(), /*nan_is_null=*/true, context));
    return made;
  }

  /// Calls visit(row, numbers of the columns that have a value, compare), compare(a, b) being negative, 0 or positive
  /// for two of these columns.
  template <typename Visitor>
  arrow::Status Visit(const Context& context, const Visitor& visit) const {
    constexpr int64_t kBlock = KeyLayout::kBlock;
    const bool by_code = !keys_.is_binary() && keys_.pieces() == 1;
    return ParallelFor(context, (rows_ + kBlock - 1) / kBlock, [&](int64_t task) {
      const int64_t begin = task * kBlock;
      const int64_t length = std::min(kBlock, rows_ - begin);
      const auto cells = static_cast<size_t>(columns_ * kBlock);
      std::vector<uint64_t> codes(by_code ? cells : 0);
      std::vector<uint8_t> nulls(cells);
      std::vector<int> there(static_cast<size_t>(columns_));
      for (int c = 0; c < columns_; ++c) {
        if (keys_.may_have_nulls()) keys_.Nulls(c * rows_ + begin, length, &nulls[static_cast<size_t>(c * kBlock)]);
        if (by_code) keys_.Piece(0, c * rows_ + begin, length, &codes[static_cast<size_t>(c * kBlock)]);
      }
      for (int64_t i = 0; i < length; ++i) {
        size_t count = 0;
        for (int c = 0; c < columns_; ++c) {
          if (nulls[static_cast<size_t>(c * kBlock + i)] == 0) there[count++] = c;
        }
        const auto compare = [&](int a, int b) {
          if (!by_code) return CompareKeys(keys_, a * rows_ + begin + i, keys_, b * rows_ + begin + i, {});
          const uint64_t one = codes[static_cast<size_t>(a * kBlock + i)];
          const uint64_t other = codes[static_cast<size_t>(b * kBlock + i)];
          return one < other ? -1 : one > other ? 1 : 0;
        };
        visit(begin + i, std::span<int>(there.data(), count), compare);
      }
      return arrow::Status::OK();
    });
  }

 private:
  KeyColumn keys_;
  int64_t rows_ = 0;
  int columns_ = 0;
};

arrow::Result<ArrayPtr> DistinctRows(const arrow::Table& table, const RowReduceOptions& options,
                                     const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto counts, RowResults<int64_t>::Make(table.num_rows(), context));
  if (table.num_columns() == 0) {
    for (int64_t row = 0; row < table.num_rows(); ++row) counts.Set(row, 0);
    return counts.Finish(arrow::int64(), context);
  }
  ARROW_ASSIGN_OR_RAISE(const auto keys, RowKeys::Make(table, options, context));
  ARROW_RETURN_NOT_OK(keys.Visit(context, [&](int64_t row, std::span<int> there, const auto& compare) {
    const bool missing = there.size() < static_cast<size_t>(table.num_columns());
    std::sort(there.begin(), there.end(), [&](int a, int b) { return compare(a, b) < 0; });
    int64_t count = missing && !options.skip_missing ? 1 : 0;
    for (size_t i = 0; i < there.size(); ++i) count += i == 0 || compare(there[i - 1], there[i]) != 0 ? 1 : 0;
    counts.Set(row, count);
  }));
  return counts.Finish(arrow::int64(), context);
}

/// The column of each row's least or greatest value, the first of several; -1 for none.
arrow::Result<PoolArray<int64_t>> FindExtremes(const arrow::Table& table, const RowReduceOptions& options,
                                               const Context& context) {
  const bool greatest = options.function == RowFunction::kMax || options.function == RowFunction::kArgMax;
  ARROW_ASSIGN_OR_RAISE(auto found, PoolArray<int64_t>::Make(table.num_rows(), context.pool));
  std::fill(found.begin(), found.end(), int64_t{-1});
  if (table.num_columns() == 0) return found;
  ARROW_ASSIGN_OR_RAISE(const auto keys, RowKeys::Make(table, options, context));
  ARROW_RETURN_NOT_OK(keys.Visit(context, [&](int64_t row, std::span<int> there, const auto& compare) {
    if (there.empty() || (!options.skip_missing && there.size() < static_cast<size_t>(table.num_columns()))) return;
    int best = there[0];
    for (const int column : there.subspan(1)) {
      const int order = compare(column, best);
      if (greatest ? order > 0 : order < 0) best = column;
    }
    found[row] = best;
  }));
  return found;
}

arrow::Result<ChunkedPtr> ExtremeValues(const arrow::Table& table, const RowReduceOptions& options,
                                        const Context& context) {
  const TypePtr type = table.num_columns() == 0 ? arrow::float64() : table.field(0)->type();
  ARROW_ASSIGN_OR_RAISE(auto places, FindExtremes(table, options, context));
  // All columns one behind the other, then a null.
  arrow::ArrayVector chunks;
  for (const auto& column : table.columns()) {
    chunks.insert(chunks.end(), column->chunks().begin(), column->chunks().end());
  }
  ARROW_ASSIGN_OR_RAISE(auto none, arrow::MakeArrayOfNull(type, 1, context.pool));
  chunks.push_back(std::move(none));
  const int64_t rows = table.num_rows();
  for (int64_t row = 0; row < rows; ++row) {
    places[row] = places[row] < 0 ? table.num_columns() * rows : places[row] * rows + row;
  }
  return GatherColumn(std::make_shared<arrow::ChunkedArray>(std::move(chunks), type), places.span(), context);
}

arrow::Result<ArrayPtr> ExtremeColumns(const arrow::Table& table, const RowReduceOptions& options,
                                       const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto places, FindExtremes(table, options, context));
  ARROW_ASSIGN_OR_RAISE(auto columns, RowResults<int64_t>::Make(table.num_rows(), context));
  for (int64_t row = 0; row < table.num_rows(); ++row) {
    if (places[row] >= 0) columns.Set(row, places[row]);
  }
  return columns.Finish(arrow::int64(), context);
}

arrow::Status CheckOneType(const arrow::Table& table, const RowReduceOptions& options) {
  for (int c = 1; c < table.num_columns(); ++c) {
    if (table.field(c)->type()->Equals(*table.field(0)->type())) continue;
    return arrow::Status::TypeError(RowFunctionName(options.function), ": columns '", table.field(0)->name(), "' and '",
                                    table.field(c)->name(), "' have no one type");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<RowFunction> ParseRowFunction(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<RowFunction>(i);
  }
  return arrow::Status::Invalid("row reduce: unknown function '", name, "'");
}

std::string_view RowFunctionName(RowFunction function) { return kNames[static_cast<size_t>(function)]; }

arrow::Result<ChunkedPtr> ReduceRows(const arrow::Table& table, const RowReduceOptions& options,
                                     const Context& context) {
  TraceSpan span(context.tracer, "row reduce");
  span.AddRows(table.num_rows());
  const auto make = [&]() -> arrow::Result<ArrayPtr> {
    switch (options.function) {
      case RowFunction::kCount:
        return CountRows(table, context);
      case RowFunction::kAny:
      case RowFunction::kAll:
        return TruthRows(table, options, context);
      case RowFunction::kDistinct:
        ARROW_RETURN_NOT_OK(CheckOneType(table, options));
        return DistinctRows(table, options, context);
      case RowFunction::kArgMin:
      case RowFunction::kArgMax:
        ARROW_RETURN_NOT_OK(CheckOneType(table, options));
        return ExtremeColumns(table, options, context);
      default:  // of least and greatest values those of doubles
        ARROW_RETURN_NOT_OK(CheckOneType(table, options));
        return ReduceNumbers(table, options, table.num_columns() == 0 ? arrow::float64() : table.field(0)->type(),
                             context);
    }
  };
  if (options.function == RowFunction::kMin || options.function == RowFunction::kMax) {
    ARROW_RETURN_NOT_OK(CheckOneType(table, options));
    if (table.num_columns() == 0 || table.field(0)->type()->id() != Type::DOUBLE) {
      return ExtremeValues(table, options, context);
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto array, make());
  return std::make_shared<arrow::ChunkedArray>(std::move(array));
}

}  // namespace weft::kernels
