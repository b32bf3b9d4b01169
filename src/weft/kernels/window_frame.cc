#include <arrow/array.h>

#include <algorithm>
#include <string>
#include <utility>

#include "weft/kernels/window.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// later - earlier, where that is not below 0; it may not fit a signed number.
uint64_t Span(int64_t earlier, int64_t later) { return static_cast<uint64_t>(later) - static_cast<uint64_t>(earlier); }

/// Whether a time so far away still belongs to the window, of which half lies on each side where it is centered.
bool Reaches(const WindowFrame& frame, uint64_t span, bool closed) {
  const auto size = static_cast<uint64_t>(frame.size);
  if (span > size) return false;
  const uint64_t times = frame.center ? 2 * span : span;
  return closed ? times <= size : times < size;
}

arrow::Status NotOrdered(const arrow::Table& table, const WindowFrame& frame) {
  return arrow::Status::Invalid("rolling: '", table.field(frame.time)->name(),
                                "' goes up and down along the rows; windows by time need rows sorted by it");
}

/// Times of one segment, turned where they fall along the rows.
arrow::Status Straighten(const arrow::Table& table, const WindowFrame& frame, int64_t* times, int64_t rows) {
  if (rows > 1 && times[rows - 1] < times[0]) {
    for (int64_t i = 0; i < rows; ++i) times[i] = ~times[i];
  }
  return std::is_sorted(times, times + rows) ? arrow::Status::OK() : NotOrdered(table, frame);
}

void WindowsOfRows(const WindowFrame& frame, int64_t start, int64_t end, WindowBounds* bounds) {
  const int64_t rows = end - start;
  // Sizes beyond the segment are as good as its length.
  const int64_t size = std::min(frame.size, 2 * rows + 2);
  const int64_t offset = frame.center || size == 0 ? (size + 1) / 2 - 1 : 0;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t behind = i + 1 + offset;
    const int64_t window_end = behind - (frame.closed_right ? 0 : 1);
    const int64_t window_begin = behind - size - (frame.closed_left ? 1 : 0);
    bounds->begins[start + i] = start + std::clamp<int64_t>(window_begin, 0, rows);
    bounds->ends[start + i] = start + std::clamp<int64_t>(window_end, 0, rows);
    bounds->ends[start + i] = std::max(bounds->begins[start + i], bounds->ends[start + i]);
  }
}

void WindowsOfTimes(const WindowFrame& frame, const int64_t* times, int64_t start, int64_t end, WindowBounds* bounds) {
  int64_t left = start;
  int64_t right = start;
  for (int64_t i = start; i < end; ++i) {
    while (left < i && !BeforeInWindow(frame, times[left], times[i])) ++left;
    if (frame.center) {
      while (right < end && (times[right] < times[i] || AfterInWindow(frame, times[right], times[i]))) ++right;
    } else if (frame.closed_right) {
      right = i + 1;
    } else {
      // Rows of the same time are not before it.
      while (times[right] < times[i]) ++right;
    }
    bounds->begins[i] = left;
    bounds->ends[i] = std::max(left, right);
  }
}

}  // namespace

arrow::Status CheckWindowFrame(const arrow::Schema& input, const WindowFrame& frame) {
  if (frame.kind == WindowKind::kRows && frame.size < 0) {
    return arrow::Status::Invalid("rolling: a window of ", frame.size, " rows; it is 0 or more");
  }
  if (frame.kind != WindowKind::kTime) return arrow::Status::OK();
  if (frame.size <= 0) return arrow::Status::Invalid("rolling: a window by time must be longer than 0");
  if (frame.time < 0 || frame.time >= input.num_fields()) {
    return arrow::Status::Invalid("rolling: time column ", frame.time, " is out of range; the table has ",
                                  input.num_fields(), " columns");
  }
  const auto& field = *input.field(frame.time);
  if (field.type()->id() != Type::TIMESTAMP && field.type()->id() != Type::DURATION) {
    return arrow::Status::TypeError("rolling: column '", field.name(), "' of type ", field.type()->ToString(),
                                    " has no times; a window by time needs a timestamp or a duration");
  }
  return arrow::Status::OK();
}

WindowReach ReachOf(const WindowFrame& frame) {
  const int64_t offset = frame.center || frame.size == 0 ? (frame.size + 1) / 2 - 1 : 0;
  const int64_t before = frame.size - 1 - offset + (frame.closed_left && frame.size < INT64_MAX ? 1 : 0);
  return {std::max<int64_t>(0, before), std::max<int64_t>(0, offset)};
}

bool BeforeInWindow(const WindowFrame& frame, int64_t time, int64_t row_time) {
  return Reaches(frame, Span(time, row_time), frame.closed_left);
}

bool AfterInWindow(const WindowFrame& frame, int64_t time, int64_t row_time) {
  return frame.center && Reaches(frame, Span(row_time, time), frame.closed_right);
}

arrow::Result<PoolArray<int64_t>> WindowTimes(const arrow::Table& table, int column, const Context& context) {
  const auto& times = *table.column(column);
  if (times.null_count() > 0) {
    return arrow::Status::Invalid("rolling: '", table.field(column)->name(),
                                  "' has missing values; windows by time need every row's time");
  }
  ARROW_ASSIGN_OR_RAISE(auto made, PoolArray<int64_t>::Make(times.length(), context.pool));
  int64_t* out = made.data();
  for (const auto& chunk : times.chunks()) {
    const auto* values = chunk->data()->GetValues<int64_t>(1);
    if (chunk->length() > 0) out = std::copy(values, values + chunk->length(), out);
  }
  return made;
}

arrow::Result<WindowBounds> FindWindows(const arrow::Table& table, const WindowFrame& frame,
                                        std::span<const int64_t> starts, const Context& context) {
  ARROW_RETURN_NOT_OK(CheckWindowFrame(*table.schema(), frame));
  WindowBounds bounds;
  const int64_t rows = starts.empty() ? 0 : starts.back();
  ARROW_ASSIGN_OR_RAISE(bounds.begins, PoolArray<int64_t>::Make(rows, context.pool));
  ARROW_ASSIGN_OR_RAISE(bounds.ends, PoolArray<int64_t>::Make(rows, context.pool));
  PoolArray<int64_t> times;
  if (frame.kind == WindowKind::kTime) {
    ARROW_ASSIGN_OR_RAISE(times, WindowTimes(table, frame.time, context));
  }
  for (size_t s = 0; s + 1 < starts.size(); ++s) {
    const int64_t start = starts[s];
    const int64_t end = starts[s + 1];
    if (frame.kind == WindowKind::kRows) {
      WindowsOfRows(frame, start, end, &bounds);
    } else if (frame.kind == WindowKind::kTime) {
      ARROW_RETURN_NOT_OK(Straighten(table, frame, times.data() + start, end - start));
      WindowsOfTimes(frame, times.data(), start, end, &bounds);
    } else {
      for (int64_t i = start; i < end; ++i) {
        bounds.begins[i] = start;
        bounds.ends[i] = i + 1;
      }
    }
  }
  return bounds;
}

}  // namespace weft::kernels
