#include "weft/kernels/join.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "table/failing_pool.h"
#include "table/random_table.h"
#include "weft/kernels/hash_join.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/sort.h"
#include "weft/kernels/sort_join.h"

namespace weft::kernels {
namespace {

using test::RandomTable;
using test::RandomTableOptions;
using test::SameRows;
using test::SameRowsInOrder;
using test::SchemaOf;
using TablePtr = std::shared_ptr<arrow::Table>;
using Texts = std::vector<std::string>;

constexpr JoinType kTypes[] = {JoinType::kInner, JoinType::kLeft,     JoinType::kRight,
                               JoinType::kOuter, JoinType::kLeftSemi, JoinType::kLeftAnti};

/// Every value as text, by column.
std::vector<Texts> ColumnTexts(const arrow::Table& table) {
  std::vector<Texts> out;
  for (const auto& column : table.columns()) {
    Texts& texts = out.emplace_back();
    for (const auto& chunk : column->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i) test::AppendValue(*chunk, i, &texts.emplace_back());
    }
  }
  return out;
}

/// What a key compares by, one text a row; empty for a key that matches nothing.
Texts KeyTexts(const arrow::Table& table, const std::vector<int>& keys, const JoinOptions& options) {
  const auto columns = ColumnTexts(table);
  Texts out(static_cast<size_t>(table.num_rows()));
  std::vector<bool> nothing(out.size(), false);
  for (const int key : keys) {
    const bool floating = arrow::is_floating(table.field(key)->type()->id());
    for (size_t i = 0; i < out.size(); ++i) {
      std::string text = columns[static_cast<size_t>(key)][i];
      if (floating && text == "-0") text = "0";
      if (floating && text == "nan" && options.nan_is_null) text = "null";
      if (text == "null" && !options.nulls_equal) nothing[i] = true;
      out[i] += text + "|";
    }
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (nothing[i]) out[i].clear();
  }
  return out;
}

/// The join by a look-up of texts: the rows as text, sorted.
Texts Oracle(const arrow::Table& left, const arrow::Table& right, const JoinOptions& options) {
  const JoinPlan plan = PlanJoin(*left.schema(), *right.schema(), options).ValueOrDie();
  const auto left_texts = ColumnTexts(left);
  const auto right_texts = ColumnTexts(right);
  const Texts left_keys = KeyTexts(left, options.left_keys, options);
  const Texts right_keys = KeyTexts(right, options.right_keys, options);
  Texts out;
  const auto add = [&](int64_t l, int64_t r) {
    std::string row;
    for (const OutputColumn& column : plan.columns) {
      const auto value = [&](Side side, int c) {
        const int64_t i = side == Side::kLeft ? l : r;
        return i < 0 ? std::string("null")
                     : (side == Side::kLeft ? left_texts : right_texts)[static_cast<size_t>(c)][static_cast<size_t>(i)];
      };
      const bool other = column.coalesced && l < 0;
      row += other ? value(Side::kRight, options.right_keys[static_cast<size_t>(column.key)])
                   : value(column.side, column.column);
      row += "|";
    }
    out.push_back(std::move(row));
  };
  std::unordered_map<std::string, std::vector<int64_t>> by_key;
  for (size_t r = 0; r < right_keys.size(); ++r) {
    if (!right_keys[r].empty()) by_key[right_keys[r]].push_back(static_cast<int64_t>(r));
  }
  std::vector<bool> right_matched(right_keys.size(), false);
  for (size_t l = 0; l < left_keys.size(); ++l) {
    const auto found = by_key.find(left_keys[l]);
    if (ChoosesLeftRows(options.type)) {
      if ((found != by_key.end()) == (options.type == JoinType::kLeftSemi)) add(static_cast<int64_t>(l), -1);
      continue;
    }
    if (found == by_key.end()) {
      if (KeepsUnmatchedLeft(options.type)) add(static_cast<int64_t>(l), -1);
      continue;
    }
    for (const int64_t r : found->second) {
      add(static_cast<int64_t>(l), r);
      right_matched[static_cast<size_t>(r)] = true;
    }
  }
  if (KeepsUnmatchedRight(options.type)) {
    for (size_t r = 0; r < right_keys.size(); ++r) {
      if (!right_matched[r]) add(-1, static_cast<int64_t>(r));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Context Threads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

void CheckHash(const TablePtr& left, const TablePtr& right, const JoinOptions& options) {
  const Texts expected = Oracle(*left, *right, options);
  std::vector<HashJoinTuning> tunings(6);
  tunings[1].partition_bits = 3;
  tunings[2].partition_bits = 2;
  tunings[2].exact_words = false;
  tunings[3].partition_bits = 2;
  tunings[3].exact_words = false;
  tunings[3].hash_mask = 3;
  tunings[3].least_chunk_rows = 0;
  tunings[4].chunk_rows = 64;
  tunings[4].least_chunk_rows = 0;
  tunings[5].partition_bits = 3;
  tunings[5].places_per_row = 0;
  for (size_t t = 0; t < tunings.size(); ++t) {
    SCOPED_TRACE("tuning " + std::to_string(t));
    const auto one = HashJoin(left, right, options, tunings[t], Threads(1));
    ASSERT_TRUE(one.ok()) << one.status();
    ASSERT_TRUE((*one)->ValidateFull().ok()) << (*one)->ValidateFull();
    const auto schema = JoinSchema(*left->schema(), *right->schema(), options).ValueOrDie();
    ASSERT_TRUE((*one)->schema()->Equals(*schema));
    const auto got = test::SortedRows(**one);
    ASSERT_TRUE(test::internal::SameText(got, expected));
    const auto two = HashJoin(left, right, options, tunings[t], Threads(2));
    ASSERT_TRUE(two.ok()) << two.status();
    ASSERT_TRUE(SameRowsInOrder(**one, **two));
  }
}

/// The table with a column that numbers its rows.
TablePtr Numbered(const TablePtr& table, const std::string& name) {
  arrow::Int64Builder numbers;
  for (int64_t i = 0; i < table->num_rows(); ++i) EXPECT_TRUE(numbers.Append(i).ok());
  return table
      ->AddColumn(table->num_columns(), arrow::field(name, arrow::int64()),
                  std::make_shared<arrow::ChunkedArray>(numbers.Finish().ValueOrDie()))
      .ValueOrDie();
}

/// Ranks of the rows' keys among those of both sides, so that order can be checked without comparing values: rows of
/// equal keys have equal ranks. By kernels::SortIndices, which has tests of its own.
std::unordered_map<std::string, size_t> KeyRanks(const TablePtr& left, const TablePtr& right,
                                                 const JoinOptions& options) {
  JoinOptions equal = options;
  equal.nulls_equal = true;
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  SortOptions sort;
  sort.nan_is_null = options.nan_is_null;
  for (size_t k = 0; k < options.left_keys.size(); ++k) {
    auto chunks = left->column(options.left_keys[k])->chunks();
    const auto& others = right->column(options.right_keys[k])->chunks();
    chunks.insert(chunks.end(), others.begin(), others.end());
    const auto& type = left->field(options.left_keys[k])->type();
    columns.push_back(std::make_shared<arrow::ChunkedArray>(chunks, type));
    fields.push_back(arrow::field("k" + std::to_string(k), type));
    sort.keys.push_back({static_cast<int>(k), true});
  }
  const auto both = arrow::Table::Make(arrow::schema(fields), columns);
  std::vector<int> keys(options.left_keys.size());
  for (size_t k = 0; k < keys.size(); ++k) keys[k] = static_cast<int>(k);
  const Texts texts = KeyTexts(*both, keys, equal);
  std::unordered_map<std::string, size_t> ranks;
  for (const int64_t row : SortIndices(*both, sort, Context()).ValueOrDie()) {
    ranks.emplace(texts[static_cast<size_t>(row)], ranks.size());
  }
  return ranks;
}

/// Keys must be called alike on both sides.
void CheckSort(const TablePtr& left_table, const TablePtr& right_table, const JoinOptions& options) {
  const TablePtr left = Numbered(left_table, "left row");
  const TablePtr right = Numbered(right_table, "right row");
  const auto one = SortJoin(left, right, options, 64, Threads(1));
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_TRUE((*one)->ValidateFull().ok()) << (*one)->ValidateFull();
  ASSERT_TRUE(test::internal::SameText(test::SortedRows(**one), Oracle(*left, *right, options)));
  const auto two = SortJoin(left, right, options, 1000, Threads(2));
  ASSERT_TRUE(two.ok()) << two.status();
  ASSERT_TRUE(SameRowsInOrder(**one, **two));

  const auto ranks = KeyRanks(left, right, options);
  JoinOptions equal = options;
  equal.nulls_equal = true;
  const Texts left_keys = KeyTexts(*left, options.left_keys, equal);
  const Texts right_keys = KeyTexts(*right, options.right_keys, equal);
  auto numbers = ColumnTexts(*(*one)->SelectColumns({left->num_columns() - 1, (*one)->num_columns() - 1}).ValueOrDie());
  if (ChoosesLeftRows(options.type)) numbers[1].assign(numbers[0].size(), "null");
  using Place = std::tuple<size_t, int64_t, int64_t>;
  Place before{0, -1, -1};
  for (size_t i = 0; i < numbers[0].size(); ++i) {
    // A row without a left one comes after those that have one.
    const int64_t l = numbers[0][i] == "null" ? INT64_MAX : std::stoll(numbers[0][i]);
    const int64_t r = numbers[1][i] == "null" ? -1 : std::stoll(numbers[1][i]);
    const auto& key = l == INT64_MAX ? right_keys[static_cast<size_t>(r)] : left_keys[static_cast<size_t>(l)];
    Place place{ranks.at(key), l, r};
    if (options.type == JoinType::kRight) place = {ranks.at(key), r, l};
    ASSERT_LT(before, place) << "row " << i;
    before = place;
  }
}

void CheckBoth(const TablePtr& left, const TablePtr& right, const JoinOptions& options) {
  CheckHash(left, right, options);
  CheckSort(left, right, options);
}

TablePtr Rename(const TablePtr& table, const Texts& names) { return table->RenameColumns(names).ValueOrDie(); }

RandomTableOptions Sized(int64_t rows, uint64_t seed) {
  RandomTableOptions options;
  options.rows = rows;
  options.seed = seed;
  options.cardinality = 60;
  return options;
}

TEST(Join, EveryKeyTypeAndJoinType) {
  const auto all = test::AllTypes();
  const auto keys = test::KeyTypes();
  for (size_t k = 0; k < keys.size(); ++k) {
    SCOPED_TRACE(keys[k]->ToString());
    const int64_t rows = keys[k]->id() == arrow::Type::NA ? 20 : 120;
    const auto left = RandomTable(SchemaOf({keys[k], all[k % all.size()], arrow::int64()}), Sized(rows, 2 * k));
    const auto right =
        Rename(RandomTable(SchemaOf({all[(k + 17) % all.size()], keys[k]}), Sized(rows - 11, 2 * k + 1)), {"r0", "c0"});
    for (size_t t = 0; t < std::size(kTypes); ++t) {
      JoinOptions options{.left_keys = {0}, .right_keys = {1}, .type = kTypes[t]};
      options.nulls_equal = (k + t) % 3 != 0;
      options.nan_is_null = (k + t) % 2 == 0;
      SCOPED_TRACE("join type " + std::to_string(t));
      CheckBoth(left, right, options);
    }
  }
}

TEST(Join, EveryPayloadType) {
  for (const auto& type : test::AllTypes()) {
    SCOPED_TRACE(type->ToString());
    const auto left = RandomTable(SchemaOf({arrow::int32(), type}), Sized(90, 5));
    const auto right = Rename(RandomTable(SchemaOf({arrow::int32(), type}), Sized(80, 6)), {"c0", "r1"});
    for (const JoinType join : kTypes) {
      CheckBoth(left, right, {.left_keys = {0}, .right_keys = {0}, .type = join});
    }
  }
}

TEST(Join, SeveralKeys) {
  const std::vector<std::vector<std::shared_ptr<arrow::DataType>>> keys = {
      {arrow::int32(), arrow::date32()},
      {arrow::int64(), arrow::utf8()},
      {arrow::int64(), arrow::int64(), arrow::boolean()},
      {arrow::int8(), arrow::int16(), arrow::uint32()}};
  for (size_t k = 0; k < keys.size(); ++k) {
    for (const double nulls : {0.0, 0.3}) {
      auto options = Sized(200, k);
      options.null_share = nulls;
      options.cardinality = 8;
      auto types = keys[k];
      types.push_back(arrow::float64());
      const auto left = RandomTable(SchemaOf(types), options);
      options.seed += 100;
      const auto right = RandomTable(SchemaOf(types), options);
      JoinOptions join;
      for (int c = 0; c < static_cast<int>(keys[k].size()); ++c) {
        join.left_keys.push_back(c);
        join.right_keys.push_back(c);
      }
      for (const JoinType type : kTypes) {
        join.type = type;
        CheckBoth(left, right, join);
      }
    }
  }
}

TEST(Join, KeysOfOneTypeInSeveralEncodings) {
  const std::vector<std::shared_ptr<arrow::DataType>> types = {arrow::utf8(), arrow::large_utf8(),
                                                               arrow::dictionary(arrow::int16(), arrow::utf8()),
                                                               arrow::dictionary(arrow::int32(), arrow::large_utf8())};
  for (const auto& l : types) {
    for (const auto& r : types) {
      SCOPED_TRACE(l->ToString() + " and " + r->ToString());
      const auto left = RandomTable(SchemaOf({l, arrow::int8()}), Sized(100, 3));
      const auto right = RandomTable(SchemaOf({r, arrow::int16()}), Sized(100, 4));
      for (const JoinType type : kTypes) {
        const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = type};
        CheckHash(left, right, options);
        const auto sorted = SortJoin(left, right, options, 64, Threads(1)).ValueOrDie();
        ASSERT_TRUE(test::internal::SameText(test::SortedRows(*sorted), Oracle(*left, *right, options)));
      }
    }
  }
}

TEST(Join, DictionariesWithNullValues) {
  auto options = Sized(100, 3);
  options.dictionary_nulls = true;
  const auto type = arrow::dictionary(arrow::int16(), arrow::utf8());
  const auto left = RandomTable(SchemaOf({type, type}), options);
  options.seed = 4;
  const auto right = RandomTable(SchemaOf({type, arrow::int16()}), options);
  for (const JoinType join : kTypes) CheckBoth(left, right, {.left_keys = {0}, .right_keys = {0}, .type = join});
}

TEST(Join, ADictionaryThatChunksShare) {
  // Among its values are null and one twice.
  arrow::StringBuilder builder;
  ASSERT_TRUE(builder.AppendValues({"a", "b", "a", "c", "d"}).ok() && builder.AppendNull().ok());
  const auto dictionary = builder.Finish().ValueOrDie();
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto side = [&](int8_t step, const TablePtr& beside) {
    arrow::ArrayVector chunks;
    for (int8_t c = 0; c < 3; ++c) {
      arrow::Int8Builder indices;
      for (int8_t i = 0; i < 4; ++i) EXPECT_TRUE(indices.Append(static_cast<int8_t>((c + step * i) % 6)).ok());
      EXPECT_TRUE(indices.AppendNull().ok());
      chunks.push_back(std::make_shared<arrow::DictionaryArray>(type, indices.Finish().ValueOrDie(), dictionary));
    }
    return beside->AddColumn(0, arrow::field("k", type), std::make_shared<arrow::ChunkedArray>(chunks)).ValueOrDie();
  };
  const auto left = side(1, RandomTable(SchemaOf({arrow::int32()}), Sized(15, 1)));
  const auto right = side(2, RandomTable(SchemaOf({arrow::utf8()}), Sized(15, 2)));
  for (const JoinType join : kTypes) CheckBoth(left, right, {.left_keys = {0}, .right_keys = {0}, .type = join});
  const auto out =
      HashJoin(left, right, {.left_keys = {0}, .right_keys = {0}, .type = JoinType::kOuter}, {}, Threads(1))
          .ValueOrDie();
  for (const auto& chunk : out->column(0)->chunks()) EXPECT_EQ(chunk->data()->dictionary, dictionary->data());
}

TEST(Join, EmptySides) {
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8(), arrow::dictionary(arrow::int8(), arrow::utf8())});
  const auto some = RandomTable(schema, Sized(50, 1));
  const TablePtr empty = RandomTable(schema, Sized(0, 1));
  const TablePtr no_chunks = arrow::Table::MakeEmpty(schema).ValueOrDie();
  for (const int key : {0, 1, 2}) {
    for (const JoinType type : kTypes) {
      const JoinOptions options{.left_keys = {key}, .right_keys = {key}, .type = type};
      for (const auto& none : {empty, no_chunks, some->Slice(7, 0)}) {
        CheckBoth(some, none, options);
        CheckBoth(none, some, options);
        CheckBoth(none, none, options);
      }
    }
  }
}

TEST(Join, NoColumnsBesidesKeysAndAllNull) {
  auto options = Sized(70, 1);
  for (const double nulls : {0.0, 1.0}) {
    options.null_share = nulls;
    const auto left = RandomTable(SchemaOf({arrow::int64()}), options);
    const auto right = RandomTable(SchemaOf({arrow::int64()}), options);
    for (const JoinType type : kTypes) {
      for (const bool equal : {true, false}) {
        CheckBoth(left, right, {.left_keys = {0}, .right_keys = {0}, .type = type, .nulls_equal = equal});
      }
    }
  }
}

TablePtr Ints(const std::vector<std::vector<int64_t>>& columns, const std::string& names) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t c = 0; c < columns.size(); ++c) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.AppendValues(columns[c]).ok());
    fields.push_back(arrow::field(std::string(1, names[c]), arrow::int64()));
    arrays.push_back(builder.Finish().ValueOrDie());
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

TEST(Join, OneKeyHasEverything) {
  // 300,000 rows of one key against few: linear, whichever side has them, with and without partitions.
  std::vector<int64_t> many(300000, 42);
  for (size_t i = 0; i < many.size(); i += 10) many[i] = static_cast<int64_t>(1000 + i);
  const auto left = Ints({many, many}, "kl");
  const auto right = Ints({{42, 7, 1010, 42}, {0, 1, 2, 3}}, "kr");
  for (const int bits : {0, 4}) {
    HashJoinTuning tuning;
    tuning.partition_bits = bits;
    for (const bool exact : {true, false}) {
      tuning.exact_words = exact;
      const JoinOptions options{.left_keys = {0}, .right_keys = {0}};
      EXPECT_EQ(HashJoin(left, right, options, tuning, Threads(2)).ValueOrDie()->num_rows(), 2 * 270000 + 1);
      EXPECT_EQ(HashJoin(right, left, options, tuning, Threads(2)).ValueOrDie()->num_rows(), 2 * 270000 + 1);
    }
  }
  // Many against many: 2,000 x 3,000 of one key.
  const auto a = Ints({std::vector<int64_t>(2000, 1)}, "k");
  const auto b = Ints({std::vector<int64_t>(3000, 1)}, "k");
  const auto product = Join(a, b, {.left_keys = {0}, .right_keys = {0}}, Threads(2)).ValueOrDie();
  EXPECT_EQ(product->num_rows(), 6000000);
}

/// Rows, and of each column the sum and the number of missing values.
std::vector<int64_t> Digest(const arrow::Table& table) {
  std::vector<int64_t> out{table.num_rows()};
  for (const auto& column : table.columns()) {
    uint64_t sum = 0;
    for (const auto& chunk : column->chunks()) {
      const auto& values = static_cast<const arrow::Int64Array&>(*chunk);
      for (int64_t i = 0; i < values.length(); ++i)
        sum += values.IsNull(i) ? 0 : static_cast<uint64_t>(values.Value(i));
    }
    out.push_back(static_cast<int64_t>(sum));
    out.push_back(column->null_count());
  }
  return out;
}

TEST(Join, VeryManyRowsProbe) {
  // 20,000 rows against 330,000, which are not partitioned then: different keys close together, far apart, and keys
  // that are there twice. And 300 rows, whose keys lie farther apart than their number allows but not than the probes'
  // does.
  test::Random random(9);
  for (const auto& [rows, spread, twice] : {std::tuple<int64_t, int64_t, bool>{20000, 3, false},
                                            {20000, 1000003, false},
                                            {20000, 3, true},
                                            {300, 100, false},
                                            {300, 1000003, false}}) {
    std::vector<int64_t> keys;
    std::vector<int64_t> values;
    for (int64_t i = 0; i < rows; ++i) {
      keys.push_back((twice ? i / 2 : i) * spread);
      values.push_back(i);
    }
    std::vector<int64_t> probing;
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < 330000; ++i) {
      probing.push_back(random.Below(2 * rows) * (i % 3 == 0 ? 1 : spread) - 5);
      numbers.push_back(i);
    }
    const auto small = Ints({keys, values}, "ks");
    const auto large = Ints({probing, numbers}, "kl");
    for (const JoinType type : kTypes) {
      const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = type};
      HashJoinTuning partitioned;
      partitioned.partition_bits = 3;
      for (const auto& [left, right] : {std::pair{large, small}, std::pair{small, large}}) {
        const auto found = Join(left, right, options, Threads(2)).ValueOrDie();
        const auto expected = HashJoin(left, right, options, partitioned, Threads(2)).ValueOrDie();
        ASSERT_TRUE(found->ValidateFull().ok());
        EXPECT_EQ(Digest(*found), Digest(*expected)) << static_cast<int>(type) << " " << rows << " " << spread;
      }
    }
  }
}

TEST(Join, KeysThatLieCloseTogether) {
  // Places of their own against mixed words: keys on both sides of 0, multiples of a power of two, keys that no build
  // row has (beside the range and far from it), keys of many rows, all different ones.
  test::Random random(7);
  for (const int64_t step : {1, 8, 4096}) {
    for (const int64_t repeated : {1, 3, 40}) {
      const int64_t rows = 40000;
      std::vector<int64_t> keys;
      std::vector<int64_t> values;
      for (int64_t i = 0; i < rows; ++i) {
        keys.push_back((i / repeated - rows / 3) * step);
        values.push_back(i);
      }
      for (size_t i = keys.size(); i-- > 1;) std::swap(keys[i], keys[random.Below(static_cast<int64_t>(i) + 1)]);
      std::vector<int64_t> probing;
      std::vector<int64_t> numbers;
      for (int64_t i = 0; i < rows + 7000; ++i) {
        const int64_t near = random.Below(2 * rows) - rows;
        const int64_t far =
            i % 2 == 0 ? std::numeric_limits<int64_t>::min() + i : std::numeric_limits<int64_t>::max() - i;
        probing.push_back(i % 50 == 0 ? far : (i % 3 == 0 ? near : (near / repeated) * step));
        numbers.push_back(i);
      }
      const auto small = Ints({keys, values}, "ks");
      const auto large = Ints({probing, numbers}, "kl");
      for (const JoinType type : kTypes) {
        const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = type};
        HashJoinTuning placed;
        placed.partition_bits = 4;
        placed.places_per_row = int64_t{1} << 20;
        HashJoinTuning mixed = placed;
        mixed.places_per_row = 0;
        for (const auto& [left, right] : {std::pair{large, small}, std::pair{small, large}}) {
          const auto found = HashJoin(left, right, options, placed, Threads(2)).ValueOrDie();
          const auto expected = HashJoin(left, right, options, mixed, Threads(2)).ValueOrDie();
          ASSERT_TRUE(found->ValidateFull().ok());
          EXPECT_EQ(Digest(*found), Digest(*expected)) << static_cast<int>(type) << " " << step << " " << repeated;
        }
      }
    }
  }
}

TEST(Join, SortedKeysThatLieCloseTogether) {
  // Places of their own against rows that are ordered: the same rows in the same order.
  test::Random random(11);
  for (const int64_t repeated : {1, 3, 30}) {
    const int64_t rows = 50000;
    const auto table = [&](const std::string& names, int64_t count, int64_t step) {
      std::vector<int64_t> keys;
      std::vector<int64_t> numbers;
      for (int64_t i = 0; i < count; ++i) {
        keys.push_back((random.Below(rows) - rows / 2) / repeated * step);
        numbers.push_back(i);
      }
      return Ints({keys, numbers}, names);
    };
    const auto seed = static_cast<uint64_t>(random.Below(1 << 30));
    const auto pair = [&](int64_t step) {
      random = test::Random(seed);
      auto left = table("kl", rows, step);
      return std::pair(left, table("kr", rows + 3000, step));
    };
    const auto [left, right] = pair(1);
    const auto [far_left, far_right] = pair(int64_t{1} << 40);
    for (const JoinType type : kTypes) {
      const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = type};
      const auto found = SortJoin(left, right, options, 1 << 14, Threads(2)).ValueOrDie();
      const auto one = SortJoin(left, right, options, 1 << 14, Threads(1)).ValueOrDie();
      const auto expected = SortJoin(far_left, far_right, options, 1 << 14, Threads(2)).ValueOrDie();
      ASSERT_TRUE(found->ValidateFull().ok());
      ASSERT_TRUE(SameRowsInOrder(*found, *one));
      // Keys differ by the step, all else is the same.
      const auto rest = [](const TablePtr& joined) { return joined->RemoveColumn(0).ValueOrDie(); };
      ASSERT_TRUE(SameRowsInOrder(*rest(found), *rest(expected))) << static_cast<int>(type) << " " << repeated;
    }
  }
}

TEST(Join, SortedKeysWhoseWordsAreNoSignedNumbers) {
  // As signed numbers the words of all these keys lie close together, and the greatest come first.
  constexpr int64_t kRows = 70000;
  test::Random random(12);
  std::vector<uint64_t> keys;
  for (int64_t i = 0; i < kRows; ++i) keys.push_back(static_cast<uint64_t>(i - 100));
  for (size_t i = keys.size(); i > 1; --i) {
    std::swap(keys[i - 1], keys[static_cast<size_t>(random.Below(static_cast<int64_t>(i)))]);
  }
  const auto words = arrow::Buffer::FromVector(std::move(keys));
  for (const auto& type : {arrow::uint64(), arrow::fixed_size_binary(8)}) {
    const auto column = arrow::MakeArray(arrow::ArrayData::Make(type, kRows, {nullptr, words}));
    const auto table = arrow::Table::Make(SchemaOf({type}), {column});
    const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = JoinType::kInner};
    const auto joined = SortJoin(table, table, options, 1 << 14, Threads(2)).ValueOrDie();
    const auto order = arrow::compute::SortIndices(*column).ValueOrDie();
    const auto sorted = arrow::compute::Take(arrow::Datum(column), arrow::Datum(order)).ValueOrDie();
    EXPECT_TRUE(joined->column(0)->Equals(arrow::ChunkedArray(sorted.make_array()))) << type->ToString();
  }
}

/// One text a row in several chunks, each a part of a larger array: text number k, below `distinct`, has
/// `shortest` ... `longest` bytes, of which the last ones differ.
std::shared_ptr<arrow::ChunkedArray> MixedTexts(const std::shared_ptr<arrow::DataType>& type, int64_t rows,
                                                int64_t distinct, int64_t shortest, int64_t longest, double null_share,
                                                uint64_t seed) {
  test::Random random(seed);
  arrow::ArrayVector chunks;
  for (int64_t row = 0; row < rows;) {
    const int64_t n = std::min<int64_t>(rows - row, 1 + random.Below(rows / 2));
    arrow::StringBuilder builder;
    for (int64_t i = -3; i < n + 2; ++i) {
      const int64_t k = random.Below(distinct);
      std::string text(static_cast<size_t>(shortest + (k * 7919) % (longest - shortest + 1)), 'a');
      const std::string number = std::to_string(k);
      const size_t end = std::min(text.size(), number.size());
      text.replace(text.size() - end, end, number, number.size() - end);
      const bool null = static_cast<double>(random.Below(1000)) < null_share * 1000;
      EXPECT_TRUE((null ? builder.AppendNull() : builder.Append(text)).ok());
    }
    const auto array = builder.Finish().ValueOrDie()->Slice(3, n);
    chunks.push_back(arrow::compute::Cast(*array, type).ValueOrDie());
    // Cast starts anew where it converts: here rows begin within the array again.
    if (chunks.back()->offset() == 0 && type->id() != arrow::Type::DICTIONARY && n > 2) {
      const auto twice = arrow::Concatenate({chunks.back(), chunks.back()}).ValueOrDie();
      chunks.back() = twice->Slice(n, n);
    }
    row += n;
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
}

TablePtr WithTexts(const Texts& names, const arrow::ChunkedArrayVector& columns) {
  arrow::FieldVector fields;
  for (size_t c = 0; c < columns.size(); ++c) fields.push_back(arrow::field(names[c], columns[c]->type()));
  return arrow::Table::Make(arrow::schema(fields), columns);
}

TEST(Join, TextsOfManyLengthsMoveWithTheirRows) {
  const auto dictionary = arrow::dictionary(arrow::int32(), arrow::utf8());
  const std::tuple<std::shared_ptr<arrow::DataType>, std::shared_ptr<arrow::DataType>, int64_t, int64_t> cases[] = {
      {arrow::utf8(), arrow::utf8(), 0, 100},       {arrow::utf8(), arrow::large_utf8(), 8, 40},
      {arrow::binary(), arrow::binary(), 30, 34},   {arrow::large_binary(), arrow::large_binary(), 60, 66},
      {dictionary, arrow::utf8(), 0, 100},          {arrow::utf8(), arrow::utf8(), 60, 200},
      {arrow::large_utf8(), arrow::utf8(), 33, 33}, {arrow::utf8(), arrow::utf8(), 0, 33}};
  uint64_t seed = 1;
  for (const auto& [left_type, right_type, shortest, longest] : cases) {
    SCOPED_TRACE(left_type->ToString() + " of " + std::to_string(shortest) + " to " + std::to_string(longest));
    for (const double nulls : {0.0, 0.1}) {
      const auto texts = [&](const auto& type, int64_t rows, int64_t distinct) {
        return MixedTexts(type, rows, distinct, shortest, longest, nulls, ++seed);
      };
      const auto left = WithTexts({"k", "a"}, {texts(left_type, 700, 400), texts(arrow::utf8(), 700, 50)});
      // One side's texts may be short, the other's not.
      const auto right =
          WithTexts({"b", "k"}, {texts(arrow::large_binary(), 500, 50),
                                 longest == 33 && nulls > 0 ? MixedTexts(right_type, 500, 400, 0, 7, nulls, ++seed)
                                                            : texts(right_type, 500, 400)});
      for (const JoinType type : kTypes) {
        JoinOptions options{.left_keys = {0}, .right_keys = {1}, .type = type};
        options.nulls_equal = nulls > 0 && type != JoinType::kInner;
        CheckHash(left, right, options);
        // Of slices; and by two keys, of which the second is another text.
        CheckHash(left->Slice(13, 600), right->Slice(1, 444), options);
        if (left_type->Equals(right_type)) {
          CheckHash(left, left->Slice(5, 300), {.left_keys = {0, 1}, .right_keys = {0, 1}, .type = type});
        }
      }
    }
  }
}

TEST(Join, KeysWhoseFirstRowsAreNotLikeTheOthers) {
  // Whether keys fit a code is asked of the first rows, then of all.
  for (const bool narrow_first : {true, false}) {
    for (const bool narrow_last : {true, false}) {
      arrow::ChunkedArrayVector columns;
      for (const uint64_t seed : {1, 2}) {
        test::Random random(seed);
        arrow::StringBuilder builder;
        for (int64_t i = 0; i < 12000; ++i) {
          const std::string number = std::to_string(random.Below(9000));
          const bool narrow = i < 6000 ? narrow_first : narrow_last;
          ASSERT_TRUE(builder.Append(narrow ? number : number + "-" + number + "/" + number + "." + number).ok());
        }
        columns.push_back(std::make_shared<arrow::ChunkedArray>(builder.Finish().ValueOrDie()));
      }
      const auto left = Numbered(WithTexts({"k"}, {columns[0]}), "l");
      const auto right = Numbered(WithTexts({"k"}, {columns[1]}), "r");
      const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = JoinType::kOuter};
      for (const int bits : {0, 4}) {
        HashJoinTuning tuning;
        tuning.partition_bits = bits;
        const auto found = HashJoin(left, right, options, tuning, Threads(2)).ValueOrDie();
        ASSERT_TRUE(test::internal::SameText(test::SortedRows(*found), Oracle(*left, *right, options)));
      }
    }
  }
}

TEST(Join, OneTextHasAlmostEverything) {
  // Its partition is cut into slices; texts before and behind it are of many lengths.
  const int64_t rows = 300000;
  arrow::StringBuilder keys;
  for (int64_t i = 0; i < rows; ++i) {
    const auto length = i % 10 == 0 ? static_cast<size_t>(33 + i % 60) : size_t{45};
    ASSERT_TRUE(keys.Append(std::string(length, i % 10 == 0 ? 'a' : 'b')).ok());
  }
  const auto many =
      Numbered(WithTexts({"k"}, {std::make_shared<arrow::ChunkedArray>(keys.Finish().ValueOrDie())}), "row");
  const auto few = Numbered(many->Slice(109, 4), "few");
  for (const JoinType type : kTypes) {
    for (const auto& [left, right] : {std::pair{many, few}, std::pair{few, many}}) {
      const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = type};
      HashJoinTuning tuning;
      tuning.partition_bits = 0;
      const auto ints = [](const TablePtr& table) {
        std::vector<int> chosen;
        for (int c = 0; c < table->num_columns(); ++c) {
          if (table->field(c)->type()->id() == arrow::Type::INT64) chosen.push_back(c);
        }
        return Digest(*table->SelectColumns(chosen).ValueOrDie());
      };
      const auto expected = HashJoin(left, right, options, tuning, Threads(2)).ValueOrDie();
      tuning.partition_bits = 2;
      const auto found = HashJoin(left, right, options, tuning, Threads(2)).ValueOrDie();
      ASSERT_TRUE(found->ValidateFull().ok());
      EXPECT_EQ(ints(found), ints(expected)) << static_cast<int>(type);
      EXPECT_TRUE(HashJoin(left, right, options, tuning, Threads(1)).ValueOrDie()->Equals(*found));
    }
  }
}

TEST(Join, VeryLongTextsAmongShortOnes) {
  // Of few bytes on average: one of 3 MB is moved, one of 17 MB is more than a place can say.
  for (const int64_t longest : {int64_t{3} << 20, int64_t{17} << 20}) {
    arrow::StringBuilder builder;
    const int64_t rows = 320000;
    for (int64_t i = 0; i < rows; ++i) {
      const std::string text = i == 777 ? std::string(static_cast<size_t>(longest), 'x') : std::to_string(i % 1000);
      ASSERT_TRUE(builder.Append(text).ok());
    }
    const auto texts = std::make_shared<arrow::ChunkedArray>(builder.Finish().ValueOrDie());
    const auto left = Numbered(WithTexts({"k"}, {texts}), "l");
    const auto right = Numbered(WithTexts({"k"}, {texts->Slice(500, 1000)}), "r");
    HashJoinTuning tuning;
    tuning.partition_bits = 3;
    const auto found = HashJoin(left, right, {.left_keys = {0}, .right_keys = {0}}, tuning, Threads(2)).ValueOrDie();
    ASSERT_TRUE(found->ValidateFull().ok());
    // The other rows of number 777 find none.
    ASSERT_EQ(found->num_rows(), rows - rows / 1000 + 1);
    int64_t place = 0;
    int64_t long_ones = 0;
    for (const auto& chunk : found->column(0)->chunks()) {
      const auto numbers = found->column(1)->Slice(place, chunk->length())->chunk(0);
      for (int64_t i = 0; i < chunk->length(); ++i) {
        const auto text = static_cast<const arrow::StringArray&>(*chunk).GetView(i);
        const int64_t row = static_cast<const arrow::Int64Array&>(*numbers).Value(i);
        long_ones += static_cast<int64_t>(text.size()) == longest && text.find_first_not_of('x') == text.npos;
        ASSERT_TRUE(row == 777 || text == std::to_string(row % 1000));
      }
      place += chunk->length();
    }
    EXPECT_EQ(long_ones, 1);
  }
}

TEST(Join, LargerTablesInManyPartitions) {
  for (const double nulls : {0.0, 0.2}) {
    auto options = Sized(20000, 1);
    options.cardinality = 15000;
    options.null_share = nulls;
    const auto left = RandomTable(SchemaOf({arrow::int64(), arrow::int32(), arrow::utf8()}), options);
    options.seed = 2;
    options.null_share = 0;
    const auto right = Rename(RandomTable(SchemaOf({arrow::int64(), arrow::int8()}), options), {"c0", "r"});
    for (const JoinType type : kTypes) {
      const JoinOptions join{.left_keys = {0}, .right_keys = {0}, .type = type};
      const auto got = Join(left, right, join, Threads(2)).ValueOrDie();
      EXPECT_TRUE(ChoosesLeftRows(type) || got->num_rows() > 10000);
      ASSERT_TRUE(got->ValidateFull().ok());
      ASSERT_TRUE(test::internal::SameText(test::SortedRows(*got), Oracle(*left, *right, join)));
    }
  }
}

TEST(Join, EveryAllocationMayFail) {
  const auto type = arrow::dictionary(arrow::int16(), arrow::utf8());
  const auto left =
      RandomTable(SchemaOf({arrow::utf8(), type, arrow::int32(), arrow::list(arrow::int8())}), Sized(60, 1));
  const auto right = RandomTable(SchemaOf({arrow::utf8(), type, arrow::boolean()}), Sized(50, 2));
  for (const int key : {0, 1}) {
    for (const int bits : {0, 1, -1}) {
      const JoinOptions options{.left_keys = {key}, .right_keys = {key}, .type = JoinType::kOuter};
      HashJoinTuning tuning;
      tuning.partition_bits = bits;
      tuning.least_chunk_rows = bits == 1 ? 4096 : 0;
      int64_t allowed = 0;
      for (bool done = false; !done; ++allowed) {
        ASSERT_LT(allowed, 5000);
        test::FailingPool pool(allowed);
        Context context = Threads(2);
        context.pool = &pool;
        {
          const auto out =
              bits < 0 ? SortJoin(left, right, options, 64, context) : HashJoin(left, right, options, tuning, context);
          ASSERT_TRUE(out.ok() || out.status().IsOutOfMemory()) << out.status();
          done = out.ok();
        }
        ASSERT_EQ(pool.bytes_allocated(), 0) << "after " << allowed << " allocations";
      }
      EXPECT_GT(allowed, 10);
    }
  }
}

TEST(Join, PeakMemoryIsOnePartitionedCopyAndTheResult) {
  constexpr int64_t kRows = 1000000;
  std::vector<std::vector<int64_t>> columns(4, std::vector<int64_t>(kRows));
  test::Random random(5);
  for (auto& column : columns) {
    for (auto& value : column) value = random.Below(kRows * 9 / 10);
  }
  const auto left = Ints({columns[0], columns[1]}, "kl");
  const auto right = Ints({columns[2], columns[3]}, "kr");
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  Context context = Threads(2);
  context.pool = &pool;
  const auto out = Join(left, right, {.left_keys = {0}, .right_keys = {0}}, context).ValueOrDie();
  const int64_t copy = 2 * kRows * 16;
  const int64_t result = out->num_rows() * 24;
  EXPECT_GE(pool.max_memory(), copy);
  // Partitions are freed while the result grows, so that both are never there in full.
  EXPECT_LT(pool.max_memory(), copy + result / 2);
  EXPECT_LT(pool.bytes_allocated(), result + result / 10);
}

TEST(Join, StopsWhenAsked) {
  arrow::StopSource source;
  Context context = Threads(2);
  context.stop = source.token();
  source.RequestStop();
  const auto left = RandomTable(SchemaOf({arrow::int64()}), Sized(100, 1));
  for (const auto algorithm : {JoinAlgorithm::kHash, JoinAlgorithm::kSort}) {
    const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .algorithm = algorithm};
    EXPECT_TRUE(Join(left, left, options, context).status().IsCancelled());
  }
}

TEST(Join, TheExactWordOfNarrowKeysIsNotMistaken) {
  // -1 as int32 and 0xffffffff must not meet, and the second key must not run into the first.
  const auto schema = SchemaOf({arrow::int32(), arrow::int16()});
  arrow::Int32Builder a;
  arrow::Int16Builder b;
  ASSERT_TRUE(a.AppendValues({-1, 0, 1, 65536}).ok());
  ASSERT_TRUE(b.AppendValues({0, -1, 256, 1}).ok());
  const auto table = arrow::Table::Make(schema, {a.Finish().ValueOrDie(), b.Finish().ValueOrDie()});
  CheckBoth(table, table, {.left_keys = {0, 1}, .right_keys = {0, 1}});
}

TEST(JoinSchema, ColumnsNamesAndSuffixes) {
  using arrow::field;
  const auto left = arrow::schema({field("k", arrow::int64()), field("a", arrow::int8()), field("v", arrow::utf8())});
  const auto right = arrow::schema({field("v", arrow::int8()), field("k", arrow::int64()), field("b", arrow::int8())});
  const auto names = [](const auto& schema) { return schema.ValueOrDie()->field_names(); };
  EXPECT_EQ(names(JoinSchema(*left, *right, {.left_keys = {0}, .right_keys = {1}})),
            (Texts{"k", "a", "v_x", "v_y", "b"}));
  EXPECT_EQ(names(JoinSchema(*left, *right, {.left_keys = {1}, .right_keys = {2}})),
            (Texts{"k_x", "a", "v_x", "v_y", "k_y", "b"}));
  JoinOptions options{.left_keys = {0}, .right_keys = {1}};
  options.left_suffix = "";
  EXPECT_EQ(names(JoinSchema(*left, *right, options)), (Texts{"k", "a", "v", "v_y", "b"}));
  options.right_suffix = "";
  EXPECT_TRUE(JoinSchema(*left, *right, options).status().IsInvalid());
}

TEST(JoinSchema, Errors) {
  using arrow::field;
  const auto left = arrow::schema({field("k", arrow::int64()), field("l", arrow::list(arrow::int8()))});
  const auto right = arrow::schema({field("k", arrow::utf8()), field("l", arrow::list(arrow::int8()))});
  EXPECT_TRUE(JoinSchema(*left, *right, {}).status().IsInvalid());
  EXPECT_TRUE(JoinSchema(*left, *right, {.left_keys = {0}, .right_keys = {0, 1}}).status().IsInvalid());
  EXPECT_TRUE(JoinSchema(*left, *right, {.left_keys = {2}, .right_keys = {0}}).status().IsKeyError());
  EXPECT_TRUE(JoinSchema(*left, *right, {.left_keys = {0}, .right_keys = {-1}}).status().IsKeyError());
  EXPECT_TRUE(JoinSchema(*left, *right, {.left_keys = {1}, .right_keys = {1}}).status().IsTypeError());
  const auto differ = JoinSchema(*left, *right, {.left_keys = {0}, .right_keys = {0}}).status();
  EXPECT_TRUE(differ.IsTypeError());
  for (const char* part : {"'k'", "int64", "string"}) {
    EXPECT_NE(differ.message().find(part), std::string::npos) << differ;
  }
}

/// Rows of two int64 columns as pairs; null is -1.
std::vector<std::pair<int64_t, int64_t>> Pairs(const arrow::Table& table, int first, int second) {
  const auto texts = ColumnTexts(*table.SelectColumns({first, second}).ValueOrDie());
  std::vector<std::pair<int64_t, int64_t>> out;
  const auto number = [](const std::string& text) { return text == "null" ? -1 : std::stoll(text); };
  for (size_t i = 0; i < texts[0].size(); ++i) out.emplace_back(number(texts[0][i]), number(texts[1][i]));
  return out;
}

TEST(Join, MaintainsTheOrderOfRows) {
  const auto schema = SchemaOf({arrow::utf8(), arrow::float64()});
  const auto left = Numbered(RandomTable(schema, Sized(300, 1)), "left row");
  const auto right = Numbered(RandomTable(schema, Sized(250, 2)), "right row");
  for (const JoinType type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight}) {
    JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = type};
    const auto any = Join(left, right, options, Threads(2)).ValueOrDie();
    options.maintain_order = true;
    const auto ordered = Join(left, right, options, Threads(2)).ValueOrDie();
    ASSERT_TRUE(ordered->schema()->Equals(*any->schema()));
    ASSERT_TRUE(SameRows(*ordered, *any));
    auto pairs = Pairs(*ordered, 2, 4);
    if (type == JoinType::kRight) {
      for (auto& [l, r] : pairs) std::swap(l, r);
    }
    EXPECT_TRUE(std::is_sorted(pairs.begin(), pairs.end()));
    // The same through a choice of columns.
    options.columns = {{4, 0, 2}};
    const auto chosen = Join(left, right, options, Threads(1)).ValueOrDie();
    ASSERT_TRUE(SameRowsInOrder(*chosen, *ordered->SelectColumns({4, 0, 2}).ValueOrDie()));
  }
  JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = JoinType::kLeftAnti, .maintain_order = true};
  const auto rest = Pairs(*Join(left, right, options, Threads(2)).ValueOrDie(), 2, 2);
  EXPECT_TRUE(std::is_sorted(rest.begin(), rest.end()));
}

TEST(Join, IndicatorTellsTheSidesOfARow) {
  const auto left = RandomTable(SchemaOf({arrow::int32(), arrow::utf8()}), Sized(100, 1));
  const auto right = Rename(RandomTable(SchemaOf({arrow::int32(), arrow::utf8()}), Sized(100, 2)), {"c0", "r1"});
  const auto numbered_left = Numbered(left, "left row");
  const auto numbered_right = Numbered(right, "right row");
  for (const JoinAlgorithm algorithm : {JoinAlgorithm::kHash, JoinAlgorithm::kSort}) {
    for (const JoinType type : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kOuter}) {
      JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = type, .algorithm = algorithm};
      options.indicator = "from";
      const auto table = Join(numbered_left, numbered_right, options, Threads(2)).ValueOrDie();
      ASSERT_TRUE(table->ValidateFull().ok());
      const auto rows = Pairs(*table, 2, 4);
      const auto origin = ColumnTexts(*table->SelectColumns({5}).ValueOrDie())[0];
      for (size_t i = 0; i < rows.size(); ++i) {
        const std::string expected = rows[i].first < 0 ? "right_only" : (rows[i].second < 0 ? "left_only" : "both");
        ASSERT_NE(origin[i].find(expected), std::string::npos) << origin[i];
      }
    }
  }
  EXPECT_TRUE(JoinSchema(*left->schema(), *right->schema(),
                         {.left_keys = {0}, .right_keys = {0}, .type = JoinType::kLeftSemi, .indicator = "from"})
                  .status()
                  .IsInvalid());
}

TEST(Join, CrossGivesEveryPairInOrder) {
  for (const int64_t right_rows : {0, 1, 70}) {
    const auto left = Numbered(RandomTable(SchemaOf({arrow::utf8(), arrow::boolean()}), Sized(90, 1)), "left row");
    const auto right =
        Numbered(RandomTable(SchemaOf({arrow::utf8(), arrow::list(arrow::int8())}), Sized(right_rows, 2)), "right row");
    const JoinOptions options{.type = JoinType::kCross};
    const auto table = Join(left, right, options, Threads(2)).ValueOrDie();
    ASSERT_TRUE(table->ValidateFull().ok());
    ASSERT_EQ(table->num_rows(), 90 * right_rows);
    const auto pairs = Pairs(*table, 2, 5);
    for (size_t i = 0; i < pairs.size(); ++i) {
      ASSERT_EQ(pairs[i].first, static_cast<int64_t>(i) / right_rows);
      ASSERT_EQ(pairs[i].second, static_cast<int64_t>(i) % right_rows);
    }
  }
  EXPECT_TRUE(JoinSchema(*SchemaOf({arrow::int8()}), *SchemaOf({arrow::int8()}),
                         {.left_keys = {0}, .right_keys = {0}, .type = JoinType::kCross})
                  .status()
                  .IsInvalid());
}

/// `rows` rows of one int64 key, and their numbers.
TablePtr OneKey(int64_t rows, int64_t key) {
  arrow::Int64Builder keys;
  EXPECT_TRUE(keys.AppendValues(std::vector<int64_t>(static_cast<size_t>(rows), key)).ok());
  return Numbered(arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64())}), {keys.Finish().ValueOrDie()}),
                  "row");
}

TEST(Join, OneKeyWithMostRowsIsProbedInSlices) {
  // More rows of one key than a partition is probed by one thread with; and others, so that there are partitions.
  arrow::Int64Builder keys;
  for (int64_t i = 0; i < 40000; ++i) ASSERT_TRUE(keys.Append(100 + i).ok());
  const auto others = Numbered(
      arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64())}), {keys.Finish().ValueOrDie()}), "row");
  const auto left = arrow::ConcatenateTables({others, OneKey(400000, 7)}).ValueOrDie();
  const auto right = arrow::ConcatenateTables({others, OneKey(3, 7)}).ValueOrDie();
  for (const JoinType type : {JoinType::kLeft, JoinType::kOuter, JoinType::kRight}) {
    const JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = type, .columns = {{1, 2}}};
    const auto one = Join(left, right, options, Threads(1)).ValueOrDie();
    const auto two = Join(left, right, options, Threads(2)).ValueOrDie();
    ASSERT_TRUE(one->Equals(*two));
    ASSERT_EQ(one->num_rows(), 40000 + 400000 * 3);
  }
}

TEST(Join, MoreThanTwoToTheThirtyOneRowsAreCounted) {
  const auto left = OneKey(50000, 1);
  const auto right = arrow::ConcatenateTables({OneKey(45000, 1), OneKey(9, 2)}).ValueOrDie();
  constexpr int64_t kPairs = int64_t{50000} * 45000;
  static_assert(kPairs > int64_t{INT32_MAX});
  JoinOptions options{.left_keys = {0}, .right_keys = {0}, .type = JoinType::kOuter, .columns = {{}}};
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  Context context = Threads(2);
  context.pool = &pool;
  const auto joined = Join(left, right, options, context).ValueOrDie();
  EXPECT_EQ(joined->num_rows(), kPairs + 9);
  EXPECT_EQ(joined->num_columns(), 0);
  EXPECT_LT(pool.max_memory(), int64_t{64} << 20);
  options = {.type = JoinType::kCross, .columns = {{}}};
  EXPECT_EQ(Join(left, right, options, context).ValueOrDie()->num_rows(), kPairs + 50000 * 9);
}

}  // namespace
}  // namespace weft::kernels
