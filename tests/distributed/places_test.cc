// Rows fetched from and sent to their places, ranks of values, the first of an order, samples and duplicates over ranks
// against plain oracles.
#include "weft/distributed/places.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "distributed/ranks.h"
#include "table/random_table.h"
#include "weft/distributed/rank.h"
#include "weft/distributed/sample.h"
#include "weft/distributed/slice.h"
#include "weft/distributed/top.h"
#include "weft/distributed/unique.h"

namespace weft::distributed {
namespace {

test::TablePtr Random(int64_t rows, uint64_t seed) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.seed = seed;
  options.cardinality = 25;
  options.extremes = false;
  return test::RandomTable(test::SchemaOf({arrow::int32(), arrow::utf8(), arrow::list(arrow::int32())}), options);
}

std::shared_ptr<arrow::Array> Int64s(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

std::vector<std::string> Picked(const std::vector<std::string>& rows, const std::vector<int64_t>& numbers) {
  std::vector<std::string> picked;
  for (const int64_t number : numbers) picked.push_back(rows[static_cast<size_t>(number)]);
  return picked;
}

TEST(TakeRows, AnyRowFromAnyRank) {
  const auto table = Random(101, 1);
  const auto rows = test::RowsAsText(*table);
  test::Random random(3);
  for (const int world : test::Worlds()) {
    std::vector<std::vector<int64_t>> wanted(static_cast<size_t>(world));
    std::vector<int64_t> all;
    for (auto& mine : wanted) {
      for (int64_t i = random.Below(40); i > 0; --i) mine.push_back(random.Below(101));
      all.insert(all.end(), mine.begin(), mine.end());
    }
    const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
      const int rank = communicator.rank();
      return TakeRows(communicator, test::Share(table, rank, world), wanted[static_cast<size_t>(rank)], Context{});
    }));
    ASSERT_NE(together, nullptr);
    EXPECT_EQ(test::RowsAsText(*together), Picked(rows, all)) << "world " << world;
  }
}

TEST(TakeRows, ARowThatIsNotThereIsEveryRanksError) {
  const auto table = Random(10, 1);
  for (const auto& result : test::OnRanks(3, [&](Communicator& communicator) {
         const std::vector<int64_t> rows{communicator.rank() == 1 ? int64_t{10} : int64_t{0}};
         return TakeRows(communicator, test::Share(table, communicator.rank(), 3), rows, Context{});
       })) {
    EXPECT_TRUE(result.status().IsIndexError()) << result.status().ToString();
  }
}

TEST(PutRows, EachRowToItsPlace) {
  const auto table = Random(97, 2);
  const auto rows = test::RowsAsText(*table);
  std::vector<int64_t> places(97);
  std::iota(places.begin(), places.end(), int64_t{0});
  test::Random random(5);
  for (int64_t i = 96; i > 0; --i) {
    std::swap(places[static_cast<size_t>(i)], places[static_cast<size_t>(random.Below(i + 1))]);
  }
  std::vector<std::string> expected(97);
  for (size_t i = 0; i < places.size(); ++i) expected[static_cast<size_t>(places[i])] = rows[i];
  const auto numbered =
      table->AddColumn(1, arrow::field("place", arrow::int64()), std::make_shared<arrow::ChunkedArray>(Int64s(places)))
          .ValueOrDie();
  for (const int world : test::Worlds()) {
    const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
      return PutRows(communicator, test::Share(numbered, communicator.rank(), world), 1, EvenEnds(97, world),
                     Context{});
    }));
    ASSERT_NE(together, nullptr);
    EXPECT_EQ(test::RowsAsText(*together), expected) << "world " << world;
  }
}

TEST(RankRows, RunsOverRankBorders) {
  // Few values, so that a run of one spans ranks, and many.
  for (const int64_t values : {1, 2, 7, 1000}) {
    test::Random random(static_cast<uint64_t>(values));
    std::vector<int64_t> numbers;
    for (int i = 0; i < 300; ++i) numbers.push_back(random.Below(values));
    const auto table = arrow::Table::Make(arrow::schema({arrow::field("v", arrow::int64())}), {Int64s(numbers)});
    std::map<int64_t, int64_t> counts;
    for (const int64_t number : numbers) ++counts[number];
    for (const auto method : {kernels::RankMethod::kAverage, kernels::RankMethod::kMin, kernels::RankMethod::kMax,
                              kernels::RankMethod::kFirst, kernels::RankMethod::kDense}) {
      std::vector<double> expected;
      std::map<int64_t, int64_t> seen;
      for (const int64_t number : numbers) {
        int64_t below = 0;
        int64_t distinct = 0;
        for (const auto& [value, count] : counts) {
          if (value >= number) break;
          below += count;
          ++distinct;
        }
        const auto equal = counts[number];
        const auto place = ++seen[number];
        expected.push_back(method == kernels::RankMethod::kAverage ? static_cast<double>(2 * below + equal + 1) / 2
                           : method == kernels::RankMethod::kMin   ? static_cast<double>(below + 1)
                           : method == kernels::RankMethod::kMax   ? static_cast<double>(below + equal)
                           : method == kernels::RankMethod::kFirst ? static_cast<double>(below + place)
                                                                   : static_cast<double>(distinct + 1));
      }
      for (const int world : test::Worlds()) {
        const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) -> test::TableResult {
          const auto share = test::Share(table, communicator.rank(), world);
          ARROW_ASSIGN_OR_RAISE(auto ranks, RankRows(communicator, share, {.method = method}, Context{}));
          EXPECT_EQ(ranks->length(), share->num_rows());
          return arrow::Table::Make(arrow::schema({arrow::field("rank", arrow::float64())}), arrow::ArrayVector{ranks});
        }));
        ASSERT_NE(together, nullptr);
        std::vector<double> found;
        for (const auto& chunk : together->column(0)->chunks()) {
          const auto& doubles = static_cast<const arrow::DoubleArray&>(*chunk);
          for (int64_t i = 0; i < doubles.length(); ++i) found.push_back(doubles.Value(i));
        }
        EXPECT_EQ(found, expected) << "world " << world << " values " << values;
      }
    }
  }
}

TEST(DistributedTop, TheFirstOfAStableSort) {
  const auto table = Random(400, 4);
  for (const int64_t count : {0, 1, 20, 399, 1000}) {
    for (const auto ties : {kernels::Ties::kFirst, kernels::Ties::kAll}) {
      kernels::TopOptions options;
      options.order.keys = {{0, false}};
      options.rows = count;
      options.ties = ties;
      const auto sorted = kernels::Sort(table, options.order, Context{}).ValueOrDie();
      const auto rows = test::RowsAsText(*sorted);
      const auto keys = test::RowsAsText(*sorted->SelectColumns({0}).ValueOrDie());
      size_t end = std::min(rows.size(), static_cast<size_t>(count));
      while (ties == kernels::Ties::kAll && end > 0 && end < rows.size() && keys[end] == keys[end - 1]) ++end;
      const std::vector<std::string> expected(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(end));
      for (const int world : test::Worlds()) {
        const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
          return Top(communicator, test::Share(table, communicator.rank(), world), options, Context{});
        }));
        ASSERT_NE(together, nullptr);
        EXPECT_EQ(test::RowsAsText(*together), expected) << "world " << world << " count " << count;
      }
    }
  }
}

TEST(DistributedSample, TheSameForEveryWorld) {
  const auto table = Random(90, 6);
  for (const bool replace : {false, true}) {
    const SampleOptions options{.rows = 60, .replace = replace, .seed = 11};
    const auto expected = test::RowsAsText(*Sample(table, options, Context{}).ValueOrDie());
    EXPECT_EQ(expected.size(), 60U);
    for (const int world : test::Worlds()) {
      const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
        return Sample(communicator, test::Share(table, communicator.rank(), world), options, Context{});
      }));
      ASSERT_NE(together, nullptr);
      EXPECT_EQ(test::RowsAsText(*together), expected) << "world " << world;
    }
  }
}

TEST(DistributedUnique, KeepsFirstLastOrNoneInPlace) {
  const auto table = Random(500, 8);
  const auto rows = test::RowsAsText(*table);
  const auto keys = test::RowsAsText(*table->SelectColumns({0, 1}).ValueOrDie());
  std::map<std::string, std::vector<size_t>> places;
  for (size_t i = 0; i < keys.size(); ++i) places[keys[i]].push_back(i);
  for (const auto keep : {kernels::Keep::kFirst, kernels::Keep::kLast, kernels::Keep::kNone}) {
    std::vector<std::string> expected;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& same = places[keys[i]];
      const bool kept = keep == kernels::Keep::kFirst  ? same.front() == i
                        : keep == kernels::Keep::kLast ? same.back() == i
                                                       : same.size() == 1;
      if (kept) expected.push_back(rows[i]);
    }
    kernels::UniqueOptions options;
    options.columns = {0, 1};
    options.keep = keep;
    options.maintain_order = true;
    for (const int world : test::Worlds()) {
      const auto together = test::Together(test::OnRanks(world, [&](Communicator& communicator) {
        return Unique(communicator, test::Share(table, communicator.rank(), world), options, Context{});
      }));
      ASSERT_NE(together, nullptr);
      EXPECT_EQ(test::RowsAsText(*together), expected) << "world " << world;
    }
  }
}

}  // namespace
}  // namespace weft::distributed
