#include "weft/kernels/reduce_states.h"

#include <arrow/array.h>
#include <arrow/array/util.h>

#include <algorithm>
#include <vector>

#include "weft/kernels/dense_values.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/key_encoding.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// fold(piece, state) for all pieces, and their states put together in order.
template <typename State, typename Fold>
arrow::Result<State> FoldPieces(const arrow::ChunkedArray& column, const Context& context, const Fold& fold) {
  const auto pieces = CutColumn(column);
  std::vector<State> states(pieces.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(pieces.size()), [&](int64_t p) {
    fold(pieces[static_cast<size_t>(p)], &states[static_cast<size_t>(p)]);
    return arrow::Status::OK();
  }));
  State whole;
  for (const State& state : states) whole.Merge(state);
  return whole;
}

int64_t CountValid(const arrow::Array& array, int64_t begin, int64_t end) {
  if (array.type_id() == Type::NA) return 0;
  if (array.null_count() == 0) return end - begin;
  return arrow::internal::CountSetBits(array.null_bitmap_data(), array.offset() + begin, end - begin);
}

template <typename Offset>
int64_t CountNotEmpty(const arrow::Array& array, int64_t begin, int64_t end) {
  const Offset* offsets = array.data()->GetValues<Offset>(1);
  int64_t count = 0;
  for (int64_t i = begin; i < end; ++i) count += array.IsValid(i) && offsets[i + 1] > offsets[i] ? 1 : 0;
  return count;
}

}  // namespace

arrow::Result<CountState> FoldCount(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context) {
  const Type::type id = column->type()->id();
  if (id == Type::DICTIONARY) {
    // Null values of the dictionary are nulls, too.
    CountState state;
    for (const auto& chunk : column->chunks()) {
      state.rows += chunk->length();
      state.values += chunk->length() - chunk->ComputeLogicalNullCount();
    }
    return state;
  }
  const bool floating = arrow::is_floating(id);
  return FoldPieces<CountState>(*column, context, [&](const ColumnPiece& piece, CountState* state) {
    state->rows = piece.end - piece.begin;
    if (!floating) {
      state->values = CountValid(*piece.array, piece.begin, piece.end);
      return;
    }
    VisitDense<double>(piece,
                       [&](std::span<const double> values) { state->values += static_cast<int64_t>(values.size()); });
  });
}

arrow::Result<TruthState> FoldTruth(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context) {
  const Type::type id = column->type()->id();
  return FoldPieces<TruthState>(*column, context, [&](const ColumnPiece& piece, TruthState* state) {
    if (arrow::is_base_binary_like(id)) {
      state->count = arrow::is_large_binary_like(id) ? CountNotEmpty<int64_t>(*piece.array, piece.begin, piece.end)
                                                     : CountNotEmpty<int32_t>(*piece.array, piece.begin, piece.end);
      return;
    }
    VisitDense<double>(piece, [&](std::span<const double> values) {
      for (const double value : values) state->count += value != 0 ? 1 : 0;
    });
  });
}

template <typename State>
arrow::Result<State> FoldNumbers(const arrow::ChunkedArray& column, const Context& context) {
  const bool is_unsigned = column.type()->id() == Type::UINT64;
  const bool is_bool = column.type()->id() == Type::BOOL;
  return FoldPieces<State>(column, context, [&](const ColumnPiece& piece, State* state) {
    using Value = typename State::Value;
    if constexpr (std::is_same_v<State, IntegerSumState>) {
      if (is_bool) {
        const auto truths = piece.array->Slice(piece.begin, piece.end - piece.begin);
        state->sum += static_cast<const arrow::BooleanArray&>(*truths).true_count();
        return;
      }
    }
    const auto add = [state](auto values) { state->Add(values); };
    if constexpr (std::is_same_v<Value, int64_t>) {
      if (is_unsigned) return VisitDense<uint64_t>(piece, add);
    }
    VisitDense<Value>(piece, add);
  });
}

template arrow::Result<IntegerSumState> FoldNumbers(const arrow::ChunkedArray&, const Context&);
template arrow::Result<DecimalSumState> FoldNumbers(const arrow::ChunkedArray&, const Context&);
template arrow::Result<RealSumState> FoldNumbers(const arrow::ChunkedArray&, const Context&);
template arrow::Result<IntegerProductState> FoldNumbers(const arrow::ChunkedArray&, const Context&);
template arrow::Result<RealProductState> FoldNumbers(const arrow::ChunkedArray&, const Context&);
template arrow::Result<MomentsState> FoldNumbers(const arrow::ChunkedArray&, const Context&);

arrow::Result<int64_t> FindExtreme(const std::shared_ptr<arrow::ChunkedArray>& column, bool greatest,
                                   const Context& context) {
  if (column->type()->id() == Type::NA) return -1;
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeyColumn::Make({column}, /*nan_is_null=*/true, context));
  const bool by_code = !keys.is_binary() && keys.pieces() == 1;
  const KeyDirection direction{!greatest, false};
  constexpr int64_t kTaskRows = 1 << 16;
  constexpr int64_t kBlock = KeyLayout::kBlock;
  struct Found {
    uint64_t code = 0;
    int64_t row = -1;
  };
  const auto take = [&](Found* best, const Found& other) {
    if (other.row < 0) return;
    const bool better = best->row < 0 || (by_code ? other.code < best->code
                                                  : CompareKeys(keys, other.row, keys, best->row, direction) < 0);
    if (better) *best = other;
  };
  std::vector<Found> found(static_cast<size_t>((keys.rows() + kTaskRows - 1) / kTaskRows));
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(found.size()), [&](int64_t t) {
    const int64_t end = std::min(keys.rows(), (t + 1) * kTaskRows);
    uint64_t codes[kBlock];
    uint8_t nulls[kBlock] = {};
    Found best;
    for (int64_t begin = t * kTaskRows; begin < end; begin += kBlock) {
      const int64_t length = std::min(kBlock, end - begin);
      if (keys.may_have_nulls()) keys.Nulls(begin, length, nulls);
      if (by_code) {
        keys.Piece(0, begin, length, codes);
        const uint64_t flip = greatest ? ~uint64_t{0} : 0;
        for (int64_t i = 0; i < length; ++i) {
          const uint64_t code = codes[i] ^ flip;
          if (nulls[i] == 0 && (best.row < 0 || code < best.code)) best = {code, begin + i};
        }
      } else {
        for (int64_t i = 0; i < length; ++i) {
          if (nulls[i] == 0) take(&best, {0, begin + i});
        }
      }
    }
    found[static_cast<size_t>(t)] = best;
    return arrow::Status::OK();
  }));
  Found best;
  for (const Found& one : found) take(&best, one);
  return best.row;
}

arrow::Result<std::shared_ptr<arrow::Array>> OneRow(const std::shared_ptr<arrow::ChunkedArray>& column, int64_t row,
                                                    const Context& context) {
  if (row < 0) return arrow::MakeArrayOfNull(column->type(), 1, context.pool);
  ARROW_ASSIGN_OR_RAISE(const auto taken, GatherColumn(column, std::span<const int64_t>(&row, 1), context));
  return taken->chunk(0);
}

}  // namespace weft::kernels
