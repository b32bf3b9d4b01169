// What folding rows into states by group is made of: the states' array, readers of columns, columns of results. For the
// files that define kinds of states.
#pragma once

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/chunked_array.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/base/context.h"
#include "weft/base/int128.h"
#include "weft/kernels/decimals.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/key_encoding.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// Rows folded at a time.
constexpr int64_t kFoldBlock = KeyLayout::kBlock;

/// The states of all groups, in an array whose first place takes what is left out. A Fold says what a state is, how
/// rows are added and how two states are put together.
template <typename Fold>
class States {
 public:
  using State = typename Fold::State;

  /// `fold_section(states, ids, rows, first, length)` folds the `length` entries of one section, whose groups
  /// are states[1] and on: of rows rows[i], or
  /// first + i where nullptr.
  template <typename FoldSection>
  arrow::Status RunSections(const Grouping& grouping, const Context& context, const Fold& fold,
                            FoldSection&& fold_section) {
    ARROW_ASSIGN_OR_RAISE(states_, PoolArray<State>::Make(grouping.groups + 1, context.pool));
    states_[0] = fold.empty();
    if (grouping.shared) std::fill(states_.begin(), states_.end(), fold.empty());
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
      } else {
        std::fill(states + 1, states + 1 + section.groups, fold.empty());
      }
      // Place 0 of a section that shares no groups belongs to its neighbour: only what is left out goes there.
      fold_section(std::span<State>(states, static_cast<size_t>(section.groups + 1)),
                   grouping.ids.data() + section.begin,
                   grouping.rows.empty() ? nullptr : grouping.rows.data() + section.begin, section.begin,
                   section.end - section.begin);
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

  /// The same, where `add(states, ids, rows, first, length)` folds blocks of at most kFoldBlock entries.
  template <typename Add>
  arrow::Status Run(const Grouping& grouping, const Context& context, const Fold& fold, Add&& add) {
    return RunSections(
        grouping, context, fold,
        [&](std::span<State> states, const uint32_t* ids, const int64_t* rows, int64_t first, int64_t length) {
          for (int64_t begin = 0; begin < length; begin += kFoldBlock) {
            add(states.data(), ids + begin, rows == nullptr ? nullptr : rows + begin, first + begin,
                std::min(kFoldBlock, length - begin));
          }
        });
  }

  const State& operator[](int64_t group) const { return states_[group + 1]; }

  /// The states of `groups`, one after the other.
  void Read(std::span<const int64_t> groups, State* out) const {
    for (size_t i = 0; i < groups.size(); ++i) out[i] = (*this)[groups[i]];
  }

 private:
  PoolArray<State> states_;
};

/// A column whose rows can be read in any order.
inline arrow::Result<std::shared_ptr<arrow::Array>> Flatten(const arrow::ChunkedArray& column, const Context& context) {
  if (column.num_chunks() == 1) return column.chunk(0);
  if (column.num_chunks() == 0) return arrow::MakeEmptyArray(column.type(), context.pool);
  return arrow::Concatenate(column.chunks(), context.pool);
}

/// The column in the order of the grouping's entries; nullptr where it cannot be brought so, or there is no memory for
/// it.
inline arrow::Result<std::shared_ptr<arrow::Array>> MovedColumn(const Grouping& grouping,
                                                                const arrow::ChunkedArray& column,
                                                                const Context& context) {
  if (grouping.partitions == nullptr) return nullptr;
  auto moved = grouping.partitions->MoveColumn(column, context);
  if (moved.status().IsOutOfMemory()) return nullptr;
  return moved;
}

/// Sums; 128-bit ones of fewer than 2^63 64-bit integers cannot overflow, and decimals that do are known (AddDecimal).
template <typename T>
struct SumFold {
  using State = T;
  static State empty() { return State{}; }
  static void merge(State* into, const State& from) {
    if constexpr (std::is_same_v<T, arrow::Decimal256>) {
      AddDecimal(into, from);
    } else {
      *into += from;
    }
  }
};

/// How many rows each group has.
class GroupCounts : public States<SumFold<int64_t>> {};

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
/// Arrow aligns buffers to 8 bytes, no more.
struct Int128Reader {
  const uint8_t* values;
  Int128 operator()(int64_t row) const {
    Int128 value;
    std::memcpy(&value, values + row * 16, sizeof(value));
    return value;
  }
};
template <typename T>
struct SmallDecimalReader {
  const T* values;
  arrow::Decimal256 operator()(int64_t row) const { return arrow::Decimal256(int64_t{values[row]}); }
};

/// Few groups have the states of their rows in several lanes, the rows taking turns: one row's state need not wait for
/// that of the row before.
constexpr int64_t kLanes = 4;
constexpr int64_t kLaneGroups = 256;

/// The lanes of one section's states, which are sums; none where there are many groups.
template <typename State>
class Lanes {
 public:
  explicit Lanes(std::span<State> states)
      : states_(states), lanes_(static_cast<int64_t>(states.size()) <= kLaneGroups ? states.size() * kLanes : 0) {}

  /// The first lane, or the states themselves; `apart()` is the distance to the next, 0 where there are none.
  State* data() { return lanes_.empty() ? states_.data() : lanes_.data(); }
  int64_t apart() const { return lanes_.empty() ? 0 : static_cast<int64_t>(states_.size()); }

  /// Adds them to the states, but for place 0, which may belong to a neighbour.
  void AddUp() {
    for (size_t l = 1; l < lanes_.size(); ++l) {
      if (l % states_.size() != 0) SumFold<State>::merge(&states_[l % states_.size()], lanes_[l]);
    }
  }

 private:
  std::span<State> states_;
  std::vector<State> lanes_;
};

/// Calls apply(state, value) for the values that are not null. Lanes of states lie `lane` apart, 0 where there is one;
/// they are used where all rows of a column are read in their order.
template <typename State, typename ReaderType, typename Apply>
void AddValues(const arrow::ArrayData& data, const ReaderType& read, bool skip_nan, State* states, const uint32_t* ids,
               const int64_t* rows, int64_t first, int64_t length, const Apply& apply, int64_t lane = 0) {
  const uint8_t* validity = data.GetNullCount() > 0 ? data.buffers[0]->data() : nullptr;
  const auto add_to = [&](State* of_lane, int64_t i, int64_t row) {
    if constexpr (std::is_same_v<State, double>) {
      const double value = static_cast<double>(read(row));
      if (skip_nan && value != value) return;
      apply(&of_lane[ids[i]], value);
    } else {
      apply(&of_lane[ids[i]], read(row));
    }
  };
  const auto add = [&](int64_t i, int64_t row) { add_to(states, i, row); };
  if (validity == nullptr && rows == nullptr) {
    int64_t i = 0;
    static_assert(kLanes == 4);
    for (; lane != 0 && i + kLanes <= length; i += kLanes) {
      add_to(states, i, first + i);
      add_to(states + lane, i + 1, first + i + 1);
      add_to(states + 2 * lane, i + 2, first + i + 2);
      add_to(states + 3 * lane, i + 3, first + i + 3);
    }
    for (; i < length; ++i) add(i, first + i);
  } else if (validity == nullptr) {
    for (int64_t i = 0; i < length; ++i) add(i, rows[i]);
  } else {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t row = rows != nullptr ? rows[i] : first + i;
      if (arrow::bit_util::GetBit(validity, data.offset + row)) add(i, row);
    }
  }
}

/// Folds `array`'s values in by its type: floats where State is double, decimals where it is Decimal256, else integers.
template <typename State, typename Apply>
void AddArray(const arrow::Array& array, bool skip_nan, State* states, const uint32_t* ids, const int64_t* rows,
              int64_t first, int64_t length, const Apply& apply, int64_t lane = 0) {
  const arrow::ArrayData& data = *array.data();
  const auto add = [&](const auto& reader) {
    AddValues(data, reader, skip_nan, states, ids, rows, first, length, apply, lane);
  };
  const auto bytes = [&](int64_t width) { return data.buffers[1]->data() + data.offset * width; };
  if constexpr (std::is_same_v<State, double>) {
    switch (array.type_id()) {
      case arrow::Type::HALF_FLOAT:
        return add(HalfReader{data.GetValues<uint16_t>(1)});
      case arrow::Type::FLOAT:
        return add(Reader<float>{data.GetValues<float>(1)});
      case arrow::Type::DOUBLE:
        return add(Reader<double>{data.GetValues<double>(1)});
      default:  // null
        return;
    }
  } else if constexpr (std::is_same_v<State, arrow::Decimal256>) {
    switch (array.type_id()) {
      case arrow::Type::DECIMAL32:
        return add(SmallDecimalReader<int32_t>{data.GetValues<int32_t>(1)});
      case arrow::Type::DECIMAL64:
        return add(SmallDecimalReader<int64_t>{data.GetValues<int64_t>(1)});
      case arrow::Type::DECIMAL128:
        return add(Decimal128Reader{bytes(16)});
      default:
        return add(Decimal256Reader{bytes(32)});
    }
  } else {
    switch (array.type_id()) {
      case arrow::Type::BOOL:
        return add(BoolReader{data.buffers[1]->data(), data.offset});
      case arrow::Type::INT8:
        return add(Reader<int8_t>{data.GetValues<int8_t>(1)});
      case arrow::Type::UINT8:
        return add(Reader<uint8_t>{data.GetValues<uint8_t>(1)});
      case arrow::Type::INT16:
        return add(Reader<int16_t>{data.GetValues<int16_t>(1)});
      case arrow::Type::UINT16:
        return add(Reader<uint16_t>{data.GetValues<uint16_t>(1)});
      case arrow::Type::INT32:
      case arrow::Type::DATE32:
        return add(Reader<int32_t>{data.GetValues<int32_t>(1)});
      case arrow::Type::UINT32:
        return add(Reader<uint32_t>{data.GetValues<uint32_t>(1)});
      case arrow::Type::UINT64:
        return add(Reader<uint64_t>{data.GetValues<uint64_t>(1)});
      case arrow::Type::DECIMAL128:  // states of an earlier round
        return add(Int128Reader{bytes(16)});
      default:
        return add(Reader<int64_t>{data.GetValues<int64_t>(1)});
    }
  }
}

/// Calls visit(begin, groups) for blocks of at most kFoldBlock of the groups in `order`, the first of them being
/// order[begin], on all threads.
template <typename Visit>
arrow::Status ForGroups(std::span<const int64_t> order, const Context& context, const Visit& visit) {
  constexpr size_t kTaskGroups = size_t{1} << 16;
  const size_t tasks = (order.size() + kTaskGroups - 1) / kTaskGroups;
  return ParallelFor(context, static_cast<int64_t>(tasks), [&](int64_t task) -> arrow::Status {
    const size_t first = static_cast<size_t>(task) * kTaskGroups;
    const size_t end = std::min(order.size(), first + kTaskGroups);
    for (size_t begin = first; begin < end; begin += kFoldBlock) {
      const auto groups = order.subspan(begin, std::min<size_t>(kFoldBlock, end - begin));
      ARROW_RETURN_NOT_OK(visit(static_cast<int64_t>(begin), groups));
    }
    return arrow::Status::OK();
  });
}

/// An array of fixed-width values without nulls, written in parallel blocks.
template <typename T, typename Value>
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> MakeColumn(const std::shared_ptr<arrow::DataType>& type,
                                                               std::span<const int64_t> order, const Value& value,
                                                               const Context& context) {
  const auto count = static_cast<int64_t>(order.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(T)), context.pool));
  auto* const values = reinterpret_cast<T*>(buffer->mutable_data());
  ARROW_RETURN_NOT_OK(ForGroups(order, context, [&](int64_t begin, std::span<const int64_t> groups) {
    T* const out = values + begin;
    for (size_t i = 0; i < groups.size(); ++i) out[i] = value(groups[i]);
    return arrow::Status::OK();
  }));
  return std::make_shared<arrow::ChunkedArray>(
      arrow::MakeArray(arrow::ArrayData::Make(type, count, {nullptr, std::move(buffer)}, 0)));
}

/// One byte a row, 1 for what is missing (null, or NaN where that is null); empty where no row is. Of any type.
arrow::Result<PoolArray<uint8_t>> MissingRows(const std::shared_ptr<arrow::ChunkedArray>& column, bool nan_is_null,
                                              const Context& context);

/// The same, for what is missing, zero, false or empty, of key types; never empty but for no rows.
arrow::Result<PoolArray<uint8_t>> FalseRows(const std::shared_ptr<arrow::ChunkedArray>& column, bool nan_is_null,
                                            const Context& context);

/// The values at `rows`; null where a row is -1.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> GatherOrNull(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                                 PoolArray<int64_t> rows, const Context& context);

}  // namespace weft::kernels
