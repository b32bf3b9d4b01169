// States that keep a row for each group.
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>

#include <limits>
#include <string>
#include <utility>

#include "weft/kernels/aggregate_kinds.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/group_fold.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// row(group) for the groups in `order`.
template <typename Row>
arrow::Result<PoolArray<int64_t>> RowsOf(std::span<const int64_t> order, const Row& row, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto rows, PoolArray<int64_t>::Make(static_cast<int64_t>(order.size()), context.pool));
  std::transform(order.begin(), order.end(), rows.begin(), row);
  return rows;
}

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
      : column_(std::move(column)),
        value_type_(table::LogicalKeyType(column_->type())->id()),
        greatest_(greatest),
        nan_is_null_(nan_is_null) {}

  /// The row of a group's value; -1 where it has none.
  int64_t Row(int64_t group) const { return states_[group].row; }

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    ARROW_ASSIGN_OR_RAISE(const auto keys,
                          KeyColumn::Make({column_}, nan_is_null_, context, /*views=*/true, /*alone=*/false));
    const bool by_code = !keys.is_binary() && keys.pieces() == 1;
    const ExtremeFold fold{&keys, by_code, {!greatest_, false}};
    // Codes in the order of entries where the column can be brought so, else read by row.
    std::shared_ptr<arrow::Array> moved;
    KeyColumn moved_keys;
    PoolArray<uint64_t> codes;
    PoolArray<uint8_t> nulls;
    if (by_code && !grouping.rows.empty()) {
      ARROW_ASSIGN_OR_RAISE(moved, MovedColumn(grouping, *column_, context));
      if (moved != nullptr) {
        const auto column = std::make_shared<arrow::ChunkedArray>(moved);
        ARROW_ASSIGN_OR_RAISE(moved_keys,
                              KeyColumn::Make({column}, nan_is_null_, context, /*views=*/true, /*alone=*/false));
      } else {
        ARROW_RETURN_NOT_OK(ReadAll(keys, &codes, &nulls, context));
      }
    }
    const KeyColumn& in_order = moved != nullptr ? moved_keys : keys;
    return states_.Run(grouping, context, fold,
                       [&](Extreme* states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
                         uint64_t block_codes[kFoldBlock];
                         uint8_t block_nulls[kFoldBlock];
                         if (by_code && (rows == nullptr || moved != nullptr)) {
                           ReadBlock(in_order, first, length, block_codes, block_nulls);
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
    ARROW_ASSIGN_OR_RAISE(auto rows, RowsOf(order, [&](int64_t group) { return Row(group); }, context));
    return GatherOrNull(column_, std::move(rows), context);
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
    } else if (!nan_is_null_ && arrow::is_floating(value_type_)) {
      // NaN is the greatest code; here it has to be the least.
      const uint64_t nan = value_type_ == Type::DOUBLE  ? std::numeric_limits<uint64_t>::max()
                           : value_type_ == Type::FLOAT ? std::numeric_limits<uint32_t>::max()
                                                        : std::numeric_limits<uint16_t>::max();
      for (int64_t i = 0; i < length; ++i) codes[i] = codes[i] == nan ? 0 : codes[i];
    }
  }

  arrow::Status ReadAll(const KeyColumn& keys, PoolArray<uint64_t>* codes, PoolArray<uint8_t>* nulls,
                        const Context& context) const {
    ARROW_ASSIGN_OR_RAISE(*codes, PoolArray<uint64_t>::Make(keys.rows(), context.pool));
    ARROW_ASSIGN_OR_RAISE(*nulls, PoolArray<uint8_t>::Make(keys.rows(), context.pool));
    return ParallelFor(context, (keys.rows() + kFoldBlock - 1) / kFoldBlock, [&](int64_t task) {
      const int64_t begin = task * kFoldBlock;
      ReadBlock(keys, begin, std::min(kFoldBlock, keys.rows() - begin), codes->data() + begin, nulls->data() + begin);
      return arrow::Status::OK();
    });
  }

  const std::shared_ptr<arrow::ChunkedArray> column_;
  /// Of a dictionary that of what it stands for.
  const Type::type value_type_;
  const bool greatest_;
  const bool nan_is_null_;
  States<ExtremeFold> states_;
};

/// The first or last row; the later of two is kept where `last`.
struct PlaceFold {
  using State = int64_t;
  bool last;
  static State empty() { return -1; }
  void merge(State* into, State from) const {
    if (from >= 0 && (last || *into < 0)) *into = from;
  }
};

/// The first or last row of each group, or of those rows that are not null.
class PlaceStates : public GroupStates {
 public:
  PlaceStates(std::shared_ptr<arrow::ChunkedArray> column, bool last, bool skip_nulls, bool nan_is_null)
      : column_(std::move(column)), last_(last), skip_nulls_(skip_nulls), nan_is_null_(nan_is_null) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    PoolArray<uint8_t> missing;
    if (skip_nulls_) {
      ARROW_ASSIGN_OR_RAISE(missing, MissingRows(column_, nan_is_null_, context));
    }
    const PlaceFold fold{last_};
    return states_.Run(grouping, context, fold,
                       [&](int64_t* states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
                         for (int64_t i = 0; i < length; ++i) {
                           const int64_t row = rows != nullptr ? rows[i] : first + i;
                           if (missing.empty() || missing[row] == 0) fold.merge(&states[ids[i]], row);
                         }
                       });
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    ARROW_ASSIGN_OR_RAISE(auto rows, RowsOf(order, [&](int64_t group) { return states_[group]; }, context));
    return GatherOrNull(column_, std::move(rows), context);
  }

 private:
  const std::shared_ptr<arrow::ChunkedArray> column_;
  const bool last_;
  const bool skip_nulls_;
  const bool nan_is_null_;
  States<PlaceFold> states_;
};

/// One field of a column of structs without nulls.
std::shared_ptr<arrow::ChunkedArray> FieldOf(const arrow::ChunkedArray& column, int field) {
  arrow::ArrayVector chunks;
  for (const auto& chunk : column.chunks()) {
    // Sliced as the struct is.
    chunks.push_back(static_cast<const arrow::StructArray&>(*chunk).field(field));
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), column.type()->field(field)->type());
}

/// Labels of the rows that ExtremeStates finds.
class IndexStates : public GroupStates {
 public:
  IndexStates(std::shared_ptr<arrow::ChunkedArray> values, std::shared_ptr<arrow::ChunkedArray> labels,
              int64_t first_row, bool greatest, bool nan_is_null)
      : extremes_(std::move(values), greatest, nan_is_null), labels_(std::move(labels)), first_row_(first_row) {}

  arrow::Status Aggregate(const Grouping& grouping, const Context& context) override {
    return extremes_.Aggregate(grouping, context);
  }

  /// Structs of value and label.
  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Column(std::span<const int64_t> order,
                                                             const Context& context) const override {
    ARROW_ASSIGN_OR_RAISE(auto values, extremes_.Column(order, context));
    ARROW_ASSIGN_OR_RAISE(auto labels, Result(order, context));
    const auto type = StateType(StateKind::kIndexOfMin, values->type(), labels->type());
    // Both may come in several chunks.
    const auto both = arrow::Table::Make(arrow::schema(type->fields()), {std::move(values), std::move(labels)},
                                         static_cast<int64_t>(order.size()));
    arrow::TableBatchReader reader(*both);
    arrow::ArrayVector chunks;
    for (;;) {
      std::shared_ptr<arrow::RecordBatch> batch;
      ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
      if (batch == nullptr) break;
      ARROW_ASSIGN_OR_RAISE(auto chunk, batch->ToStructArray());
      chunks.push_back(std::move(chunk));
    }
    return std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Result(std::span<const int64_t> order,
                                                             const Context& context) const override {
    ARROW_ASSIGN_OR_RAISE(auto rows, RowsOf(order, [&](int64_t group) { return extremes_.Row(group); }, context));
    if (labels_ != nullptr) return GatherOrNull(labels_, std::move(rows), context);
    arrow::Int64Builder builder(context.pool);
    ARROW_RETURN_NOT_OK(builder.Reserve(rows.size()));
    for (const int64_t row : rows) {
      if (row < 0) {
        builder.UnsafeAppendNull();
      } else {
        builder.UnsafeAppend(first_row_ + row);
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto made, builder.Finish());
    return std::make_shared<arrow::ChunkedArray>(std::move(made));
  }

 private:
  ExtremeStates extremes_;
  const std::shared_ptr<arrow::ChunkedArray> labels_;
  const int64_t first_row_;
};

}  // namespace

arrow::Result<std::unique_ptr<GroupStates>> MakeRowStates(const StateSpec& spec, const StateInput& input,
                                                          const Context&) {
  switch (spec.kind) {
    case StateKind::kMin:
    case StateKind::kMax:
      return std::make_unique<ExtremeStates>(input.column, spec.kind == StateKind::kMax, input.nan_is_null);
    case StateKind::kFirst:
    case StateKind::kLast:
      return std::make_unique<PlaceStates>(input.column, spec.kind == StateKind::kLast, spec.skip_nulls,
                                           input.nan_is_null);
    default: {
      const bool greatest = spec.kind == StateKind::kIndexOfMax;
      if (input.first_round) {
        return std::make_unique<IndexStates>(input.column, input.labels, input.first_row, greatest, input.nan_is_null);
      }
      return std::make_unique<IndexStates>(FieldOf(*input.column, 0), FieldOf(*input.column, 1), 0, greatest,
                                           input.nan_is_null);
    }
  }
}

}  // namespace weft::kernels
