#include "weft/kernels/scan.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/util/bitmap_builders.h>

#include <array>
#include <string>
#include <utility>

#include "weft/kernels/dense_values.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/reduce.h"
#include "weft/kernels/reduce_states.h"

namespace weft::kernels {
namespace {

using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using ChunkedPtr = std::shared_ptr<arrow::ChunkedArray>;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr std::array<std::string_view, 4> kNames{"cumsum", "cumprod", "cummin", "cummax"};

std::string_view NameOf(ScanFunction function) { return kNames[static_cast<size_t>(function)]; }

bool IsExtreme(ScanFunction function) { return function == ScanFunction::kMin || function == ScanFunction::kMax; }

ReduceFunction TotalOf(ScanFunction function) {
  constexpr std::array<ReduceFunction, 4> kTotals{ReduceFunction::kSum, ReduceFunction::kProduct, ReduceFunction::kMin,
                                                  ReduceFunction::kMax};
  return kTotals[static_cast<size_t>(function)];
}

arrow::Status Overflow(std::string_view name, const std::string& column, const arrow::DataType& type) {
  return arrow::Status::Invalid(name, ": column '", column, "' has a result that does not fit its type ",
                                type.ToString(), "; cast the column to a decimal or to double first");
}

// -- running values: each takes one more value, and says what the result is ------------------------------------------

template <typename Out>
class RunningSum {
 public:
  using State = IntegerSumState;
  using Value = Out;
  bool Start(const State& state) {
    sum_ = static_cast<Out>(state.sum);
    return static_cast<Int128>(sum_) == state.sum;
  }
  bool Next(Value value) { return !__builtin_add_overflow(sum_, value, &sum_); }
  Out result() const { return sum_; }

 private:
  Out sum_ = 0;
};

template <typename Out>
class RunningProduct {
 public:
  using State = IntegerProductState;
  using Value = Out;
  bool Start(const State& state) {
    if (state.zero != 0) {
      product_ = 0;
      return true;
    }
    Int128 value = state.magnitude;
    if (state.negative != 0) value = -value;
    product_ = static_cast<Out>(value);
    return state.too_large == 0 && static_cast<Int128>(product_) == value;
  }
  bool Next(Value value) { return !__builtin_mul_overflow(product_, value, &product_); }
  Out result() const { return product_; }

 private:
  Out product_ = 1;
};

class RunningRealSum {
 public:
  using State = RealSumState;
  using Value = double;
  bool Start(const State& state) {
    state_ = state;
    return true;
  }
  bool Next(double value) {
    state_.AddOne(value);
    return true;
  }
  double result() const { return state_.value(); }

 private:
  RealSumState state_;
};

class RunningRealProduct {
 public:
  using State = RealProductState;
  using Value = double;
  bool Start(const State& state) {
    product_ = state.product;
    return true;
  }
  bool Next(double value) {
    product_ *= value;
    return true;
  }
  double result() const { return product_; }

 private:
  double product_ = 1;
};

/// A fixed-width array in the making: values, and bits of those that are there.
template <typename Out>
struct Output {
  std::shared_ptr<arrow::Buffer> values;
  std::shared_ptr<arrow::Buffer> bits;
  int64_t nulls = 0;

  static arrow::Result<Output> Make(int64_t rows, const Context& context) {
    Output made;
    ARROW_ASSIGN_OR_RAISE(made.values, arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(Out)), context.pool));
    ARROW_ASSIGN_OR_RAISE(made.bits, arrow::AllocateEmptyBitmap(rows, context.pool));
    return made;
  }
  ArrayPtr Finish(const TypePtr& type, int64_t rows) {
    if (nulls == 0) bits = nullptr;
    return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {std::move(bits), std::move(values)}, nulls));
  }
};

/// Scans numbers. `missing` says whether a missing value came before.
template <typename Running>
arrow::Result<ArrayPtr> ScanNumbers(const arrow::ChunkedArray& column, const typename Running::State& before,
                                    bool missing, const ScanOptions& options, const std::string& name,
                                    const TypePtr& type, const Context& context) {
  using Value = typename Running::Value;
  ARROW_ASSIGN_OR_RAISE(auto output, Output<Value>::Make(column.length(), context));
  auto* out = reinterpret_cast<Value*>(output.values->mutable_data());
  uint8_t* bits = output.bits->mutable_data();
  Running running;
  // Where the start does not fit, an earlier part has the error.
  bool fits = running.Start(before);
  Value scratch[kDenseRows];
  uint8_t flags[kDenseRows];
  int64_t row = 0;
  for (const ColumnPiece& piece : CutColumn(column)) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    const DenseValues<Value> reader(*piece.array);
    for (int64_t begin = piece.begin; begin < piece.end; begin += kDenseRows) {
      const int64_t length = std::min(kDenseRows, piece.end - begin);
      const Value* values = reader.ReadAll(begin, length, scratch, flags);
      for (int64_t i = 0; i < length; ++i, ++row) {
        missing |= flags[i] != 0 && !options.skip_missing;
        if (flags[i] != 0 || missing) {
          out[row] = Value{};
          ++output.nulls;
          continue;
        }
        fits = running.Next(values[i]) && fits;
        out[row] = running.result();
        arrow::bit_util::SetBit(bits, row);
      }
    }
  }
  if (!fits) return Overflow(NameOf(options.function), name, *type);
  return output.Finish(type, column.length());
}

arrow::Result<ArrayPtr> ScanDecimals(const arrow::ChunkedArray& column, const DecimalSumState& before, bool missing,
                                     const ScanOptions& options, const std::string& name, const TypePtr& type,
                                     const Context& context) {
  arrow::Decimal256 sum = before.sum;
  const int32_t precision = static_cast<const arrow::DecimalType&>(*type).precision();
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(context.pool, type, &builder));
  ARROW_RETURN_NOT_OK(builder->Reserve(column.length()));
  arrow::Decimal256 scratch[1];
  for (const auto& chunk : column.chunks()) {
    const DenseValues<arrow::Decimal256> reader(*chunk);
    for (int64_t i = 0; i < chunk->length(); ++i) {
      const auto value = reader.Read(i, 1, scratch);
      missing |= value.empty() && !options.skip_missing;
      if (value.empty() || missing) {
        ARROW_RETURN_NOT_OK(builder->AppendNull());
        continue;
      }
      sum += value[0];
      if (!sum.FitsInPrecision(precision)) return Overflow(NameOf(options.function), name, *type);
      if (type->id() == Type::DECIMAL256) {
        ARROW_RETURN_NOT_OK(static_cast<arrow::Decimal256Builder&>(*builder).Append(sum));
      } else {
        const auto& words = sum.little_endian_array();
        ARROW_RETURN_NOT_OK(static_cast<arrow::Decimal128Builder&>(*builder).Append(
            arrow::Decimal128(static_cast<int64_t>(words[1]), words[0])));
      }
    }
  }
  return builder->Finish();
}

/// Least and greatest values of any key type: for each row the row of the best so far, then all gathered. The best of
/// the parts before is row 0, a null the last one.
arrow::Result<ChunkedPtr> ScanExtremes(const ChunkedPtr& column, const ArrayPtr& best_before, bool missing,
                                       const ScanOptions& options, const Context& context) {
  const int64_t rows = column->length();
  ARROW_ASSIGN_OR_RAISE(auto null, arrow::MakeArrayOfNull(column->type(), 1, context.pool));
  arrow::ArrayVector chunks{best_before};
  chunks.insert(chunks.end(), column->chunks().begin(), column->chunks().end());
  chunks.push_back(std::move(null));
  const auto extended = std::make_shared<arrow::ChunkedArray>(std::move(chunks), column->type());
  if (column->type()->id() == Type::NA) return column;
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeyColumn::Make({extended}, /*nan_is_null=*/true, context));
  ARROW_ASSIGN_OR_RAISE(auto chosen, PoolArray<int64_t>::Make(rows, context.pool));
  const bool greatest = options.function == ScanFunction::kMax;
  const bool by_code = !keys.is_binary() && keys.pieces() == 1;
  const KeyDirection direction{!greatest, false};
  const uint64_t flip = greatest ? ~uint64_t{0} : 0;
  constexpr int64_t kBlock = KeyLayout::kBlock;
  uint64_t codes[kBlock] = {};
  uint8_t nulls[kBlock] = {};
  int64_t best = keys.IsNull(0) ? -1 : 0;
  uint64_t best_code = 0;
  if (by_code) keys.Piece(0, 0, 1, &best_code);
  best_code ^= flip;
  for (int64_t begin = 1; begin <= rows; begin += kBlock) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    const int64_t length = std::min(kBlock, rows + 1 - begin);
    if (keys.may_have_nulls()) keys.Nulls(begin, length, nulls);
    if (by_code) keys.Piece(0, begin, length, codes);
    for (int64_t i = 0; i < length; ++i) {
      const int64_t row = begin + i;
      missing |= nulls[i] != 0 && !options.skip_missing;
      if (nulls[i] != 0 || missing) {
        chosen[row - 1] = rows + 1;
        continue;
      }
      const bool better =
          best < 0 || (by_code ? (codes[i] ^ flip) < best_code : CompareKeys(keys, row, keys, best, direction) < 0);
      if (better) {
        best = row;
        best_code = codes[i] ^ flip;
      }
      chosen[row - 1] = best;
    }
  }
  return GatherColumn(extended, chosen.span(), context);
}

/// Where a column's totals begin in the table of totals: a count and a state, or a count, a value and its row.
int PlaceOf(const ScanOptions& options, size_t column) {
  return static_cast<int>(column) * (IsExtreme(options.function) ? 3 : 2);
}

template <typename State>
arrow::Result<State> LoadBefore(const std::shared_ptr<arrow::Table>& before, int place) {
  if (before == nullptr) return State();
  return LoadStates<State>(*before->column(place));
}

arrow::Result<ChunkedPtr> ScanColumn(const arrow::Table& table, const std::shared_ptr<arrow::Table>& before,
                                     const ScanOptions& options, size_t c, const TypePtr& type,
                                     const Context& context) {
  const int place = PlaceOf(options, c);
  const auto& name = table.schema()->field(options.columns[c])->name();
  ARROW_ASSIGN_OR_RAISE(const auto count, LoadBefore<CountState>(before, place));
  const bool missing = !options.skip_missing && count.values < count.rows;
  const auto& original = table.column(options.columns[c]);
  if (IsExtreme(options.function)) {
    int64_t row = -1;
    if (before != nullptr) {
      ARROW_ASSIGN_OR_RAISE(row,
                            FindExtreme(before->column(place + 1), options.function == ScanFunction::kMax, context));
    }
    ARROW_ASSIGN_OR_RAISE(const auto best, OneRow(row < 0 ? original : before->column(place + 1), row, context));
    return ScanExtremes(original, best, missing, options, context);
  }
  ARROW_ASSIGN_OR_RAISE(const auto column, DecodeDictionary(original, context));
  const auto numbers = [&](auto running) -> arrow::Result<ArrayPtr> {
    using Running = decltype(running);
    ARROW_ASSIGN_OR_RAISE(const auto state, LoadBefore<typename Running::State>(before, place + 1));
    return ScanNumbers<Running>(*column, state, missing, options, name, type, context);
  };
  const bool sum = options.function == ScanFunction::kSum;
  const auto scan = [&]() -> arrow::Result<ArrayPtr> {
    if (arrow::is_decimal(type->id())) {
      ARROW_ASSIGN_OR_RAISE(const auto state, LoadBefore<DecimalSumState>(before, place + 1));
      return ScanDecimals(*column, state, missing, options, name, type, context);
    }
    if (type->id() == Type::DOUBLE) return sum ? numbers(RunningRealSum()) : numbers(RunningRealProduct());
    if (type->id() == Type::UINT64) {
      return sum ? numbers(RunningSum<uint64_t>()) : numbers(RunningProduct<uint64_t>());
    }
    return sum ? numbers(RunningSum<int64_t>()) : numbers(RunningProduct<int64_t>());
  };
  ARROW_ASSIGN_OR_RAISE(auto made, scan());
  return std::make_shared<arrow::ChunkedArray>(std::move(made));
}

}  // namespace

arrow::Result<ScanFunction> ParseScanFunction(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<ScanFunction>(i);
  }
  return arrow::Status::Invalid("scan: unknown function '", name, "'");
}

arrow::Result<std::shared_ptr<arrow::Schema>> ScanSchema(const arrow::Schema& input, const ScanOptions& options) {
  arrow::FieldVector fields;
  for (const int column : options.columns) {
    ReduceOptions total;
    total.reductions = {{TotalOf(options.function), column}};
    const auto schema = ReduceSchema(input, total);
    if (!schema.ok()) {
      if (!schema.status().IsTypeError()) return schema.status();
      return arrow::Status::TypeError(NameOf(options.function), ": column '", input.field(column)->name(), "' of type ",
                                      input.field(column)->type()->ToString(), " has no ", NameOf(options.function));
    }
    fields.push_back(arrow::field(input.field(column)->name(), (*schema)->field(0)->type()));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::Table>> ScanTotals(const std::shared_ptr<arrow::Table>& table,
                                                        const ScanOptions& options, const Context& context) {
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  for (const int column : options.columns) {
    ReduceOptions total;
    total.reductions = {{TotalOf(options.function), column}};
    ARROW_ASSIGN_OR_RAISE(const auto partial, ReducePartial(table, total, 0, context));
    for (const auto& part : partial->columns()) {
      fields.push_back(arrow::field(std::to_string(fields.size()), part->type()));
      columns.push_back(part);
    }
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), 1);
}

arrow::Result<std::shared_ptr<arrow::Table>> Scan(const std::shared_ptr<arrow::Table>& table,
                                                  const std::shared_ptr<arrow::Table>& before,
                                                  const ScanOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, ScanSchema(*table->schema(), options));
  TraceSpan span(context.tracer, "scan");
  span.AddRows(table->num_rows());
  arrow::ChunkedArrayVector columns(options.columns.size());
  for (size_t c = 0; c < columns.size(); ++c) {
    ARROW_ASSIGN_OR_RAISE(columns[c],
                          ScanColumn(*table, before, options, c, schema->field(static_cast<int>(c))->type(), context));
  }
  return arrow::Table::Make(schema, std::move(columns), table->num_rows());
}

}  // namespace weft::kernels
