// What operators claim of where rows lie is true, and operators that go by it give the rows that others do.
#include "weft/distributed/placement.h"
#include "weft/base/choice.h"

#include "distributed/ranks.h"
#include "table/random_table.h"
#include "weft/distributed/group_transform.h"
#include "weft/distributed/groupby.h"
#include "weft/distributed/join.h"
#include "weft/distributed/key_filter.h"
#include "weft/distributed/unique.h"
#include "weft/kernels/gather.h"
#include "weft/table/hash.h"

namespace weft::distributed {
namespace {

using kernels::JoinAlgorithm;
using kernels::JoinOptions;
using kernels::JoinType;
using test::TablePtr;

TablePtr Side(const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows, uint64_t seed,
              int64_t cardinality = 150) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.seed = seed;
  options.cardinality = cardinality;
  // With more of them the null key is heavy, whose rows are dealt out.
  options.null_share = 0.01;
  return test::RandomTable(test::SchemaOf(types), options);
}

JoinOptions Keys(std::vector<int> left, std::vector<int> right, JoinType type = JoinType::kInner) {
  JoinOptions options;
  options.left_keys = std::move(left);
  options.right_keys = std::move(right);
  options.type = type;
  options.algorithm = JoinAlgorithm::kHash;
  options.nan_is_null = true;
  return options;
}

/// Whether each row lies where the claim says, by every choice of columns for the places of the hash.
arrow::Status CheckClaim(const Communicator& communicator, const arrow::Table& table, const Placement& lies) {
  size_t most = 0;
  for (const auto& place : lies.columns()) most = std::max(most, place.size());
  for (size_t turn = 0; turn < most; ++turn) {
    std::vector<int> columns;
    for (const auto& place : lies.columns()) columns.push_back(place[turn % place.size()]);
    std::vector<uint64_t> hashes(static_cast<size_t>(table.num_rows()));
    ARROW_RETURN_NOT_OK(table::HashRows(table, columns, {.nan_is_null = true}, Context(), hashes.data()));
    for (const uint64_t hash : hashes) {
      const auto owner = table::RankOfHash(hash, static_cast<uint32_t>(communicator.world_size()));
      if (owner != static_cast<uint32_t>(communicator.rank())) {
        return arrow::Status::Invalid("a row of rank ", owner, " lies on rank ", communicator.rank());
      }
    }
  }
  return arrow::Status::OK();
}

int64_t Times(const Tracer& tracer, const std::string& choice) {
  const auto totals = tracer.totals();
  const auto found = totals.find(std::string(kChoicePrefix) + choice);
  return found == totals.end() ? 0 : found->second.count;
}

TEST(Placement, IsKnownByTheColumnsThatHoldTheKeys) {
  const auto results = test::OnRanks(3, [&](Communicator& communicator) -> test::TableResult {
    const Placement lies(communicator, {2, 0}, true);
    EXPECT_EQ(lies.KeyOrder(communicator, {0, 2}, true), (std::vector<int>{1, 0}));
    EXPECT_EQ(lies.KeyOrder(communicator, {1, 2, 0}, true), (std::vector<int>{1, 2}));
    EXPECT_TRUE(lies.KeyOrder(communicator, {2}, true).empty());
    EXPECT_TRUE(lies.KeyOrder(communicator, {2, 0}, false).empty());
    EXPECT_TRUE(Placement().KeyOrder(communicator, {2, 0}, true).empty());
    const auto table = Side({arrow::int64(), arrow::int32(), arrow::utf8()}, 4, 1);
    EXPECT_EQ(lies.CarriedTo(*table, **table->SelectColumns({2, 0, 2})).columns(),
              (std::vector<std::vector<int>>{{0, 2}, {1}}));
    EXPECT_FALSE(lies.CarriedTo(*table, **table->SelectColumns({1, 2})).known());
    // One rank alone knows less.
    const auto mine = communicator.rank() == 1 ? Placement() : lies;
    ARROW_ASSIGN_OR_RAISE(const bool together, Together(communicator, &mine, {0, 2}, true));
    EXPECT_FALSE(together);
    ARROW_ASSIGN_OR_RAISE(const bool all, Together(communicator, &lies, {0, 2}, true));
    EXPECT_TRUE(all);
    return table;
  });
  test::Together(results);
}

TEST(Placement, JoinsOfEveryTypeTellTheTruth) {
  const auto left = Side({arrow::int64(), arrow::utf8(), arrow::float64()}, 300, 1);
  const auto right = Side({arrow::float64(), arrow::int64(), arrow::utf8()}, 200, 2);
  for (const auto algorithm : {JoinAlgorithm::kHash, JoinAlgorithm::kAuto, JoinAlgorithm::kBroadcast}) {
    for (const auto type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kOuter, JoinType::kLeftSemi,
                            JoinType::kLeftAnti}) {
      if (type == JoinType::kOuter && algorithm == JoinAlgorithm::kBroadcast) continue;
      auto options = Keys({0, 2}, {1, 0}, type);
      options.algorithm = algorithm;
      for (const int world : {2, 3, 8}) {
        const auto results = test::OnRanks(world, [&](Communicator& communicator) -> test::TableResult {
          const int rank = communicator.rank();
          JoinPlacement lies;
          ARROW_ASSIGN_OR_RAISE(auto joined, Join(communicator, test::Share(left, rank, world),
                                                  test::Share(right, rank, world), options, Context(), &lies));
          ARROW_RETURN_NOT_OK(CheckClaim(communicator, *joined, lies.result));
          // Keys of other names stand apart, so that an outer join has no column with all of them.
          if (algorithm == JoinAlgorithm::kHash) {
            EXPECT_EQ(lies.result.known(), type != JoinType::kOuter);
          }
          return joined;
        });
        const auto together = test::Together(results);
        ASSERT_NE(together, nullptr);
        const auto expected = kernels::Join(left, right, options, Context());
        EXPECT_EQ(test::SortedRows(*together), test::SortedRows(**expected));
      }
    }
  }
}

/// A join, then others and a group-by of what it left.
TEST(Placement, WhatFollowsAJoinMovesLess) {
  const auto left = Side({arrow::int64(), arrow::utf8()}, 400, 1);
  const auto middle = Side({arrow::int64(), arrow::int32()}, 300, 2);
  const auto right = Side({arrow::int64(), arrow::float64()}, 250, 3);
  const auto first = Keys({0}, {0}, JoinType::kOuter);
  const Context plain;
  const auto expected_first = *kernels::Join(left, middle, first, plain);
  for (const auto type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kOuter, JoinType::kLeftSemi,
                          JoinType::kLeftAnti}) {
    const auto second = Keys({0}, {0}, type);
    const auto expected = *kernels::Join(expected_first, right, second, plain);
    kernels::GroupByOptions grouping;
    grouping.keys = {0, 1};
    grouping.aggregations = {{.function = kernels::AggregateFunction::kSize, .name = "n"},
                             {.function = kernels::AggregateFunction::kNunique, .column = 2, .name = "u"}};
    grouping.nan_is_null = true;
    grouping.sort = false;
    const auto expected_groups = *kernels::GroupBy(expected, grouping, plain);
    auto combined = grouping;
    combined.aggregations.pop_back();
    const auto expected_combined = *kernels::GroupBy(expected, combined, plain);
    for (const int world : {2, 3, 4, 5, 8}) {
      Tracer tracer(false);
      Context context;
      context.tracer = &tracer;
      std::vector<TablePtr> groups(static_cast<size_t>(world));
      std::vector<TablePtr> counts(static_cast<size_t>(world));
      const auto results = test::OnRanks(world, [&](Communicator& communicator) -> test::TableResult {
        const auto rank = static_cast<size_t>(communicator.rank());
        const auto share = [&](const TablePtr& table) { return test::Share(table, communicator.rank(), world); };
        JoinPlacement one;
        ARROW_ASSIGN_OR_RAISE(auto made, Join(communicator, share(left), share(middle), first, context, &one));
        JoinPlacement two{one.result, {}, {}};
        ARROW_ASSIGN_OR_RAISE(made, Join(communicator, made, share(right), second, context, &two));
        ARROW_RETURN_NOT_OK(CheckClaim(communicator, *made, two.result));
        EXPECT_TRUE(two.result.known());
        JoinPlacement three{two.result, two.result, {}};
        auto again = Keys({0}, {0}, JoinType::kLeftSemi);
        ARROW_ASSIGN_OR_RAISE(const auto same, Join(communicator, made, made, again, context, &three));
        if (type == JoinType::kInner) {
          EXPECT_EQ(same->num_rows(), made->num_rows());
        }
        Placement lies = two.result;
        ARROW_ASSIGN_OR_RAISE(groups[rank], GroupBy(communicator, made, grouping, context, &lies));
        ARROW_RETURN_NOT_OK(CheckClaim(communicator, *groups[rank], lies));
        EXPECT_TRUE(lies.known());
        lies = two.result;
        ARROW_ASSIGN_OR_RAISE(counts[rank], GroupBy(communicator, made, combined, context, &lies));
        ARROW_RETURN_NOT_OK(CheckClaim(communicator, *counts[rank], lies));
        return made;
      });
      const auto together = test::Together(results);
      ASSERT_NE(together, nullptr);
      EXPECT_EQ(test::SortedRows(*together), test::SortedRows(*expected));
      EXPECT_EQ(test::SortedRows(*arrow::ConcatenateTables(groups).ValueOrDie()), test::SortedRows(*expected_groups));
      EXPECT_EQ(test::SortedRows(*arrow::ConcatenateTables(counts).ValueOrDie()), test::SortedRows(*expected_combined));
      EXPECT_EQ(Times(tracer, "join.shuffle"), world);
      EXPECT_EQ(Times(tracer, "join.shuffle_one"), world);
      // Of the few rows that an anti join leaves, one key may have many.
      EXPECT_EQ(Times(tracer, "join.in_place") + Times(tracer, "join.spread"), world);
      if (type == JoinType::kInner) {
        EXPECT_EQ(Times(tracer, "join.in_place"), world);
      }
      EXPECT_EQ(Times(tracer, "groupby.in_place"), 2 * world);
      EXPECT_EQ(Times(tracer, "groupby.shuffle") + Times(tracer, "groupby.combine"), 0);
    }
  }
}

TEST(Placement, GroupsDuplicatesAndTransformsStay) {
  const auto table = Side({arrow::utf8(), arrow::int64(), arrow::int64()}, 500, 7, 25);
  const Context plain;
  kernels::UniqueOptions pairs{.columns = {0, 1}, .nan_is_null = true};
  kernels::UniqueOptions firsts{.columns = {0}, .nan_is_null = true, .maintain_order = true};
  kernels::GroupTransformOptions counting;
  counting.keys = {0};
  counting.transforms.resize(1);
  counting.transforms[0].function = kernels::TransformFunction::kCumCount;
  counting.transforms[0].name = "n";
  counting.nan_is_null = true;
  for (const int world : {2, 3, 5}) {
    Tracer tracer(false);
    Context context;
    context.tracer = &tracer;
    const auto results = test::OnRanks(world, [&](Communicator& communicator) -> test::TableResult {
      Placement lies;
      const auto mine = test::Share(table, communicator.rank(), world);
      ARROW_ASSIGN_OR_RAISE(auto unique,
                            Unique(communicator, mine, {.columns = {0}, .nan_is_null = true}, context, &lies));
      ARROW_RETURN_NOT_OK(CheckClaim(communicator, *unique, lies));
      EXPECT_TRUE(lies.known());
      for (const auto& options : {pairs, firsts}) {
        ARROW_ASSIGN_OR_RAISE(const auto again, Unique(communicator, unique, options, context, &lies));
        EXPECT_TRUE(again->Equals(*unique));
        EXPECT_TRUE(lies.known());
      }
      ARROW_ASSIGN_OR_RAISE(const auto counts, GroupTransform(communicator, unique, counting, context, &lies));
      EXPECT_EQ(counts->num_rows(), unique->num_rows());
      return unique;
    });
    const auto together = test::Together(results);
    ASSERT_NE(together, nullptr);
    EXPECT_EQ(test::SortedRows(**together->SelectColumns({0})),
              test::SortedRows(
                  **(*kernels::Unique(table, {.columns = {0}, .nan_is_null = true}, plain))->SelectColumns({0})));
    EXPECT_EQ(Times(tracer, "unique.combine"), world);
    EXPECT_EQ(Times(tracer, "unique.in_place"), 2 * world);
    EXPECT_EQ(Times(tracer, "transform.in_place"), world);
  }
}

/// `rows` rows whose keys are begin, begin + step, ... and a wide text.
TablePtr Wide(int64_t rows, int64_t begin, int64_t step) {
  arrow::Int64Builder keys;
  arrow::StringBuilder texts;
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE(keys.Append(begin + i * step).ok());
    EXPECT_TRUE(texts.Append("a text of row " + std::to_string(i) + " that takes its time to travel").ok());
  }
  return arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64()), arrow::field("t", arrow::utf8())}),
                            {*keys.Finish(), *texts.Finish()});
}

TEST(KeyFilter, HasWhatWasAddedAndLittleElse) {
  const auto table = Wide(20000, 0, 1);
  std::vector<uint64_t> hashes(20000);
  ASSERT_TRUE(table::HashRows(*table, std::vector<int>{0}, {}, Context(), hashes.data()).ok());
  const std::span<const uint64_t> all(hashes);
  std::vector<uint64_t> words(static_cast<size_t>(key_filter::Words(10000)));
  for (const uint64_t hash : all.first(10000)) key_filter::Add(words, hash);
  for (const uint64_t hash : all.first(10000)) EXPECT_TRUE(key_filter::MayHave(words, hash));
  int64_t wrong = 0;
  for (const uint64_t hash : all.last(10000)) wrong += key_filter::MayHave(words, hash) ? 1 : 0;
  EXPECT_LT(wrong, 600);
  EXPECT_FALSE(key_filter::MayHave({}, hashes[0]));
}

TEST(KeyFilter, JoinsOfEveryTypeLoseNothing) {
  // One in five of the left has a match, all of the right.
  const auto left = Wide(6000, 0, 1);
  const auto right = Wide(1200, 0, 5);
  for (const auto type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kOuter, JoinType::kLeftSemi,
                          JoinType::kLeftAnti}) {
    const auto options = Keys({0}, {0}, type);
    const auto expected = test::SortedRows(**kernels::Join(left, right, options, Context()));
    for (const int world : test::Worlds()) {
      Tracer tracer(false);
      Context context;
      context.tracer = &tracer;
      const auto results = test::OnRanks(world, [&](Communicator& communicator) {
        const int rank = communicator.rank();
        return Join(communicator, test::Share(left, rank, world), test::Share(right, rank, world), options, context);
      });
      const auto together = test::Together(results);
      ASSERT_NE(together, nullptr);
      EXPECT_EQ(test::SortedRows(*together), expected) << world;
      const bool left_vanishes = type == JoinType::kInner || type == JoinType::kRight || type == JoinType::kLeftSemi;
      EXPECT_EQ(Times(tracer, "join.filter"), world > 1 && left_vanishes ? world : 0) << world << " " << int(type);
    }
  }
}

TEST(KeyFilter, IsDeclinedWhereRowsMatch) {
  const auto left = Wide(3000, 0, 1);
  Tracer tracer(false);
  Context context;
  context.tracer = &tracer;
  const auto results = test::OnRanks(4, [&](Communicator& communicator) {
    const auto mine = test::Share(left, communicator.rank(), 4);
    return Join(communicator, mine, mine, Keys({0}, {0}), context);
  });
  ASSERT_NE(test::Together(results), nullptr);
  EXPECT_EQ(Times(tracer, "join.filter"), 0);
  EXPECT_EQ(Times(tracer, "join.filter_declined"), 4);
}

}  // namespace
}  // namespace weft::distributed
