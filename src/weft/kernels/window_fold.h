// How the values of windows are found: one pass over a stretch of rows a function.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "weft/base/context.h"
#include "weft/kernels/moments.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/reduce_states.h"
#include "weft/kernels/scratch.h"

namespace weft::kernels {

/// Rows with their windows (window.h, WindowBounds), of which [first, end) want a result.
struct WindowStretch {
  const double* values = nullptr;
  /// 1 where the value counts.
  const uint8_t* there = nullptr;
  const int64_t* begins = nullptr;
  const int64_t* ends = nullptr;
  int64_t first = 0;
  int64_t end = 0;
};

/// A sum and of how many.
struct WindowSum {
  int64_t count = 0;
  RealSumState sum;
  void Add(double value) {
    ++count;
    sum.AddOne(value);
  }
  void Merge(const WindowSum& other) {
    count += other.count;
    sum.Merge(other.sum);
  }
};

/// Calls emit(row, state) with the state of each window: the front stack's suffix merged with what came since.
template <typename State, typename Emit>
arrow::Status SlideStates(const WindowStretch& rows, const Context& context, const Emit& emit) {
  Scratch<State> stack(context.pool);
  if (rows.first == rows.end) return arrow::Status::OK();
  int64_t read = rows.begins[rows.first];
  // Rows [base, middle) are in the front stack, [middle, read) in the back one.
  int64_t base = read;
  int64_t middle = read;
  State* front = nullptr;
  State back;
  for (int64_t row = rows.first; row < rows.end; ++row) {
    const int64_t begin = rows.begins[row];
    const int64_t end = rows.ends[row];
    if (begin > middle) {
      ARROW_ASSIGN_OR_RAISE(front, stack.Reserve(end - begin));
      back = State();
      for (int64_t i = end - 1; i >= begin; --i) {
        if (rows.there[i] != 0) back.Add(rows.values[i]);
        front[i - begin] = back;
      }
      back = State();
      base = begin;
      middle = read = end;
    }
    for (; read < end; ++read) {
      if (rows.there[read] != 0) back.Add(rows.values[read]);
    }
    if (begin < middle) {
      State whole = front[begin - base];
      whole.Merge(back);
      emit(row, whole);
    } else {
      emit(row, back);
    }
  }
  return arrow::Status::OK();
}

/// The same of windows that begin with their segment: `state` goes on from what was before.
template <typename State, typename Emit>
void ExpandStates(const WindowStretch& rows, State state, const Emit& emit) {
  int64_t read = rows.first < rows.end ? rows.begins[rows.first] : 0;
  for (int64_t row = rows.first; row < rows.end; ++row) {
    for (; read < rows.ends[row]; ++read) {
      if (rows.there[read] != 0) state.Add(rows.values[read]);
    }
    emit(row, state);
  }
}

/// Calls emit(row, how many values the window has).
template <typename Emit>
void SlideCounts(const WindowStretch& rows, int64_t before, const Emit& emit) {
  if (rows.first == rows.end) return;
  int64_t count = before;
  int64_t left = rows.begins[rows.first];
  int64_t read = left;
  for (int64_t row = rows.first; row < rows.end; ++row) {
    for (; read < rows.ends[row]; ++read) count += rows.there[read];
    for (; left < rows.begins[row]; ++left) count -= left < read ? rows.there[left] : 0;
    read = std::max(read, left);
    emit(row, count);
  }
}

/// Calls emit(row, count, the window's first or last value, NaN where there is none).
template <bool kLast, typename Emit>
void SlideEnds(const WindowStretch& rows, const Emit& emit) {
  int64_t first = rows.first < rows.end ? rows.begins[rows.first] : 0;
  int64_t read = first;
  int64_t last = first - 1;
  SlideCounts(rows, 0, [&](int64_t row, int64_t count) {
    for (; read < rows.ends[row]; ++read) {
      if (rows.there[read] != 0) last = read;
    }
    first = std::max(first, rows.begins[row]);
    while (first < rows.ends[row] && rows.there[first] == 0) ++first;
    const int64_t at = kLast ? last : first;
    const bool inside = at >= rows.begins[row] && at < rows.ends[row];
    emit(row, count, inside ? rows.values[at] : std::numeric_limits<double>::quiet_NaN());
  });
}

/// Calls emit(row, count, the extreme value, where there is one). Equal values: the last of them stays in the deque.
template <bool kGreatest, typename Emit>
arrow::Status SlideExtremes(const WindowStretch& rows, const Context& context, const Emit& emit) {
  if (rows.first == rows.end) return arrow::Status::OK();
  int64_t read = rows.begins[rows.first];
  ARROW_ASSIGN_OR_RAISE(auto queue, PoolArray<int64_t>::Make(rows.ends[rows.end - 1] - read, context.pool));
  int64_t head = 0;
  int64_t tail = 0;
  int64_t left = read;
  int64_t count = 0;
  for (int64_t row = rows.first; row < rows.end; ++row) {
    for (; read < rows.ends[row]; ++read) {
      if (rows.there[read] == 0) continue;
      ++count;
      const double value = rows.values[read];
      while (tail > head &&
             (kGreatest ? rows.values[queue[tail - 1]] <= value : rows.values[queue[tail - 1]] >= value)) {
        --tail;
      }
      queue[tail++] = read;
    }
    for (; left < rows.begins[row]; ++left) count -= left < read ? rows.there[left] : 0;
    read = std::max(read, left);
    while (head < tail && queue[head] < left) ++head;
    emit(row, count, head < tail ? rows.values[queue[head]] : std::numeric_limits<double>::quiet_NaN());
  }
  return arrow::Status::OK();
}

/// The values of a window in order, by their rank among all values of a stretch.
class RankedValues {
 public:
  /// Of rows [begin, end); none is in the window yet.
  static arrow::Result<RankedValues> Make(const WindowStretch& rows, int64_t begin, int64_t end,
                                          const Context& context) {
    RankedValues made;
    made.begin_ = begin;
    ARROW_ASSIGN_OR_RAISE(auto order, PoolArray<int64_t>::Make(end - begin, context.pool));
    int64_t count = 0;
    for (int64_t row = begin; row < end; ++row) {
      if (rows.there[row] != 0) order[count++] = row;
    }
    const double* values = rows.values;
    std::sort(order.data(), order.data() + count, [values](int64_t a, int64_t b) { return values[a] < values[b]; });
    ARROW_ASSIGN_OR_RAISE(made.ranks_, PoolArray<int64_t>::Make(end - begin, context.pool));
    ARROW_ASSIGN_OR_RAISE(made.values_, PoolArray<double>::Make(count, context.pool));
    int64_t distinct = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double value = values[order[i]];
      if (distinct == 0 || made.values_[distinct - 1] != value) made.values_[distinct++] = value;
      made.ranks_[order[i] - begin] = distinct;
    }
    made.values_.Shrink(distinct);
    ARROW_ASSIGN_OR_RAISE(made.sums_, PoolArray<int64_t>::MakeZero(distinct + 1, context.pool));
    ARROW_ASSIGN_OR_RAISE(made.held_, PoolArray<int64_t>::MakeZero(distinct + 1, context.pool));
    return made;
  }

  void Add(int64_t row) {
    const int64_t rank = ranks_[row - begin_];
    ++count_;
    if (held_[rank]++ == 0) ++distinct_;
    Change(rank, 1);
  }
  void Remove(int64_t row) {
    const int64_t rank = ranks_[row - begin_];
    --count_;
    if (--held_[rank] == 0) --distinct_;
    Change(rank, -1);
  }
  int64_t count() const { return count_; }
  int64_t distinct() const { return distinct_; }

  /// The value at a place of the window's values in order, 0 <= place < count().
  double At(int64_t place) const {
    const auto size = static_cast<uint64_t>(sums_.size());
    int64_t at = 0;
    for (auto step = static_cast<int64_t>(std::bit_floor(size)); step > 0; step /= 2) {
      if (at + step < sums_.size() && sums_[at + step] <= place) {
        at += step;
        place -= sums_[at];
      }
    }
    return values_[at];
  }

 private:
  void Change(int64_t rank, int64_t by) {
    for (; rank < sums_.size(); rank += rank & -rank) sums_[rank] += by;
  }

  int64_t begin_ = 0;
  int64_t count_ = 0;
  int64_t distinct_ = 0;
  /// By row, from 1.
  PoolArray<int64_t> ranks_;
  /// By rank, from 0.
  PoolArray<double> values_;
  /// Fenwick's tree, and how often each rank is in the window.
  PoolArray<int64_t> sums_;
  PoolArray<int64_t> held_;
};

/// Calls emit(row, the window's values in order).
template <typename Emit>
arrow::Status SlideRanked(const WindowStretch& rows, const Context& context, const Emit& emit) {
  if (rows.first == rows.end) return arrow::Status::OK();
  int64_t left = rows.begins[rows.first];
  int64_t read = left;
  ARROW_ASSIGN_OR_RAISE(auto ranked, RankedValues::Make(rows, left, rows.ends[rows.end - 1], context));
  for (int64_t row = rows.first; row < rows.end; ++row) {
    for (; read < rows.ends[row]; ++read) {
      if (rows.there[read] != 0) ranked.Add(read);
    }
    for (; left < rows.begins[row]; ++left) {
      if (left < read && rows.there[left] != 0) ranked.Remove(left);
    }
    read = std::max(read, left);
    emit(row, ranked);
  }
  return arrow::Status::OK();
}

}  // namespace weft::kernels
