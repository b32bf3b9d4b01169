// Windows beside loops over each window's rows.
#include "weft/kernels/window.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "weft/kernels/ewm.h"

namespace weft::kernels {
namespace {

using Cells = std::vector<std::optional<double>>;
using TablePtr = std::shared_ptr<arrow::Table>;

/// Columns: doubles with nulls in chunks, times that rise with equal ones among them, keys of seven groups.
struct Input {
  Cells values;
  std::vector<int64_t> times;
  std::vector<int64_t> keys;
  TablePtr table;
};

Input MakeInput(int64_t rows) {
  std::mt19937_64 random(3);
  Input input;
  arrow::ArrayVector chunks;
  arrow::DoubleBuilder values;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::SECOND), arrow::default_memory_pool());
  arrow::Int64Builder keys;
  int64_t now = 100;
  for (int64_t i = 0; i < rows; ++i) {
    const bool missing = random() % 7 == 0;
    input.values.push_back(missing ? std::nullopt : std::optional<double>(static_cast<double>(random() % 64) / 4 - 8));
    EXPECT_TRUE((missing ? values.AppendNull() : values.Append(*input.values.back())).ok());
    now += static_cast<int64_t>(random() % 4);
    input.times.push_back(now);
    EXPECT_TRUE(times.Append(now).ok());
    input.keys.push_back(static_cast<int64_t>(random() % 7));
    EXPECT_TRUE(keys.Append(input.keys.back()).ok());
    if (i % 701 == 700) chunks.push_back(values.Finish().ValueOrDie());
  }
  chunks.push_back(values.Finish().ValueOrDie());
  input.table = arrow::Table::Make(
      arrow::schema({arrow::field("v", arrow::float64()), arrow::field("t", arrow::timestamp(arrow::TimeUnit::SECOND)),
                     arrow::field("k", arrow::int64())}),
      {std::make_shared<arrow::ChunkedArray>(chunks),
       std::make_shared<arrow::ChunkedArray>(times.Finish().ValueOrDie()),
       std::make_shared<arrow::ChunkedArray>(keys.Finish().ValueOrDie())});
  return input;
}

/// What a function makes of a window's values, all of its rows there.
std::optional<double> Of(WindowFunction function, const Cells& window) {
  std::vector<double> there;
  for (const auto& value : window) {
    if (value) there.push_back(*value);
  }
  const auto n = static_cast<double>(there.size());
  double sum = 0;
  for (const double value : there) sum += value;
  switch (function) {
    case WindowFunction::kCount:
      return n;
    case WindowFunction::kSum:
      return sum;
    case WindowFunction::kFirst:
      return there.empty() ? std::nullopt : std::optional<double>(there.front());
    case WindowFunction::kLast:
      return there.empty() ? std::nullopt : std::optional<double>(there.back());
    case WindowFunction::kDistinct: {
      std::sort(there.begin(), there.end());
      return static_cast<double>(std::unique(there.begin(), there.end()) - there.begin());
    }
    default:
      break;
  }
  if (there.empty()) return std::nullopt;
  if (function == WindowFunction::kMean) return sum / n;
  if (function == WindowFunction::kMin) return *std::min_element(there.begin(), there.end());
  if (function == WindowFunction::kMax) return *std::max_element(there.begin(), there.end());
  if (function == WindowFunction::kMedian) {
    std::sort(there.begin(), there.end());
    const size_t half = there.size() / 2;
    return there.size() % 2 == 1 ? there[half] : (there[half - 1] + there[half]) / 2;
  }
  if (there.size() < 2) return std::nullopt;
  double squares = 0;
  for (const double value : there) squares += (value - sum / n) * (value - sum / n);
  return squares / (n - 1);
}

const std::vector<WindowFunction>& Functions() {
  static const std::vector<WindowFunction> all{
      WindowFunction::kCount, WindowFunction::kSum,   WindowFunction::kMean,   WindowFunction::kMin,
      WindowFunction::kMax,   WindowFunction::kFirst, WindowFunction::kMedian, WindowFunction::kDistinct,
      WindowFunction::kVar,   WindowFunction::kLast};
  return all;
}

WindowOptions OptionsOf(const WindowFrame& frame, int64_t min_periods) {
  WindowOptions options;
  options.frame = frame;
  options.min_periods = min_periods;
  for (const auto function : Functions()) {
    options.aggregates.push_back({function, 0, std::to_string(options.aggregates.size())});
  }
  return options;
}

/// `windows(row)`: the rows of its window.
void ExpectWindows(const TablePtr& found, const Input& input, int64_t min_periods,
                   const std::function<std::vector<int64_t>(int64_t)>& windows) {
  for (size_t f = 0; f < Functions().size(); ++f) {
    const auto combined = arrow::Concatenate(found->column(static_cast<int>(f))->chunks()).ValueOrDie();
    const auto& column = static_cast<const arrow::DoubleArray&>(*combined);
    ASSERT_EQ(column.length(), static_cast<int64_t>(input.values.size()));
    for (int64_t row = 0; row < column.length(); ++row) {
      Cells window;
      int64_t there = 0;
      for (const int64_t i : windows(row)) {
        window.push_back(input.values[static_cast<size_t>(i)]);
        there += window.back() ? 1 : 0;
      }
      const bool enough =
          (Functions()[f] == WindowFunction::kCount ? static_cast<int64_t>(window.size()) : there) >= min_periods;
      const auto expected = enough ? Of(Functions()[f], window) : std::nullopt;
      ASSERT_EQ(column.IsValid(row), expected.has_value()) << "function " << f << ", row " << row;
      if (!expected) continue;
      ASSERT_NEAR(column.Value(row), *expected, 1e-9) << "function " << f << ", row " << row;
    }
  }
}

std::vector<int64_t> RowsBetween(int64_t begin, int64_t end, int64_t rows) {
  std::vector<int64_t> made;
  for (int64_t i = std::max<int64_t>(0, begin); i < std::min(end, rows); ++i) made.push_back(i);
  return made;
}

TEST(Window, OfRows) {
  const int64_t rows = 2'000;
  const Input input = MakeInput(rows);
  for (const int64_t size : {0, 1, 2, 5, 64, 5'000}) {
    for (const bool center : {false, true}) {
      const WindowFrame frame{.size = size, .center = center};
      const auto found = Window(input.table, OptionsOf(frame, 1), 0, rows, {}, {}).ValueOrDie();
      ASSERT_TRUE(found->ValidateFull().ok());
      const int64_t ahead = center ? (size - 1) / 2 : 0;
      if (size > 100) continue;
      ExpectWindows(found, input, 1, [&](int64_t row) {
        return size == 0 ? std::vector<int64_t>() : RowsBetween(row + 1 + ahead - size, row + 1 + ahead, rows);
      });
    }
  }
}

TEST(Window, OfTimesBothEndsOpenAndClosed) {
  const int64_t rows = 1'500;
  const Input input = MakeInput(rows);
  for (const bool left : {false, true}) {
    for (const bool right : {false, true}) {
      for (const bool center : {false, true}) {
        WindowFrame frame{.kind = WindowKind::kTime,
                          .size = 9,
                          .center = center,
                          .closed_left = left,
                          .closed_right = right,
                          .time = 1};
        const auto found = Window(input.table, OptionsOf(frame, 2), 0, rows, {}, {}).ValueOrDie();
        ExpectWindows(found, input, 2, [&](int64_t row) {
          std::vector<int64_t> made;
          const int64_t now = input.times[static_cast<size_t>(row)];
          for (int64_t i = 0; i < rows; ++i) {
            const int64_t away = input.times[static_cast<size_t>(i)] - now;
            const int64_t before = -away * (center ? 2 : 1);
            const int64_t after = away * (center ? 2 : 1);
            if (before > 9 || (before == 9 && !left)) continue;
            if (center ? after > 9 || (after == 9 && !right) : (right ? i > row : away >= 0)) continue;
            made.push_back(i);
          }
          return made;
        });
      }
    }
  }
}

TEST(Window, ExpandsAndIsTheSameForManyThreads) {
  const int64_t rows = 200'000;
  const Input input = MakeInput(rows);
  Context many;
  many.threads = 4;
  for (const WindowFrame& frame : {WindowFrame{.size = 50}, WindowFrame{.kind = WindowKind::kExpanding},
                                   WindowFrame{.kind = WindowKind::kTime, .size = 100, .center = true, .time = 1}}) {
    const auto one = Window(input.table, OptionsOf(frame, 1), 0, rows, {}, {}).ValueOrDie();
    EXPECT_TRUE(one->Equals(*Window(input.table, OptionsOf(frame, 1), 0, rows, {}, many).ValueOrDie()));
  }
  const Input few = MakeInput(300);
  const auto expanding = Window(few.table, OptionsOf({.kind = WindowKind::kExpanding}, 3), 0, 300, {}, {}).ValueOrDie();
  ExpectWindows(expanding, few, 3, [](int64_t row) { return RowsBetween(0, row + 1, row + 1); });
}

TEST(Window, WithinGroups) {
  const int64_t rows = 700;
  const Input input = MakeInput(rows);
  const auto found = GroupWindow(input.table, {2}, true, OptionsOf({.size = 4}, 1), {}).ValueOrDie();
  ExpectWindows(found, input, 1, [&](int64_t row) {
    std::vector<int64_t> made;
    for (int64_t i = row; i >= 0 && made.size() < 4; --i) {
      if (input.keys[static_cast<size_t>(i)] == input.keys[static_cast<size_t>(row)]) made.insert(made.begin(), i);
    }
    return made;
  });
}

TEST(Window, ForgetsWhatHasLeft) {
  arrow::DoubleBuilder values;
  for (const double value : {1e300, 1.0, 2.0, 4.0, 8.0}) EXPECT_TRUE(values.Append(value).ok());
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("v", arrow::float64())}), {values.Finish().ValueOrDie()});
  WindowOptions options;
  options.frame.size = 2;
  options.min_periods = 2;
  options.aggregates = {{WindowFunction::kSum, 0, "sum"}, {WindowFunction::kVar, 0, "var"}};
  const auto found = Window(table, options, 0, 5, {}, {}).ValueOrDie();
  const auto& sums = static_cast<const arrow::DoubleArray&>(*found->column(0)->chunk(0));
  const auto& variances = static_cast<const arrow::DoubleArray&>(*found->column(1)->chunk(0));
  EXPECT_EQ(sums.Value(2), 3.0);
  EXPECT_EQ(sums.Value(4), 12.0);
  EXPECT_EQ(variances.Value(2), 0.5);
  EXPECT_EQ(variances.Value(4), 8.0);
}

TEST(Window, RefusesWhatIsNoNumberAndTimesOutOfOrder) {
  arrow::StringBuilder texts;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::SECOND), arrow::default_memory_pool());
  for (const int64_t time : {1, 3, 2}) {
    EXPECT_TRUE(texts.Append("x").ok());
    EXPECT_TRUE(times.Append(time).ok());
  }
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("s", arrow::utf8()), arrow::field("t", arrow::timestamp(arrow::TimeUnit::SECOND))}),
      {texts.Finish().ValueOrDie(), times.Finish().ValueOrDie()});
  WindowOptions options;
  options.frame.size = 2;
  options.aggregates = {{WindowFunction::kSum, 0, "sum"}};
  EXPECT_TRUE(Window(table, options, 0, 3, {}, {}).status().IsTypeError());
  options.aggregates = {{WindowFunction::kCount, 0, "count"}};
  EXPECT_TRUE(Window(table, options, 0, 3, {}, {}).ok());
  options.frame = {.kind = WindowKind::kTime, .size = 2, .time = 1};
  EXPECT_TRUE(Window(table, options, 0, 3, {}, {}).status().IsInvalid());
  options.frame.time = 0;
  EXPECT_TRUE(Window(table, options, 0, 3, {}, {}).status().IsTypeError());
  options.frame = {.size = -1};
  EXPECT_TRUE(Window(table, options, 0, 3, {}, {}).status().IsInvalid());
}

TEST(Ewm, SpansPutTogetherAreTheWhole) {
  const Input input = MakeInput(600);
  for (const bool adjust : {true, false}) {
    for (const bool ignore : {true, false}) {
      const EwmOptions options{{0}, 0.3, adjust, ignore, 1};
      const auto whole = Ewm(*input.table, options, {}, {}).ValueOrDie();
      for (const int64_t cut : {0, 1, 17, 400, 600}) {
        const auto span = SpansOfEwm(*input.table->Slice(0, cut), options, {}).ValueOrDie();
        const std::vector<EwmState> before{Advance({}, span[0], options)};
        const auto rest = Ewm(*input.table->Slice(cut), options, before, {}).ValueOrDie();
        EXPECT_TRUE(arrow::Concatenate(rest->column(0)->chunks())
                        .ValueOrDie()
                        ->ApproxEquals(*whole->column(0)->chunk(0)->Slice(cut)));
      }
      // Halves: a span that goes on behind another.
      const auto first = SpansOfEwm(*input.table->Slice(0, 200), options, {}).ValueOrDie();
      const auto second = SpansOfEwm(*input.table->Slice(200, 200), options, {}).ValueOrDie();
      const auto both = SpansOfEwm(*input.table->Slice(0, 400), options, {}).ValueOrDie();
      const EwmState steps = Advance(Advance({}, first[0], options), second[0], options);
      const EwmState once = Advance({}, both[0], options);
      EXPECT_EQ(steps.count, once.count);
      EXPECT_NEAR(steps.mean, once.mean, 1e-12);
      EXPECT_NEAR(steps.weight, once.weight, 1e-12);
    }
  }
}

}  // namespace
}  // namespace weft::kernels
