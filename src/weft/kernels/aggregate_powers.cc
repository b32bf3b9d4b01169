// States of products and of central moments.
#include <cstring>
#include <string>
#include <utility>

#include "weft/kernels/aggregate_kinds.h"
#include "weft/kernels/column_reals.h"
#include "weft/kernels/dense_values.h"
#include "weft/kernels/group_fold.h"

namespace weft::kernels {
namespace {

/// A column of states as they lie in memory.
template <typename State, typename Value>
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> StateColumn(std::span<const int64_t> order, const Value& value,
                                                                const Context& context) {
  return MakeColumn<State>(arrow::fixed_size_binary(sizeof(State)), order, value, context);
}

/// Calls fold(state of the group, state read) for the rows of a column that StateColumn made.
template <typename State, typename Fold>
arrow::Status FoldStates(const std::shared_ptr<arrow::ChunkedArray>& column, const Grouping& grouping,
                         const Context& context, const Fold& fold, States<Fold>* states) {
  ARROW_ASSIGN_OR_RAISE(const auto flat, Flatten(*column, context));
  const uint8_t* bytes =
      flat->length() == 0 ? nullptr : static_cast<const arrow::FixedSizeBinaryArray&>(*flat).raw_values();
  return states->Run(grouping, context, fold,
                     [&](State* into, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
                       for (int64_t i = 0; i < length; ++i) {
                         State state;
                         const int64_t row = rows != nullptr ? rows[i] : first + i;
                         std::memcpy(&state, bytes + row * static_cast<int64_t>(sizeof(State)), sizeof(State));
                         fold.merge(&into[ids[i]], state);
                       }
                     });
}

struct MomentsFold {
  using State = Moments;
  static State empty() { return {}; }
  static void merge(State* into, const State& from) { into->Merge(from); }
};

/// Two passes over each section: means, then powers of the distances from them. What the sum of distances is off zero
/// corrects the mean and the powers: Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983,
/// equation 1.7, and the same for higher powers.
template <bool kFour>
void FoldMoments(const Reals& values, std::span<Moments> states, const uint32_t* ids, const int64_t* rows,
                 int64_t first, int64_t length) {
  const auto each = [&](const auto& add) {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t row = rows != nullptr ? rows[i] : first + i;
      if (!values.missing(row)) add(&states[ids[i]], values[row]);
    }
  };
  each([](Moments* state, double value) {
    ++state->count;
    state->mean += value;
  });
  const auto groups = states.subspan(1);
  for (Moments& state : groups) {
    if (state.count > 0) state.mean /= static_cast<double>(state.count);
  }
  each([](Moments* state, double value) {
    const double distance = value - state->mean;
    const double square = distance * distance;
    state->mean_low += distance;
    state->m2 += square;
    if constexpr (kFour) {
      state->m3 += square * distance;
      state->m4 += square * square;
    }
  });
  for (Moments& state : groups) {
    if (state.count == 0) continue;
    const auto count = static_cast<double>(state.count);
    const double off = state.mean_low / count;
    if constexpr (kFour) {
      state.m4 += off * (-4 * state.m3 + off * (6 * state.m2 - 3 * count * off * off));
      state.m3 += off * (-3 * state.m2 + 2 * count * off * off);
    }
    state.m2 -= count * off * off;
    state.mean_low = off;
  }
}

class MomentStates : public GroupStates {
 public:
  MomentStates(const StateInput& input, int powers) : input_(input), powers_(powers) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    const MomentsFold fold;
    if (!input_.first_round) return FoldStates<Moments>(input_.column, grouping, context, fold, &states_);
    // In the order of entries where the column can be brought so, else read by row.
    ARROW_ASSIGN_OR_RAISE(const auto moved, MovedColumn(grouping, *input_.column, context));
    if (moved != nullptr) input_.column = std::make_shared<arrow::ChunkedArray>(moved);
    ARROW_ASSIGN_OR_RAISE(const auto values, Reals::Make(input_.column, input_.nan_is_null, context));
    input_.column.reset();
    return states_.RunSections(
        grouping, context, fold,
        [&](std::span<Moments> states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
          if (moved != nullptr) rows = nullptr;
          if (powers_ > 2) return FoldMoments<true>(values, states, ids, rows, first, length);
          FoldMoments<false>(values, states, ids, rows, first, length);
        });
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    return StateColumn<Moments>(order, [&](int64_t group) { return states_[group]; }, context);
  }

  Moments MomentsOf(int64_t group) const override { return states_[group]; }

 private:
  StateInput input_;
  const int powers_;
  States<MomentsFold> states_;
};

struct ProductFold {
  using State = IntegerProduct;
  static State empty() { return {}; }
  static void merge(State* into, const State& from) {
    // Zero stays zero, whatever else there is, so that the order of factors does not matter.
    if (into->magnitude == 0 && !into->overflow()) return;
    if (from.magnitude == 0 && !from.overflow()) {
      *into = {0, 0};
      return;
    }
    const uint64_t negative = (into->flags ^ from.flags) & 1;
    uint64_t product = 1;
    const bool over =
        into->overflow() || from.overflow() || __builtin_mul_overflow(into->magnitude, from.magnitude, &product);
    *into = {over ? 1 : product, negative | (over ? 2U : 0U)};
  }
  template <typename T>
  static IntegerProduct Factor(T value) {
    if constexpr (std::is_unsigned_v<T>) {
      return {value, 0};
    } else {
      const auto wide = static_cast<int64_t>(value);
      return wide < 0 ? IntegerProduct{~static_cast<uint64_t>(wide) + 1, 1}
                      : IntegerProduct{static_cast<uint64_t>(wide), 0};
    }
  }
};

class IntegerProductStates : public GroupStates {
 public:
  explicit IntegerProductStates(const StateInput& input) : input_(input) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    const ProductFold fold;
    if (!input_.first_round) return FoldStates<IntegerProduct>(input_.column, grouping, context, fold, &states_);
    ARROW_ASSIGN_OR_RAISE(const auto values, DecodeDictionary(input_.column, context));
    ARROW_ASSIGN_OR_RAISE(const auto flat, Flatten(*values, context));
    return states_.Run(
        grouping, context, fold,
        [&](IntegerProduct* states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
          AddArray(*flat, false, states, ids, rows, first, length, [](IntegerProduct* state, auto value) {
            if constexpr (std::is_integral_v<decltype(value)>) ProductFold::merge(state, ProductFold::Factor(value));
          });
        });
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    return StateColumn<IntegerProduct>(order, [&](int64_t group) { return states_[group]; }, context);
  }

  IntegerProduct Product(int64_t group) const override { return states_[group]; }

 private:
  const StateInput input_;
  States<ProductFold> states_;
};

struct RealProductFold {
  using State = double;
  static State empty() { return 1; }
  static void merge(State* into, State from) { *into *= from; }
};

class RealProductStates : public GroupStates {
 public:
  explicit RealProductStates(const StateInput& input) : input_(input) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    // A product of an earlier round may be NaN in its own right.
    ARROW_ASSIGN_OR_RAISE(const auto values,
                          Reals::Make(input_.column, input_.nan_is_null && input_.first_round, context));
    return states_.Run(grouping, context, RealProductFold(),
                       [&](double* states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
                         for (int64_t i = 0; i < length; ++i) {
                           const int64_t row = rows != nullptr ? rows[i] : first + i;
                           if (!values.missing(row)) states[ids[i]] *= values[row];
                         }
                       });
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    return MakeColumn<double>(arrow::float64(), order, [&](int64_t group) { return states_[group]; }, context);
  }

 private:
  const StateInput input_;
  States<RealProductFold> states_;
};

}  // namespace

arrow::Result<std::unique_ptr<GroupStates>> MakePowerStates(const StateSpec& spec, const StateInput& input,
                                                            const Context&) {
  if (spec.kind == StateKind::kMoments) return std::make_unique<MomentStates>(input, spec.powers);
  if (StateType(spec.kind, input.of)->id() == arrow::Type::DOUBLE) return std::make_unique<RealProductStates>(input);
  return std::make_unique<IntegerProductStates>(input);
}

}  // namespace weft::kernels
