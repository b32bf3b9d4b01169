#include "weft/kernels/aggregate.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "weft/kernels/aggregate_kinds.h"
#include "weft/kernels/chunk_finder.h"
#include "weft/kernels/dense_values.h"
#include "weft/kernels/group_fold.h"

namespace weft::kernels {
namespace {

using arrow::Type;

template <typename State>
class SumStates : public GroupStates {
 public:
  SumStates(std::shared_ptr<arrow::ChunkedArray> column, std::shared_ptr<arrow::DataType> state_type, bool skip_nan)
      : column_(std::move(column)), state_type_(std::move(state_type)), skip_nan_(skip_nan) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    // In the order of entries where it can be brought so, else read by row.
    std::shared_ptr<arrow::Array> moved;
    std::shared_ptr<arrow::Array> flat;
    if (!grouping.rows.empty()) {
      ARROW_ASSIGN_OR_RAISE(moved, MovedColumn(grouping, *column_, context));
      if (moved == nullptr) {
        ARROW_ASSIGN_OR_RAISE(flat, Flatten(*column_, context));
      }
    }
    const ChunkFinder finder(column_->chunks());
    const auto apply = [](State* state, const auto& value) { SumFold<State>::merge(state, static_cast<State>(value)); };
    const auto add = [&](State* states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length,
                         int64_t lane) {
      if (moved != nullptr) return AddArray(*moved, skip_nan_, states, ids, nullptr, first, length, apply, lane);
      if (rows != nullptr) return AddArray(*flat, skip_nan_, states, ids, rows, first, length, apply);
      finder.VisitChunks(first, length, [&](size_t c, int64_t row, int64_t count, int64_t at) {
        AddArray(*column_->chunk(static_cast<int>(c)), skip_nan_, states, ids + at, nullptr, row, count, apply, lane);
      });
    };
    ARROW_RETURN_NOT_OK(states_.RunSections(
        grouping, context, SumFold<State>(),
        [&](std::span<State> states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
          Lanes<State> lanes(states);
          for (int64_t begin = 0; begin < length; begin += kFoldBlock) {
            add(lanes.data(), ids + begin, rows == nullptr ? nullptr : rows + begin, first + begin,
                std::min(kFoldBlock, length - begin), lanes.apart());
          }
          lanes.AddUp();
        }));
    column_.reset();
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    return MakeColumn<State>(state_type_, order, [&](int64_t group) { return states_[group]; }, context);
  }

  void Integers(std::span<const int64_t> groups, Int128* out) const override {
    if constexpr (std::is_same_v<State, Int128>) states_.Read(groups, out);
  }
  void Reals(std::span<const int64_t> groups, double* out) const override {
    if constexpr (std::is_same_v<State, double>) states_.Read(groups, out);
  }
  void Counts(std::span<const int64_t> groups, int64_t* out) const override {
    if constexpr (std::is_same_v<State, int64_t>) states_.Read(groups, out);
  }
  arrow::Decimal256 Decimal(int64_t group) const override {
    if constexpr (std::is_same_v<State, arrow::Decimal256>) {
      return states_[group];
    } else {
      return {};
    }
  }

 private:
  std::shared_ptr<arrow::ChunkedArray> column_;
  const std::shared_ptr<arrow::DataType> state_type_;
  const bool skip_nan_;
  States<SumFold<State>> states_;
};

/// Counts of rows, of those that are not null, or of those that are true.
class CountStates : public GroupStates {
 public:
  CountStates(StateKind kind, std::shared_ptr<arrow::ChunkedArray> column, bool nan_is_null)
      : kind_(kind), column_(std::move(column)), nan_is_null_(nan_is_null) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    PoolArray<uint8_t> left_out;
    if (kind_ == StateKind::kCount) {
      ARROW_ASSIGN_OR_RAISE(left_out, MissingRows(column_, nan_is_null_, context));
    } else if (kind_ == StateKind::kTrue) {
      ARROW_ASSIGN_OR_RAISE(left_out, FalseRows(column_, nan_is_null_, context));
    }
    column_.reset();
    if (left_out.empty()) return CountRows(grouping, context);
    GroupCounts states;
    ARROW_RETURN_NOT_OK(
        states.Run(grouping, context, SumFold<int64_t>(),
                   [&](int64_t* of_groups, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
                     for (int64_t i = 0; i < length; ++i)
                       of_groups[ids[i]] += 1 - left_out[rows != nullptr ? rows[i] : first + i];
                   }));
    counts_ = std::make_shared<const GroupCounts>(std::move(states));
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    return MakeColumn<int64_t>(arrow::int64(), order, [&](int64_t group) { return (*counts_)[group]; }, context);
  }

  void Counts(std::span<const int64_t> groups, int64_t* out) const override { counts_->Read(groups, out); }

 private:
  /// All rows: the same for every column without nulls, so that they are counted once.
  arrow::Status CountRows(const Grouping& grouping, const Context& context) {
    if (grouping.sizes == nullptr) {
      GroupCounts states;
      ARROW_RETURN_NOT_OK(states.RunSections(
          grouping, context, SumFold<int64_t>(),
          [&](std::span<int64_t> of_groups, const uint32_t* ids, const int64_t*, int64_t, int64_t length) {
            Lanes<int64_t> lanes(of_groups);
            int64_t* const counts = lanes.data();
            const int64_t apart = lanes.apart();
            int64_t i = 0;
            for (; apart != 0 && i + kLanes <= length; i += kLanes) {
              for (int64_t l = 0; l < kLanes; ++l) ++counts[l * apart + ids[i + l]];
            }
            for (; i < length; ++i) ++counts[ids[i]];
            lanes.AddUp();
          }));
      grouping.sizes = std::make_shared<const GroupCounts>(std::move(states));
    }
    counts_ = grouping.sizes;
    return arrow::Status::OK();
  }

  const StateKind kind_;
  std::shared_ptr<arrow::ChunkedArray> column_;
  const bool nan_is_null_;
  std::shared_ptr<const GroupCounts> counts_;
};

}  // namespace

void GroupStates::Integers(std::span<const int64_t>, Int128*) const {}
void GroupStates::Reals(std::span<const int64_t>, double*) const {}
arrow::Decimal256 GroupStates::Decimal(int64_t) const { return {}; }
void GroupStates::Counts(std::span<const int64_t>, int64_t*) const {}
Moments GroupStates::MomentsOf(int64_t) const { return {}; }
IntegerProduct GroupStates::Product(int64_t) const { return {}; }

std::shared_ptr<arrow::DataType> StateType(StateKind kind, const std::shared_ptr<arrow::DataType>& input,
                                           const std::shared_ptr<arrow::DataType>& label) {
  const auto& type =
      input->id() == Type::DICTIONARY ? static_cast<const arrow::DictionaryType&>(*input).value_type() : input;
  const bool real = arrow::is_floating(type->id()) || type->id() == Type::NA;
  switch (kind) {
    case StateKind::kMin:
    case StateKind::kMax:
    case StateKind::kFirst:
    case StateKind::kLast:
      return input;
    case StateKind::kIndexOfMin:
    case StateKind::kIndexOfMax:
      return arrow::struct_({arrow::field("value", input), arrow::field("label", label ? label : arrow::int64())});
    case StateKind::kMoments:
      return arrow::fixed_size_binary(sizeof(Moments));
    case StateKind::kProduct:
      return real ? arrow::float64() : arrow::fixed_size_binary(sizeof(IntegerProduct));
    case StateKind::kQuantile:
      return type->id() == Type::TIMESTAMP || type->id() == Type::DURATION ? type : arrow::float64();
    case StateKind::kSum:
      if (real) return arrow::float64();
      if (arrow::is_decimal(type->id())) {
        return arrow::decimal256(76, static_cast<const arrow::DecimalType&>(*type).scale());
      }
      return arrow::decimal128(38, 0);
    default:
      return arrow::int64();
  }
}

arrow::Result<std::unique_ptr<GroupStates>> MakeGroupStates(const StateSpec& spec, const StateInput& input,
                                                            const Context& context) {
  switch (spec.kind) {
    case StateKind::kMin:
    case StateKind::kMax:
    case StateKind::kFirst:
    case StateKind::kLast:
    case StateKind::kIndexOfMin:
    case StateKind::kIndexOfMax:
      return MakeRowStates(spec, input, context);
    case StateKind::kMoments:
    case StateKind::kProduct:
      return MakePowerStates(spec, input, context);
    case StateKind::kDistinct:
    case StateKind::kQuantile:
      return MakeWholeStates(spec, input, context);
    case StateKind::kCount:
    case StateKind::kTrue:
    case StateKind::kSize:
      return std::make_unique<CountStates>(spec.kind, input.column, input.nan_is_null);
    case StateKind::kAddCounts:
      return std::make_unique<SumStates<int64_t>>(input.column, arrow::int64(), false);
    case StateKind::kSum:
      break;
  }
  ARROW_ASSIGN_OR_RAISE(const auto values, DecodeDictionary(input.column, context));
  const auto type = StateType(spec.kind, input.of);
  // A sum of an earlier round may be NaN in its own right.
  const bool skip_nan = input.nan_is_null && input.first_round;
  if (type->id() == Type::DOUBLE) return std::make_unique<SumStates<double>>(values, type, skip_nan);
  if (type->id() == Type::DECIMAL256) return std::make_unique<SumStates<arrow::Decimal256>>(values, type, false);
  return std::make_unique<SumStates<Int128>>(values, type, false);
}

double ExactQuotient(Int128 sum, int64_t count) {
  const bool negative = sum < 0;
  const Uint128 value = negative ? ~static_cast<Uint128>(sum) + 1 : static_cast<Uint128>(sum);
  if (value == 0) return 0;
  const auto high = static_cast<uint64_t>(value >> 64);
  const int width = high != 0 ? 64 + static_cast<int>(std::bit_width(high))
                              : static_cast<int>(std::bit_width(static_cast<uint64_t>(value)));
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
