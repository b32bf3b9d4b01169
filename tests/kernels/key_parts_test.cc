// Parts by key: all rows, each key in one part, whatever the table looks like; and joins of parts are the whole join.
#include "weft/kernels/key_parts.h"

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "table/random_table.h"
#include "weft/kernels/join.h"
#include "weft/table/hash.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

using test::RandomTable;
using test::RandomTableOptions;
using test::SchemaOf;
using TablePtr = std::shared_ptr<arrow::Table>;

TablePtr Rows(const std::vector<std::shared_ptr<arrow::DataType>>& types, int64_t rows, uint64_t seed) {
  RandomTableOptions options;
  options.rows = rows;
  options.seed = seed;
  options.cardinality = 300;
  options.null_share = 0.02;
  return RandomTable(SchemaOf(types), options);
}

std::vector<int> All(int parts) {
  std::vector<int> all(static_cast<size_t>(parts));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<TablePtr> Cut(const TablePtr& table, const KeyParts& how, const std::vector<int>& wanted, int threads = 1) {
  const auto made = CutByKey(table, how, wanted, Context{.threads = threads});
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return made.ok() ? *made : std::vector<TablePtr>{};
}

/// The part of each key, read off the parts; a key that is in two is a failure.
std::map<std::string, size_t> PartsOfKeys(const std::vector<TablePtr>& parts) {
  std::map<std::string, size_t> found;
  for (size_t part = 0; part < parts.size(); ++part) {
    for (const auto& key : test::RowsAsText(*parts[part]->SelectColumns({0}).ValueOrDie())) {
      const auto [at, is_new] = found.emplace(key, part);
      EXPECT_TRUE(is_new || at->second == part) << key;
    }
  }
  return found;
}

TEST(KeyParts, EveryTypeOfKeyKeepsItsRowsAndTheirOrder) {
  for (const auto& type : std::vector<std::shared_ptr<arrow::DataType>>{
           arrow::int8(), arrow::int64(), arrow::float32(), arrow::float64(), arrow::utf8(), arrow::large_binary(),
           arrow::boolean(), arrow::date32(), arrow::decimal128(20, 3), arrow::timestamp(arrow::TimeUnit::NANO, "UTC"),
           arrow::dictionary(arrow::int8(), arrow::utf8())}) {
    SCOPED_TRACE(type->ToString());
    const auto table = Rows({type, arrow::int32(), arrow::list(arrow::utf8())}, 2000, 3);
    for (const int parts : {1, 2, 7}) {
      const auto cut = Cut(table, {.keys = {0}, .nan_is_null = true, .parts = parts}, All(parts));
      ASSERT_EQ(cut.size(), static_cast<size_t>(parts));
      for (const auto& part : cut) EXPECT_TRUE(part->ValidateFull().ok());
      EXPECT_TRUE(test::SameRows(*table::StackTables(table->schema(), cut), *table));
      if (parts == 1) {
        EXPECT_TRUE(test::SameRowsInOrder(*cut[0], *table));
      }
      PartsOfKeys(cut);
      // Any number of threads, any choice of parts: the same.
      const auto last = Cut(table, {.keys = {0}, .nan_is_null = true, .parts = parts}, {parts - 1, 0}, 3);
      ASSERT_EQ(last.size(), 2U);
      EXPECT_TRUE(test::SameRowsInOrder(*last[0], *cut.back()));
      EXPECT_TRUE(test::SameRowsInOrder(*last[1], *cut.front()));
    }
  }
}

TEST(KeyParts, DependOnValuesAloneAndNotOnRanks) {
  const auto table = Rows({arrow::utf8()}, 20000, 1);
  const KeyParts how{.keys = {0}, .nan_is_null = true, .parts = 4};
  const auto known = PartsOfKeys(Cut(table, how, All(4)));
  const auto column = table->column(0);
  for (const auto& type : std::vector<std::shared_ptr<arrow::DataType>>{
           arrow::large_utf8(), arrow::dictionary(arrow::int32(), arrow::utf8())}) {
    const auto other = arrow::compute::Cast(column, type);
    ASSERT_TRUE(other.ok()) << other.status().ToString();
    const auto same = arrow::Table::Make(SchemaOf({type}), {other->chunked_array()});
    EXPECT_EQ(PartsOfKeys(Cut(same, how, All(4))).size(), known.size());
    for (int part = 0; part < 4; ++part) {
      EXPECT_EQ(Cut(same, how, {part})[0]->num_rows(), Cut(table, how, {part})[0]->num_rows());
    }
  }
  // Keys that one of three ranks owns are spread over all parts.
  const auto numbers = Rows({arrow::int64()}, 20000, 2);
  std::vector<uint64_t> hashes(20000);
  const std::vector<int> key = {0};
  ASSERT_TRUE(table::HashRows(*numbers, key, {.nan_is_null = true}, Context{}, hashes.data()).ok());
  std::vector<int64_t> own;
  for (const uint64_t hash : hashes) own.push_back(table::RankOfHash(hash, 3) == 1);
  const auto total = std::accumulate(own.begin(), own.end(), int64_t{0});
  for (const auto& part : Cut(numbers, how, All(4))) {
    std::vector<uint64_t> here(static_cast<size_t>(part->num_rows()));
    ASSERT_TRUE(table::HashRows(*part, key, {.nan_is_null = true}, Context{}, here.data()).ok());
    const auto found = std::count_if(here.begin(), here.end(), [](uint64_t h) { return table::RankOfHash(h, 3) == 1; });
    EXPECT_GT(found, total / 8);
  }
}

TEST(KeyParts, JoinsOfPartsAreTheJoin) {
  const auto left = Rows({arrow::float64(), arrow::utf8()}, 1500, 1);
  const auto right = Rows({arrow::float64(), arrow::int16()}, 900, 2);
  for (const JoinType type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kOuter,
                              JoinType::kLeftSemi, JoinType::kLeftAnti}) {
    JoinOptions options;
    options.left_keys = options.right_keys = {0};
    options.nan_is_null = true;
    options.type = type;
    if (!ChoosesLeftRows(type)) options.indicator = "where";
    const auto expected = Join(left, right, options, Context{});
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    std::vector<TablePtr> joined;
    for (int part = 0; part < 5; ++part) {
      const KeyParts how{.keys = {0}, .nan_is_null = true, .parts = 5};
      const auto made = Join(Cut(left, how, {part})[0], Cut(right, how, {part})[0], options, Context{});
      ASSERT_TRUE(made.ok()) << made.status().ToString();
      joined.push_back(*made);
    }
    EXPECT_TRUE(test::SameRows(*table::StackTables((*expected)->schema(), joined), **expected));
  }
}

TEST(KeyParts, NoRowsAndNumbersOutOfRange) {
  const auto none = Rows({arrow::int64(), arrow::utf8()}, 0, 1);
  for (const auto& part : Cut(none, {.keys = {0}, .parts = 3}, All(3))) {
    EXPECT_EQ(part->num_rows(), 0);
    EXPECT_TRUE(part->schema()->Equals(*none->schema()));
  }
  EXPECT_TRUE(Cut(none, {.keys = {0}, .parts = 3}, {}).empty());
  for (const int part : {-1, 3}) {
    EXPECT_TRUE(CutByKey(none, {.keys = {0}, .parts = 3}, {part}, Context{}).status().IsInvalid());
  }
}

}  // namespace
}  // namespace weft::kernels
