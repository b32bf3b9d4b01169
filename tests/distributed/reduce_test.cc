// Reductions, quantiles, scans, shifts and co-moments of all ranks beside those of one.
#include "weft/distributed/reduce.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "ranks.h"
#include "weft/distributed/comoments.h"
#include "weft/distributed/inversions.h"
#include "weft/distributed/quantile.h"
#include "weft/distributed/scan.h"
#include "weft/distributed/shift.h"

namespace weft::distributed {
namespace {

using test::OnRanks;
using test::Share;
using test::TablePtr;
using test::TableResult;
using test::Together;
using test::Worlds;

/// Columns: integers, doubles with nulls and NaN, text.
TablePtr Input(int64_t rows) {
  std::mt19937_64 random(11);
  arrow::Int64Builder whole;
  arrow::DoubleBuilder real;
  arrow::StringBuilder text;
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE(whole.Append(static_cast<int64_t>(random() % 1000) - 500).ok());
    EXPECT_TRUE((random() % 9 == 0 ? real.AppendNull() : real.Append(static_cast<double>(random() % 4096) / 8)).ok());
    EXPECT_TRUE(text.Append("text " + std::to_string(random() % 50)).ok());
  }
  return arrow::Table::Make(arrow::schema({arrow::field("i", arrow::int64()), arrow::field("d", arrow::float64()),
                                           arrow::field("s", arrow::utf8())}),
                            {whole.Finish().ValueOrDie(), real.Finish().ValueOrDie(), text.Finish().ValueOrDie()});
}

TEST(DistributedReduce, IsThatOfOneRankAndTheSameOnAll) {
  using enum kernels::ReduceFunction;
  const auto input = Input(5'000);
  kernels::ReduceOptions options;
  for (const auto function : {kCount, kSum, kMean, kMin, kMax, kAny, kAll, kArgMin, kArgMax}) {
    options.reductions.push_back({function, 0});
    options.reductions.push_back({function, 1});
  }
  options.reductions.push_back({kMin, 2});
  options.reductions.push_back({kArgMax, 2});
  const auto expected = kernels::Reduce(input, options, {}).ValueOrDie();
  for (const int world : Worlds()) {
    const auto results = OnRanks(world, [&](Communicator& communicator) {
      return Reduce(communicator, Share(input, communicator.rank(), world), options, {});
    });
    for (const auto& result : results) {
      ASSERT_TRUE(result.ok()) << result.status().ToString();
      // Eighths of small numbers: their sums are exact in any order.
      EXPECT_TRUE((*result)->Equals(*expected)) << (*result)->ToString() << expected->ToString();
    }
  }
}

TEST(DistributedReduce, HasOneErrorOnAllRanks) {
  const auto input = Input(10);
  kernels::ReduceOptions options;
  options.reductions = {{kernels::ReduceFunction::kSum, 2}};
  for (const auto& result : OnRanks(3, [&](Communicator& communicator) {
         return Reduce(communicator, Share(input, communicator.rank(), 3), options, {});
       })) {
    EXPECT_TRUE(result.status().IsTypeError()) << result.status().ToString();
  }
}

TEST(DistributedReduce, SumsOfDecimalsBeyondTheirBitsAreErrors) {
  // Each rank's own sum is right, and that of all passes 2^255.
  const auto type = arrow::decimal256(76, 0);
  arrow::Decimal256Builder builder(type);
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(builder.Append(arrow::Decimal256(arrow::Decimal256::GetMaxValue(76))).ok());
  const auto input = arrow::Table::Make(arrow::schema({arrow::field("d", type)}), {*builder.Finish()});
  for (const auto function : {kernels::ReduceFunction::kSum, kernels::ReduceFunction::kMean}) {
    kernels::ReduceOptions options;
    options.reductions = {{function, 0}};
    for (const int world : {1, 3}) {
      for (const auto& result : OnRanks(world, [&](Communicator& communicator) {
             return Reduce(communicator, Share(input, communicator.rank(), world), options, {});
           })) {
        EXPECT_TRUE(result.status().IsInvalid()) << result.status().ToString();
      }
    }
  }
}

TEST(DistributedQuantile, IsThatOfOneRank) {
  const auto input = Input(20'000);
  kernels::QuantileOptions options;
  options.columns = {0, 1};
  options.quantiles = {0, 0.1, 0.5, 0.999, 1};
  const auto expected = kernels::Quantile(input, options, kernels::SelectAlone(), {}).ValueOrDie();
  for (const int world : Worlds()) {
    for (const auto& result : OnRanks(world, [&](Communicator& communicator) {
           return Quantile(communicator, Share(input, communicator.rank(), world), options, {});
         })) {
      ASSERT_TRUE(result.ok()) << result.status().ToString();
      EXPECT_TRUE((*result)->Equals(*expected));
    }
  }
}

TEST(DistributedScan, GoesOnAcrossBorders) {
  const auto input = Input(999);
  for (const auto function : {kernels::ScanFunction::kSum, kernels::ScanFunction::kMin, kernels::ScanFunction::kMax}) {
    for (const bool skip : {true, false}) {
      kernels::ScanOptions options{function, {0, 1}, skip};
      if (function == kernels::ScanFunction::kMax) options.columns.push_back(2);
      const auto expected = kernels::Scan(input, nullptr, options, {}).ValueOrDie();
      for (const int world : Worlds()) {
        const auto whole = Together(OnRanks(world, [&](Communicator& communicator) {
          return Scan(communicator, Share(input, communicator.rank(), world), options, {});
        }));
        ASSERT_NE(whole, nullptr);
        EXPECT_TRUE(whole->Equals(*expected));
      }
    }
  }
}

TEST(DistributedShift, MovesRowsAcrossBordersAndPastWholeRanks) {
  const auto input = Input(40);
  arrow::ArrayVector nulls;
  for (const auto& field : input->schema()->fields()) {
    nulls.push_back(arrow::MakeArrayOfNull(field->type(), 1).ValueOrDie());
  }
  const auto fill = arrow::Table::Make(input->schema(), nulls);
  for (const int64_t periods : {1, -1, 0, 7, -13, 39, 40, -41, 100'000}) {
    const auto expected = ShiftLocal(input, periods, fill, {}).ValueOrDie();
    for (int64_t row = 0; row < 40; ++row) {
      const int64_t from = row - periods;
      const auto found = expected->column(0)->GetScalar(row).ValueOrDie();
      ASSERT_EQ(found->is_valid, from >= 0 && from < 40);
      if (!found->is_valid) continue;
      EXPECT_TRUE(found->Equals(*input->column(0)->GetScalar(from).ValueOrDie()));
    }
    for (const int world : Worlds()) {
      const auto whole = Together(OnRanks(world, [&](Communicator& communicator) -> TableResult {
        const auto share = Share(input, communicator.rank(), world);
        ARROW_ASSIGN_OR_RAISE(auto made, Shift(communicator, share, periods, fill, {}));
        EXPECT_EQ(made->num_rows(), share->num_rows());
        return made;
      }));
      ASSERT_NE(whole, nullptr);
      EXPECT_TRUE(whole->Equals(*expected)) << periods << " on " << world;
    }
  }
}

TEST(DistributedPairMoments, AreThoseOfOneRank) {
  const auto input = Input(3'000);
  const std::vector<int> columns{0, 1};
  const auto expected = kernels::PairMoments(*input, columns, {}).ValueOrDie();
  for (const int world : {2, 5}) {
    const auto results = OnRanks(world, [&](Communicator& communicator) -> TableResult {
      ARROW_ASSIGN_OR_RAISE(const auto found,
                            PairMoments(communicator, *Share(input, communicator.rank(), world), columns, {}));
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].count, expected[i].count);
        EXPECT_NEAR(found[i].Covariance(1) / expected[i].Covariance(1), 1, 1e-10);
      }
      return input;
    });
    for (const auto& result : results) EXPECT_TRUE(result.ok()) << result.status().ToString();
  }
}

TEST(DistributedInversions, AreThoseOfAllPairs) {
  std::mt19937_64 random(3);
  std::vector<double> values;
  arrow::DoubleBuilder builder;
  for (int i = 0; i < 700; ++i) {
    values.push_back(static_cast<double>(random() % 60) / 4);
    ASSERT_TRUE(builder.Append(values.back()).ok());
  }
  int64_t expected = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = i + 1; j < values.size(); ++j) expected += values[i] > values[j] ? 1 : 0;
  }
  const auto input =
      arrow::Table::Make(arrow::schema({arrow::field("v", arrow::float64())}), {builder.Finish().ValueOrDie()});
  for (const int world : Worlds()) {
    const auto results = OnRanks(world, [&](Communicator& communicator) -> TableResult {
      const auto mine = Share(input, communicator.rank(), world);
      ARROW_ASSIGN_OR_RAISE(const int64_t found, CountInversions(communicator, mine->column(0), {}));
      EXPECT_EQ(found, expected) << world << " ranks";
      return mine;
    });
    for (const auto& result : results) EXPECT_TRUE(result.ok()) << result.status().ToString();
  }
}

}  // namespace
}  // namespace weft::distributed
