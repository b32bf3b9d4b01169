#include "weft/kernels/quantile.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/util/float16.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "weft/kernels/dense_values.h"
#include "weft/kernels/tdigest.h"

namespace weft::kernels {
namespace {

using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr uint64_t kSignBit = uint64_t{1} << 63;

const TypePtr& ValueType(const TypePtr& type) {
  if (type->id() != Type::DICTIONARY) return type;
  return static_cast<const arrow::DictionaryType&>(*type).value_type();
}

bool IsTime(const arrow::DataType& type) { return type.id() == Type::TIMESTAMP || type.id() == Type::DURATION; }

/// nullptr where there are no quantiles.
TypePtr ResultType(const TypePtr& type, const QuantileOptions& options) {
  const Type::type id = type->id();
  if (IsTime(*type)) return type;
  if (arrow::is_integer(id) && TakesOne(options.interpolation) && !options.approximate) {
    return arrow::is_signed_integer(id) ? arrow::int64() : arrow::uint64();
  }
  const bool number = id == Type::BOOL || id == Type::NA || arrow::is_integer(id) || arrow::is_floating(id);
  // Codes are of 64 bits, which decimals have more than.
  return number || (options.approximate && arrow::is_decimal(id)) ? arrow::float64() : nullptr;
}

// The values of codes, as KeyColumn encodes them.

int64_t SignedOf(uint64_t code) { return static_cast<int64_t>(code ^ kSignBit); }

double RealOf(uint64_t code, Type::type id) {
  switch (id) {
    case Type::DOUBLE:
      return std::bit_cast<double>((code & kSignBit) != 0 ? code ^ kSignBit : ~code);
    case Type::FLOAT: {
      const auto bits = static_cast<uint32_t>(code);
      return std::bit_cast<float>((bits >> 31) != 0 ? bits ^ (uint32_t{1} << 31) : ~bits);
    }
    case Type::HALF_FLOAT: {
      const auto bits = static_cast<uint16_t>(code >= 0x8000 ? code - 0x8000 : 0xffff - code);
      return arrow::util::Float16::FromBits(bits).ToDouble();
    }
    default:
      if (id == Type::BOOL || arrow::is_unsigned_integer(id)) return static_cast<double>(code);
      return static_cast<double>(SignedOf(code));
  }
}

/// One column's results from the codes at its places.
class Answers {
 public:
  Answers(const OrderRange& range, const QuantileOptions& options) {
    there_ = range.values > 0 && (options.skip_missing || range.values == range.rows);
    if (!there_) return;
    for (const double quantile : options.quantiles) {
      places_.push_back(PlaceOf(quantile, range.values, options.interpolation));
      wanted_.push_back(places_.back().lower);
      wanted_.push_back(places_.back().higher);
    }
    std::sort(wanted_.begin(), wanted_.end());
    wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
  }

  const std::vector<int64_t>& wanted() const { return wanted_; }

  arrow::Result<ArrayPtr> Build(const std::vector<uint64_t>& codes, const TypePtr& of, const TypePtr& type,
                                size_t count, const Context& context) const {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(context.pool, type, &builder));
    if (!there_) {
      ARROW_RETURN_NOT_OK(builder->AppendNulls(static_cast<int64_t>(count)));
      return builder->Finish();
    }
    const auto code = [&](int64_t place) {
      const auto found = std::lower_bound(wanted_.begin(), wanted_.end(), place);
      return codes[static_cast<size_t>(found - wanted_.begin())];
    };
    for (const QuantilePlace& place : places_) {
      const uint64_t lower = code(place.lower);
      const uint64_t higher = code(place.higher);
      switch (type->id()) {
        case Type::DOUBLE:
          ARROW_RETURN_NOT_OK(static_cast<arrow::DoubleBuilder&>(*builder).Append(
              Between(RealOf(lower, of->id()), RealOf(higher, of->id()), place.share)));
          break;
        case Type::UINT64:
          ARROW_RETURN_NOT_OK(static_cast<arrow::UInt64Builder&>(*builder).Append(lower));
          break;
        case Type::INT64:
          ARROW_RETURN_NOT_OK(static_cast<arrow::Int64Builder&>(*builder).Append(SignedOf(lower)));
          break;
        case Type::TIMESTAMP:
          ARROW_RETURN_NOT_OK(static_cast<arrow::TimestampBuilder&>(*builder).Append(
              BetweenTimes(SignedOf(lower), SignedOf(higher), place.share)));
          break;
        default:
          ARROW_RETURN_NOT_OK(static_cast<arrow::DurationBuilder&>(*builder).Append(
              BetweenTimes(SignedOf(lower), SignedOf(higher), place.share)));
      }
    }
    return builder->Finish();
  }

 private:
  bool there_ = false;
  std::vector<QuantilePlace> places_;
  std::vector<int64_t> wanted_;
};

arrow::Result<std::shared_ptr<arrow::Table>> Exact(const arrow::Table& table, const QuantileOptions& options,
                                                   const std::shared_ptr<arrow::Schema>& schema,
                                                   const SelectExchange& exchange, const Context& context) {
  const auto encode = [&]() -> arrow::Result<std::vector<OrderCodes>> {
    std::vector<OrderCodes> made;
    for (const int column : options.columns) {
      ARROW_ASSIGN_OR_RAISE(auto codes, OrderCodes::Make(table.column(column), context));
      made.push_back(std::move(codes));
    }
    return made;
  };
  auto columns = encode();
  ARROW_ASSIGN_OR_RAISE(const auto ranges, FindRanges(columns, exchange));
  std::vector<Answers> answers;
  std::vector<std::vector<int64_t>> wanted;
  for (const OrderRange& range : ranges) {
    answers.emplace_back(range, options);
    wanted.push_back(answers.back().wanted());
  }
  ARROW_ASSIGN_OR_RAISE(const auto codes, SelectCodes(*std::move(columns), ranges, wanted, exchange, context));
  arrow::ArrayVector arrays;
  for (size_t c = 0; c < options.columns.size(); ++c) {
    const auto& of = ValueType(table.schema()->field(options.columns[c])->type());
    ARROW_ASSIGN_OR_RAISE(auto array, answers[c].Build(codes[c], of, schema->field(static_cast<int>(c))->type(),
                                                       options.quantiles.size(), context));
    arrays.push_back(std::move(array));
  }
  return arrow::Table::Make(schema, arrays, static_cast<int64_t>(options.quantiles.size()));
}

struct Digested {
  TDigest digest;
  int64_t rows = 0;
};

arrow::Result<Digested> DigestColumn(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto values, DecodeDictionary(column, context));
  const auto pieces = CutColumn(*values);
  // A digest a thread's share of the pieces would depend on the threads; one for some pieces in a row does not.
  constexpr size_t kPieces = 16;
  std::vector<TDigest> parts((pieces.size() + kPieces - 1) / kPieces);
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(parts.size()), [&](int64_t p) {
    const size_t begin = static_cast<size_t>(p) * kPieces;
    for (size_t i = begin; i < std::min(begin + kPieces, pieces.size()); ++i) {
      VisitDense<double>(pieces[i], [&](std::span<const double> some) { parts[static_cast<size_t>(p)].Add(some); });
    }
    return arrow::Status::OK();
  }));
  Digested made;
  made.rows = column->length();
  for (const TDigest& part : parts) made.digest.Merge(part);
  return made;
}

/// All columns' digests in one message: length, rows, digest.
arrow::Result<std::string> DigestColumns(const arrow::Table& table, const QuantileOptions& options,
                                         const Context& context) {
  std::string bytes;
  for (const int column : options.columns) {
    ARROW_ASSIGN_OR_RAISE(auto digested, DigestColumn(table.column(column), context));
    const std::string saved = digested.digest.Save();
    const std::array<int64_t, 2> head{static_cast<int64_t>(saved.size()), digested.rows};
    bytes.append(reinterpret_cast<const char*>(head.data()), sizeof(head));
    bytes.append(saved);
  }
  return bytes;
}

arrow::Result<std::vector<Digested>> MergeDigests(const std::vector<std::string>& parts, size_t columns) {
  std::vector<Digested> whole(columns);
  for (const std::string& part : parts) {
    std::string_view rest = part;
    for (Digested& into : whole) {
      std::array<int64_t, 2> head{};
      if (rest.size() < sizeof(head)) return arrow::Status::Invalid("quantile: a message ends too early");
      std::memcpy(head.data(), rest.data(), sizeof(head));
      rest.remove_prefix(sizeof(head));
      if (head[0] < 0 || static_cast<uint64_t>(head[0]) > rest.size()) {
        return arrow::Status::Invalid("quantile: a message ends too early");
      }
      ARROW_ASSIGN_OR_RAISE(const auto digest, TDigest::Load(rest.substr(0, static_cast<size_t>(head[0]))));
      rest.remove_prefix(static_cast<size_t>(head[0]));
      into.digest.Merge(digest);
      into.rows += head[1];
    }
  }
  return whole;
}

arrow::Result<std::shared_ptr<arrow::Table>> Approximate(const arrow::Table& table, const QuantileOptions& options,
                                                         const std::shared_ptr<arrow::Schema>& schema,
                                                         const SelectExchange& exchange, const Context& context) {
  const auto mine = DigestColumns(table, options, context);
  ARROW_ASSIGN_OR_RAISE(const auto parts, exchange.gather(mine.status(), mine.ok() ? *mine : std::string()));
  ARROW_ASSIGN_OR_RAISE(auto whole, MergeDigests(parts, options.columns.size()));
  arrow::ArrayVector arrays;
  for (size_t c = 0; c < whole.size(); ++c) {
    const bool there =
        whole[c].digest.count() > 0 && (options.skip_missing || whole[c].digest.count() == whole[c].rows);
    const auto& type = schema->field(static_cast<int>(c))->type();
    arrow::DoubleBuilder reals(context.pool);
    arrow::Int64Builder times(context.pool);
    for (const double quantile : options.quantiles) {
      if (!there) {
        ARROW_RETURN_NOT_OK(reals.AppendNull());
        ARROW_RETURN_NOT_OK(times.AppendNull());
        continue;
      }
      const double found = whole[c].digest.Quantile(quantile);
      ARROW_RETURN_NOT_OK(reals.Append(found));
      constexpr double kMost = 9.2e18;
      ARROW_RETURN_NOT_OK(times.Append(IsTime(*type) ? static_cast<int64_t>(std::clamp(found, -kMost, kMost)) : 0));
    }
    ArrayPtr array;
    if (IsTime(*type)) {
      ARROW_ASSIGN_OR_RAISE(array, times.Finish());
      ARROW_ASSIGN_OR_RAISE(array, array->View(type));
    } else {
      ARROW_ASSIGN_OR_RAISE(array, reals.Finish());
    }
    arrays.push_back(std::move(array));
  }
  return arrow::Table::Make(schema, arrays, static_cast<int64_t>(options.quantiles.size()));
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> QuantileSchema(const arrow::Schema& input,
                                                             const QuantileOptions& options) {
  for (const double quantile : options.quantiles) {
    if (!(quantile >= 0 && quantile <= 1)) {
      return arrow::Status::Invalid("quantile: ", quantile, " is not from 0 to 1");
    }
  }
  arrow::FieldVector fields;
  for (const int column : options.columns) {
    if (column < 0 || column >= input.num_fields()) {
      return arrow::Status::Invalid("quantile: column ", column, " is out of range; the table has ", input.num_fields(),
                                    " columns");
    }
    const auto& field = *input.field(column);
    auto type = ResultType(ValueType(field.type()), options);
    if (type == nullptr) {
      return arrow::Status::TypeError("quantile: column '", field.name(), "' of type ", field.type()->ToString(),
                                      " has no quantiles");
    }
    fields.push_back(arrow::field(field.name(), std::move(type)));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::Table>> Quantile(const std::shared_ptr<arrow::Table>& table,
                                                      const QuantileOptions& options, const SelectExchange& exchange,
                                                      const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, QuantileSchema(*table->schema(), options));
  TraceSpan span(context.tracer, "quantile");
  span.AddRows(table->num_rows());
  return options.approximate ? Approximate(*table, options, schema, exchange, context)
                             : Exact(*table, options, schema, exchange, context);
}

}  // namespace weft::kernels
