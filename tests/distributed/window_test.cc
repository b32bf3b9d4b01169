// Windows and exponentially weighted means of all ranks beside those of one.
#include "weft/distributed/window.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "ranks.h"
#include "weft/distributed/ewm.h"

namespace weft::distributed {
namespace {

using kernels::WindowFrame;
using kernels::WindowFunction;
using kernels::WindowKind;
using test::OnRanks;
using test::Share;
using test::TablePtr;
using test::Together;
using test::Worlds;

/// Columns: eighths with nulls, times that rise (or fall), keys.
TablePtr Input(int64_t rows, bool falls = false) {
  std::mt19937_64 random(17);
  arrow::DoubleBuilder values;
  arrow::DurationBuilder times(arrow::duration(arrow::TimeUnit::MILLI), arrow::default_memory_pool());
  arrow::StringBuilder keys;
  int64_t now = 0;
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE((random() % 6 == 0 ? values.AppendNull() : values.Append(static_cast<double>(random() % 64) / 8)).ok());
    now += static_cast<int64_t>(random() % 5) * (falls ? -1 : 1);
    EXPECT_TRUE(times.Append(now).ok());
    EXPECT_TRUE(keys.Append("key " + std::to_string(random() % 9)).ok());
  }
  return arrow::Table::Make(
      arrow::schema({arrow::field("v", arrow::float64()), arrow::field("t", arrow::duration(arrow::TimeUnit::MILLI)),
                     arrow::field("k", arrow::utf8())}),
      {values.Finish().ValueOrDie(), times.Finish().ValueOrDie(), keys.Finish().ValueOrDie()});
}

kernels::WindowOptions OptionsOf(const WindowFrame& frame) {
  kernels::WindowOptions options;
  options.frame = frame;
  for (const auto function :
       {WindowFunction::kMedian, WindowFunction::kSum, WindowFunction::kMin, WindowFunction::kCount,
        WindowFunction::kFirst, WindowFunction::kVar, WindowFunction::kDistinct, WindowFunction::kLast}) {
    options.aggregates.push_back({function, 0, std::to_string(options.aggregates.size())});
  }
  return options;
}

void ExpectClose(const TablePtr& found, const TablePtr& expected) {
  ASSERT_NE(found, nullptr);
  ASSERT_TRUE(found->schema()->Equals(*expected->schema()));
  for (int c = 0; c < expected->num_columns(); ++c) {
    const auto one = arrow::Concatenate(found->column(c)->chunks()).ValueOrDie();
    const auto other = arrow::Concatenate(expected->column(c)->chunks()).ValueOrDie();
    EXPECT_TRUE(one->ApproxEquals(*other, arrow::EqualOptions::Defaults().atol(1e-9))) << "column " << c;
  }
}

TEST(DistributedWindow, IsThatOfOneRankHoweverWide) {
  for (const int64_t rows : {0, 1, 7, 300}) {
    for (const bool falls : {false, true}) {
      const auto input = Input(rows, falls);
      for (const WindowFrame& frame :
           {WindowFrame{.size = 3}, WindowFrame{.size = 121, .center = true}, WindowFrame{.size = int64_t{1} << 62},
            WindowFrame{.size = 2, .closed_left = true}, WindowFrame{.kind = WindowKind::kExpanding},
            WindowFrame{.kind = WindowKind::kTime, .size = 4, .time = 1},
            WindowFrame{.kind = WindowKind::kTime, .size = 301, .center = true, .time = 1},
            WindowFrame{.kind = WindowKind::kTime, .size = 6, .closed_left = true, .closed_right = false, .time = 1}}) {
        const auto options = OptionsOf(frame);
        const auto expected = kernels::Window(input, options, 0, rows, {}, {}).ValueOrDie();
        for (const int world : Worlds()) {
          const auto results = OnRanks(world, [&](Communicator& communicator) {
            return Window(communicator, Share(input, communicator.rank(), world), options, {});
          });
          ExpectClose(Together(results), expected);
        }
      }
    }
  }
}

TEST(DistributedWindow, WithinGroupsIsThatOfOneRank) {
  const auto input = Input(500);
  for (const WindowFrame& frame : {WindowFrame{.size = 5, .center = true}, WindowFrame{.kind = WindowKind::kExpanding},
                                   WindowFrame{.kind = WindowKind::kTime, .size = 50, .time = 1}}) {
    const auto options = OptionsOf(frame);
    const auto expected = kernels::GroupWindow(input, {2}, true, options, {}).ValueOrDie();
    for (const int world : Worlds()) {
      const auto results = OnRanks(world, [&](Communicator& communicator) {
        return GroupWindow(communicator, Share(input, communicator.rank(), world), {2}, true, options, {});
      });
      ExpectClose(Together(results), expected);
    }
  }
}

TEST(DistributedWindow, TimesOutOfOrderBetweenRanksAreEveryRanksError) {
  const auto rising = Input(40);
  const auto mixed = arrow::ConcatenateTables({rising->Slice(20), rising->Slice(0, 20)}).ValueOrDie();
  const auto options = OptionsOf({.kind = WindowKind::kTime, .size = 4, .time = 1});
  for (const auto& result : OnRanks(2, [&](Communicator& communicator) {
         return Window(communicator, mixed->Slice(communicator.rank() * 20, 20), options, {});
       })) {
    ASSERT_TRUE(result.status().IsInvalid()) << result.status().ToString();
    EXPECT_NE(result.status().message().find("'t'"), std::string::npos) << result.status().ToString();
  }
}

TEST(DistributedEwm, IsThatOfOneRank) {
  const auto input = Input(300);
  for (const bool adjust : {false, true}) {
    for (const bool ignore : {false, true}) {
      const kernels::EwmOptions options{{0}, 0.2, adjust, ignore, 2};
      const auto expected = kernels::Ewm(*input, options, {}, {}).ValueOrDie();
      const auto of_groups = kernels::GroupEwm(*input, {2}, true, options, {}).ValueOrDie();
      for (const int world : Worlds()) {
        ExpectClose(Together(OnRanks(world,
                                     [&](Communicator& communicator) {
                                       return Ewm(communicator, Share(input, communicator.rank(), world), options, {});
                                     })),
                    expected);
        ExpectClose(Together(OnRanks(world,
                                     [&](Communicator& communicator) {
                                       return GroupEwm(communicator, Share(input, communicator.rank(), world), {2},
                                                       true, options, {});
                                     })),
                    of_groups);
      }
    }
  }
}

}  // namespace
}  // namespace weft::distributed
