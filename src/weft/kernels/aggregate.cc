#include "weft/kernels/aggregate.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "weft/kernels/dense_values.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/key_encoding.h"

namespace weft::kernels {
namespace {

using arrow::Type;
__extension__ typedef __int128 Int128;

constexpr int64_t kBlock = KeyLayout::kBlock;

/// The states of all groups, in an array whose first place takes what is left out. A Fold says what a state is, how
/// rows are added and how two states are put together.
template <typename Fold>
class States {
 public:
  using State = typename Fold::State;

  /// `add(states, ids, rows, first, length)` folds `length` entries: of rows rows[i], or first + i where nullptr.
  template <typename Add>
  arrow::Status Run(const Grouping& grouping, const Context& context, const Fold& fold, Add&& add) {
    ARROW_ASSIGN_OR_RAISE(states_, PoolArray<State>::Make(grouping.groups + 1, context.pool));
    std::fill(states_.begin(), states_.end(), fold.empty());
    const auto sections = static_cast<int64_t>(grouping.sections.size());
    std::vector<PoolArray<State>> parts(grouping.shared ? grouping.sections.size() : 0);
    ARROW_RETURN_NOT_OK(ParallelFor(context, sections, [&](int64_t s) -> arrow::Status {
      const GroupSection& section = grouping.sections[static_cast<size_t>(s)];
      State* states = states_.data() + section.first_group;
      if (grouping.shared) {
        auto& part = parts[static_cast<size_t>(s)];
        ARROW_ASSIGN_OR_RAISE(part, PoolArray<State>::Make(section.groups + 1, context.pool));
        std::fill(part.begin(), part.end(), fold.empty());
        states = part.data();
      }
      for (int64_t begin = section.begin; begin < section.end; begin += kBlock) {
        add(states, grouping.ids.data() + begin, grouping.shared ? nullptr : grouping.rows.data() + begin, begin,
            std::min(kBlock, section.end - begin));
      }
      return arrow::Status::OK();
    }));
    for (size_t s = 0; s < parts.size(); ++s) {
      const GroupSection& section = grouping.sections[s];
      for (int64_t g = 0; g < section.groups; ++g) {
        fold.merge(&states_[section.to_global[static_cast<size_t>(g)] + 1], parts[s][g + 1]);
      }
      parts[s].Free();
    }
    return arrow::Status::OK();
  }

  const State& operator[](int64_t group) const { return states_[group + 1]; }

 private:
  PoolArray<State> states_;
};

/// A column whose rows can be read in any order.
arrow::Result<std::shared_ptr<arrow::Array>> Flatten(const arrow::ChunkedArray& column, const Context& context) {
  if (column.num_chunks() == 1) return column.chunk(0);
  if (column.num_chunks() == 0) return arrow::MakeEmptyArray(column.type(), context.pool);
  return arrow::Concatenate(column.chunks(), context.pool);
}

/// Sums; 128-bit ones of fewer than 2^63 64-bit integers cannot overflow.
template <typename T>
struct SumFold {
  using State = T;
  static State empty() { return State{}; }
  static void merge(State* into, const State& from) { *into += from; }
};

/// How values of a column are read: from its buffer, by row.
template <typename T>
struct Reader {
  const T* values;
  T operator()(int64_t row) const { return values[row]; }
};
struct BoolReader {
  const uint8_t* bits;
  int64_t offset;
  int operator()(int64_t row) const { return arrow::bit_util::GetBit(bits, offset + row) ? 1 : 0; }
};
struct HalfReader {
  const uint16_t* values;
  double operator()(int64_t row) const { return arrow::util::Float16::FromBits(values[row]).ToDouble(); }
};
struct Decimal128Reader {
  const uint8_t* values;
  arrow::Decimal256 operator()(int64_t row) const { return arrow::Decimal256(arrow::Decimal128(values + row * 16)); }
};
struct Decimal256Reader {
  const uint8_t* values;
  arrow::Decimal256 operator()(int64_t row) const { return arrow::Decimal256(values + row * 32); }
};
struct Int128Reader {
  const Int128* values;
  Int128 operator()(int64_t row) const { return values[row]; }
};
template <typename T>
struct SmallDecimalReader {
  const T* values;
  arrow::Decimal256 operator()(int64_t row) const { return arrow::Decimal256(int64_t{values[row]}); }
};

/// Sums of the values that are not null.
template <typename State, typename ReaderType>
void AddValues(const arrow::ArrayData& data, const ReaderType& read, bool skip_nan, State* states, const uint32_t* ids,
               const int64_t* rows, int64_t first, int64_t length) {
  const uint8_t* validity = data.GetNullCount() > 0 ? data.buffers[0]->data() : nullptr;
  const auto add = [&](int64_t i, int64_t row) {
    if constexpr (std::is_same_v<State, double>) {
      const double value = static_cast<double>(read(row));
      if (skip_nan && value != value) return;
      states[ids[i]] += value;
    } else {
      states[ids[i]] += static_cast<State>(read(row));
    }
  };
  if (validity == nullptr && rows == nullptr) {
    for (int64_t i = 0; i < length; ++i) add(i, first + i);
  } else if (validity == nullptr) {
    for (int64_t i = 0; i < length; ++i) add(i, rows[i]);
  } else {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t row = rows != nullptr ? rows[i] : first + i;
      if (arrow::bit_util::GetBit(validity, data.offset + row)) add(i, row);
    }
  }
}

/// Adds `array`'s values by its type.
template <typename State>
void AddArray(const arrow::Array& array, bool skip_nan, State* states, const uint32_t* ids, const int64_t* rows,
              int64_t first, int64_t length) {
  const arrow::ArrayData& data = *array.data();
  const auto add = [&](const auto& reader) { AddValues(data, reader, skip_nan, states, ids, rows, first, length); };
  const auto bytes = [&](int64_t width) { return data.buffers[1]->data() + data.offset * width; };
  if constexpr (std::is_same_v<State, double>) {
    switch (array.type_id()) {
      case Type::HALF_FLOAT:
        return add(HalfReader{data.GetValues<uint16_t>(1)});
      case Type::FLOAT:
        return add(Reader<float>{data.GetValues<float>(1)});
      case Type::DOUBLE:
        return add(Reader<double>{data.GetValues<double>(1)});
      default:  // null
        return;
    }
  } else if constexpr (std::is_same_v<State, arrow::Decimal256>) {
    switch (array.type_id()) {
      case Type::DECIMAL32:
        return add(SmallDecimalReader<int32_t>{data.GetValues<int32_t>(1)});
      case Type::DECIMAL64:
        return add(SmallDecimalReader<int64_t>{data.GetValues<int64_t>(1)});
      case Type::DECIMAL128:
        return add(Decimal128Reader{bytes(16)});
      default:
        return add(Decimal256Reader{bytes(32)});
    }
  } else {
    switch (array.type_id()) {
      case Type::BOOL:
        return add(BoolReader{data.buffers[1]->data(), data.offset});
      case Type::INT8:
        return add(Reader<int8_t>{data.GetValues<int8_t>(1)});
      case Type::UINT8:
        return add(Reader<uint8_t>{data.GetValues<uint8_t>(1)});
      case Type::INT16:
        return add(Reader<int16_t>{data.GetValues<int16_t>(1)});
      case Type::UINT16:
        return add(Reader<uint16_t>{data.GetValues<uint16_t>(1)});
      case Type::INT32:
      case Type::DATE32:
        return add(Reader<int32_t>{data.GetValues<int32_t>(1)});
      case Type::UINT32:
        return add(Reader<uint32_t>{data.GetValues<uint32_t>(1)});
      case Type::UINT64:
        return add(Reader<uint64_t>{data.GetValues<uint64_t>(1)});
      case Type::DECIMAL128:  // states of an earlier round
        return add(Int128Reader{reinterpret_cast<const Int128*>(bytes(16))});
      default:
        return add(Reader<int64_t>{data.GetValues<int64_t>(1)});
    }
  }
}

/// Calls add(array, entry, first row of the array, rows) for the chunks under the rows [first, first + length).
template <typename Add>
void VisitChunks(const arrow::ChunkedArray& column, int64_t first, int64_t length, Add&& add) {
  int64_t start = 0;
  int64_t done = 0;
  for (const auto& chunk : column.chunks()) {
    const int64_t end = start + chunk->length();
    if (first + done < end && done < length) {
      const int64_t rows = std::min(length - done, end - first - done);
      add(*chunk, done, first + done - start, rows);
      done += rows;
    }
    start = end;
    if (done == length) return;
  }
}

arrow::Decimal256 ToDecimal256(Int128 value) {
  return arrow::Decimal256(arrow::Decimal128(static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value)));
}

/// An array of fixed-width values without nulls, written in parallel blocks.
template <typename T, typename Value>
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> MakeColumn(const std::shared_ptr<arrow::DataType>& type,
                                                               std::span<const int64_t> order, const Value& value,
                                                               const Context& context) {
  const auto count = static_cast<int64_t>(order.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(T)), context.pool));
  auto* out = reinterpret_cast<T*>(buffer->mutable_data());
  constexpr int64_t kTaskRows = 1 << 16;
  ARROW_RETURN_NOT_OK(ParallelFor(context, (count + kTaskRows - 1) / kTaskRows, [&](int64_t task) {
    const int64_t end = std::min(count, (task + 1) * kTaskRows);
    for (int64_t i = task * kTaskRows; i < end; ++i) out[i] = value(order[static_cast<size_t>(i)]);
    return arrow::Status::OK();
  }));
  return std::make_shared<arrow::ChunkedArray>(
      arrow::MakeArray(arrow::ArrayData::Make(type, count, {nullptr, std::move(buffer)}, 0)));
}

template <typename State>
class SumStates : public GroupStates {
 public:
  SumStates(std::shared_ptr<arrow::ChunkedArray> column, std::shared_ptr<arrow::DataType> state_type, bool skip_nan)
      : column_(std::move(column)), state_type_(std::move(state_type)), skip_nan_(skip_nan) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    std::shared_ptr<arrow::Array> flat;
    if (!grouping.shared) {
      ARROW_ASSIGN_OR_RAISE(flat, Flatten(*column_, context));
    }
    ARROW_RETURN_NOT_OK(states_.Run(
        grouping, context, SumFold<State>(),
        [&](State* states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
          if (rows != nullptr) return AddArray(*flat, skip_nan_, states, ids, rows, first, length);
          VisitChunks(*column_, first, length, [&](const arrow::Array& chunk, int64_t at, int64_t row, int64_t count) {
            AddArray(chunk, skip_nan_, states, ids + at, nullptr, row, count);
          });
        }));
    column_.reset();
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    return MakeColumn<State>(state_type_, order, [&](int64_t group) { return states_[group]; }, context);
  }

  arrow::Decimal256 Integer(int64_t group) const override {
    if constexpr (std::is_same_v<State, Int128>) {
      return ToDecimal256(states_[group]);
    } else if constexpr (std::is_same_v<State, arrow::Decimal256>) {
      return states_[group];
    } else {
      return {};
    }
  }
  double Real(int64_t group) const override {
    if constexpr (std::is_same_v<State, double>) {
      return states_[group];
    } else {
      return 0;
    }
  }
  int64_t Count(int64_t group) const override {
    if constexpr (std::is_same_v<State, int64_t>) {
      return states_[group];
    } else {
      return 0;
    }
  }

 private:
  std::shared_ptr<arrow::ChunkedArray> column_;
  const std::shared_ptr<arrow::DataType> state_type_;
  const bool skip_nan_;
  States<SumFold<State>> states_;
};

/// Counts of rows, or of those that are not null.
class CountStates : public GroupStates {
 public:
  CountStates(std::shared_ptr<arrow::ChunkedArray> column, bool skip_nan)
      : column_(std::move(column)), skip_nan_(skip_nan) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    PoolArray<uint8_t> nulls;
    ARROW_RETURN_NOT_OK(FindNulls(&nulls, context));
    ARROW_RETURN_NOT_OK(
        states_.Run(grouping, context, SumFold<int64_t>(),
                    [&](int64_t* states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
                      if (nulls.empty()) {
                        for (int64_t i = 0; i < length; ++i) ++states[ids[i]];
                      } else {
                        for (int64_t i = 0; i < length; ++i)
                          states[ids[i]] += 1 - nulls[rows != nullptr ? rows[i] : first + i];
                      }
                    }));
    column_.reset();
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    return MakeColumn<int64_t>(arrow::int64(), order, [&](int64_t group) { return states_[group]; }, context);
  }

  int64_t Count(int64_t group) const override { return states_[group]; }

 private:
  /// One byte a row, 1 for null; empty where no row is.
  arrow::Status FindNulls(PoolArray<uint8_t>* nulls, const Context& context) const {
    if (column_ == nullptr || column_->length() == 0) return arrow::Status::OK();
    const bool floating = arrow::is_floating(column_->type()->id());
    const bool encoded = column_->type()->id() == Type::DICTIONARY;
    if (column_->type()->id() != Type::NA && !encoded && !(floating && skip_nan_) && column_->null_count() == 0) {
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(*nulls, PoolArray<uint8_t>::MakeZero(column_->length(), context.pool));
    if (floating) {
      ARROW_ASSIGN_OR_RAISE(const auto keys, KeyColumn::Make({column_}, skip_nan_, context));
      keys.Nulls(0, keys.rows(), nulls->data());
      return arrow::Status::OK();
    }
    uint8_t* out = nulls->data();
    for (const auto& chunk : column_->chunks()) {
      // A dictionary's null value is a null, too.
      if (encoded) {
        const auto& array = static_cast<const arrow::DictionaryArray&>(*chunk);
        const arrow::Array& values = *array.dictionary();
        const bool null_values = values.null_count() > 0 || values.type_id() == Type::NA;
        for (int64_t i = 0; i < chunk->length(); ++i) {
          out[i] = array.IsNull(i) || (null_values && values.IsNull(array.GetValueIndex(i))) ? 1 : 0;
        }
      } else {
        for (int64_t i = 0; i < chunk->length(); ++i) out[i] = chunk->IsNull(i) ? 1 : 0;
      }
      out += chunk->length();
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::ChunkedArray> column_;
  const bool skip_nan_;
  States<SumFold<int64_t>> states_;
};

/// A value as the key encoding orders it, and its row; -1 where there is none yet. For values of several words the
/// code is not used.
struct Extreme {
  uint64_t code;
  int64_t row;
};

/// Puts the later of two in a group into place if it is less (codes are inverted for the greatest).
struct ExtremeFold {
  using State = Extreme;
  const KeyColumn* keys;
  bool by_code;
  KeyDirection direction;
  static State empty() { return {0, -1}; }
  bool Before(const Extreme& a, const Extreme& b) const {
    if (by_code) return a.code < b.code;
    return CompareKeys(*keys, a.row, *keys, b.row, direction) < 0;
  }
  void merge(State* into, const State& from) const {
    if (from.row >= 0 && (into->row < 0 || Before(from, *into))) *into = from;
  }
};

/// The first row of the least or greatest value of each group. NaN, where it is not null, is both: as in IEEE 754's
/// minimum and maximum, it wins.
class ExtremeStates : public GroupStates {
 public:
  ExtremeStates(std::shared_ptr<arrow::ChunkedArray> column, bool greatest, bool nan_is_null)
      : column_(std::move(column)), greatest_(greatest), nan_is_null_(nan_is_null) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    ARROW_ASSIGN_OR_RAISE(const auto keys, KeyColumn::Make({column_}, nan_is_null_, context));
    const bool by_code = !keys.is_binary() && keys.pieces() == 1;
    const ExtremeFold fold{&keys, by_code, {!greatest_, false}};
    PoolArray<uint64_t> codes;
    PoolArray<uint8_t> nulls;
    if (by_code && !grouping.shared) ARROW_RETURN_NOT_OK(ReadAll(keys, &codes, &nulls, context));
    return states_.Run(grouping, context, fold,
                       [&](Extreme* states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
                         uint64_t block_codes[kBlock];
                         uint8_t block_nulls[kBlock];
                         if (by_code && rows == nullptr) {
                           ReadBlock(keys, first, length, block_codes, block_nulls);
                         } else if (by_code) {
                           for (int64_t i = 0; i < length; ++i) {
                             block_codes[i] = codes[rows[i]];
                             block_nulls[i] = nulls.empty() ? uint8_t{0} : nulls[rows[i]];
                           }
                         } else {
                           for (int64_t i = 0; i < length; ++i) {
                             block_nulls[i] = keys.IsNull(rows != nullptr ? rows[i] : first + i) ? 1 : 0;
                           }
                         }
                         for (int64_t i = 0; i < length; ++i) {
                           if (block_nulls[i] != 0) continue;
                           fold.merge(&states[ids[i]],
                                      {by_code ? block_codes[i] : 0, rows != nullptr ? rows[i] : first + i});
                         }
                       });
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    const auto count = static_cast<int64_t>(order.size());
    ARROW_ASSIGN_OR_RAISE(auto rows, PoolArray<int64_t>::Make(count, context.pool));
    bool missing = false;
    for (int64_t i = 0; i < count; ++i) {
      rows[i] = states_[order[static_cast<size_t>(i)]].row;
      missing |= rows[i] < 0;
    }
    if (!missing) return GatherColumn(column_, rows.span(), context);
    // A row of null put behind the column stands for groups without values.
    ARROW_ASSIGN_OR_RAISE(auto null, arrow::MakeArrayOfNull(column_->type(), 1, context.pool));
    auto chunks = column_->chunks();
    chunks.push_back(std::move(null));
    for (int64_t& row : rows) {
      if (row < 0) row = column_->length();
    }
    return GatherColumn(std::make_shared<arrow::ChunkedArray>(std::move(chunks), column_->type()), rows.span(),
                        context);
  }

 private:
  void ReadBlock(const KeyColumn& keys, int64_t begin, int64_t length, uint64_t* codes, uint8_t* nulls) const {
    keys.Piece(0, begin, length, codes);
    if (keys.may_have_nulls()) {
      keys.Nulls(begin, length, nulls);
    } else {
      std::fill(nulls, nulls + length, uint8_t{0});
    }
    if (greatest_) {
      for (int64_t i = 0; i < length; ++i) codes[i] = ~codes[i];
    } else if (!nan_is_null_ && arrow::is_floating(column_->type()->id())) {
      // NaN is the greatest code; here it has to be the least.
      const uint64_t nan = column_->type()->id() == Type::DOUBLE  ? std::numeric_limits<uint64_t>::max()
                           : column_->type()->id() == Type::FLOAT ? std::numeric_limits<uint32_t>::max()
                                                                  : std::numeric_limits<uint16_t>::max();
      for (int64_t i = 0; i < length; ++i) codes[i] = codes[i] == nan ? 0 : codes[i];
    }
  }

  arrow::Status ReadAll(const KeyColumn& keys, PoolArray<uint64_t>* codes, PoolArray<uint8_t>* nulls,
                        const Context& context) const {
    ARROW_ASSIGN_OR_RAISE(*codes, PoolArray<uint64_t>::Make(keys.rows(), context.pool));
    ARROW_ASSIGN_OR_RAISE(*nulls, PoolArray<uint8_t>::Make(keys.rows(), context.pool));
    return ParallelFor(context, (keys.rows() + kBlock - 1) / kBlock, [&](int64_t task) {
      const int64_t begin = task * kBlock;
      ReadBlock(keys, begin, std::min(kBlock, keys.rows() - begin), codes->data() + begin, nulls->data() + begin);
      return arrow::Status::OK();
    });
  }

  const std::shared_ptr<arrow::ChunkedArray> column_;
  const bool greatest_;
  const bool nan_is_null_;
  States<ExtremeFold> states_;
};

}  // namespace

arrow::Decimal256 GroupStates::Integer(int64_t) const { return {}; }
double GroupStates::Real(int64_t) const { return 0; }
int64_t GroupStates::Count(int64_t) const { return 0; }

std::shared_ptr<arrow::DataType> StateType(StateKind kind, const std::shared_ptr<arrow::DataType>& input) {
  switch (kind) {
    case StateKind::kMin:
    case StateKind::kMax:
      return input;
    case StateKind::kSum: {
      const auto& type =
          input->id() == Type::DICTIONARY ? static_cast<const arrow::DictionaryType&>(*input).value_type() : input;
      if (arrow::is_floating(type->id()) || type->id() == Type::NA) return arrow::float64();
      if (arrow::is_decimal(type->id())) {
        return arrow::decimal256(76, static_cast<const arrow::DecimalType&>(*type).scale());
      }
      return arrow::decimal128(38, 0);
    }
    default:
      return arrow::int64();
  }
}

arrow::Result<std::unique_ptr<GroupStates>> MakeGroupStates(StateKind kind, const std::shared_ptr<arrow::DataType>& of,
                                                            const std::shared_ptr<arrow::ChunkedArray>& column,
                                                            bool nan_is_null, const Context& context) {
  switch (kind) {
    case StateKind::kMin:
    case StateKind::kMax:
      return std::make_unique<ExtremeStates>(column, kind == StateKind::kMax, nan_is_null);
    case StateKind::kCount:
    case StateKind::kSize:
      return std::make_unique<CountStates>(kind == StateKind::kSize ? nullptr : column, nan_is_null);
    case StateKind::kAddCounts:
      return std::make_unique<SumStates<int64_t>>(column, arrow::int64(), false);
    case StateKind::kSum:
      break;
  }
  ARROW_ASSIGN_OR_RAISE(const auto values, DecodeDictionary(column, context));
  const auto type = StateType(kind, of);
  if (type->id() == Type::DOUBLE) return std::make_unique<SumStates<double>>(values, type, nan_is_null);
  if (type->id() == Type::DECIMAL256) return std::make_unique<SumStates<arrow::Decimal256>>(values, type, false);
  return std::make_unique<SumStates<Int128>>(values, type, false);
}

double ExactQuotient(const arrow::Decimal256& sum, int64_t count) {
  const bool negative = sum.IsNegative();
  const arrow::Decimal256 magnitude(arrow::Decimal256::Abs(sum));
  const auto& words = magnitude.little_endian_array();
  __extension__ typedef unsigned __int128 Uint128;
  const Uint128 value = (static_cast<Uint128>(words[1]) << 64) | words[0];
  if (value == 0) return 0;
  const int width =
      words[1] != 0 ? 64 + static_cast<int>(std::bit_width(words[1])) : static_cast<int>(std::bit_width(words[0]));
  // As many bits of the quotient as there is room for, at least 64, and one that says whether more follow: then the
  // one conversion to double rounds as the exact quotient would.
  const int shift = 127 - width;
  const auto divisor = static_cast<Uint128>(count);
  const Uint128 quotient = (value << shift) / divisor;
  const bool rest = (value << shift) % divisor != 0;
  const double result = std::ldexp(static_cast<double>(quotient | (rest ? 1 : 0)), -shift);
  return negative ? -result : result;
}

}  // namespace weft::kernels
