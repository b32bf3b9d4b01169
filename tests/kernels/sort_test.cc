#include "weft/kernels/sort.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "kernels/oracle.h"
#include "table/random_table.h"
#include "weft/kernels/gather.h"

namespace weft::kernels {
namespace {

namespace ac = arrow::compute;
using test::Cell;
using test::RandomTable;
using test::RandomTableOptions;
using test::SameRowsInOrder;
using test::SchemaOf;

Context Threads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

std::vector<std::vector<Cell>> KeyCells(const arrow::Table& table, const SortOptions& options) {
  std::vector<std::vector<Cell>> cells;
  for (const SortKey& key : options.keys)
    cells.push_back(test::CellsOf(*table.column(key.column), options.nan_is_null));
  return cells;
}

int CompareRows(const std::vector<std::vector<Cell>>& a, size_t i, const std::vector<std::vector<Cell>>& b, size_t j,
                const SortOptions& options) {
  for (size_t k = 0; k < options.keys.size(); ++k) {
    const int order = test::CompareSorted(a[k][i], b[k][j], options.keys[k].ascending, options.nulls_first);
    if (order != 0) return order;
  }
  return 0;
}

std::vector<int64_t> Oracle(const arrow::Table& table, const SortOptions& options) {
  const auto cells = KeyCells(table, options);
  std::vector<int64_t> rows(static_cast<size_t>(table.num_rows()));
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) {
    return CompareRows(cells, static_cast<size_t>(a), cells, static_cast<size_t>(b), options) < 0;
  });
  return rows;
}

void Check(const std::shared_ptr<arrow::Table>& table, const SortOptions& options) {
  const auto expected = Oracle(*table, options);
  for (const int threads : {1, 2}) {
    const auto rows = SortIndices(*table, options, Threads(threads));
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(std::vector<int64_t>(rows->begin(), rows->end()), expected) << "threads " << threads;
  }
}

TEST(Sort, EveryKeyTypeAndDirection) {
  for (const auto& type : test::KeyTypes()) {
    for (int variant = 0; variant < 8; ++variant) {
      RandomTableOptions random{.seed = 7, .rows = 700, .null_share = variant % 2 == 0 ? 0.1 : 0.0};
      random.dictionary_nulls = variant == 4;
      const auto table = RandomTable(SchemaOf({type}), random);
      SCOPED_TRACE(type->ToString() + " variant " + std::to_string(variant));
      Check(table, {{{0, (variant & 1) == 0}}, (variant & 2) != 0, (variant & 4) != 0});
    }
  }
}

TEST(Sort, ChunksThatShareADictionary) {
  // Longer than a chunk, and shorter; among its values are null and one twice.
  constexpr int64_t kValues = 200'000;
  for (const int64_t chunk_rows : {int64_t{10}, kValues}) {
    arrow::StringBuilder builder;
    ASSERT_TRUE(builder.AppendNull().ok() && builder.AppendValues({"twice", "twice"}).ok());
    for (int64_t i = 3; i < kValues; ++i) ASSERT_TRUE(builder.Append(std::to_string(i)).ok());
    const auto dictionary = builder.Finish().ValueOrDie();
    const auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
    test::Random random(9);
    arrow::ArrayVector chunks;
    for (int64_t c = 0; c < 60; ++c) {
      arrow::Int32Builder indices;
      for (int64_t i = 0; i < chunk_rows; ++i) {
        const auto index = static_cast<int32_t>(random.Below(random.Below(2) == 0 ? 5 : kValues));
        ASSERT_TRUE((i % 7 == 3 ? indices.AppendNull() : indices.Append(index)).ok());
      }
      chunks.push_back(std::make_shared<arrow::DictionaryArray>(type, indices.Finish().ValueOrDie(), dictionary));
      if (chunk_rows == kValues && c == 2) break;
    }
    const auto column = std::make_shared<arrow::ChunkedArray>(chunks);
    const auto table = arrow::Table::Make(arrow::schema({arrow::field("k", type)}), {column});
    rusage before{};
    getrusage(RUSAGE_SELF, &before);
    const auto rows = SortIndices(*table, {{{0, true}}}, Threads(2));
    ASSERT_TRUE(rows.ok()) << rows.status();
    rusage after{};
    getrusage(RUSAGE_SELF, &after);
    if (chunk_rows < kValues) {
      EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 60 * kValues * 16 / 1024 / 4) << "kB";
    }
    const auto order = ac::SortIndices(*ac::Cast(arrow::Datum(column), arrow::utf8())->chunked_array());
    ASSERT_TRUE(order.ok()) << order.status();
    ASSERT_EQ(table->num_rows(), rows->size());
    for (int64_t i = 0; i < table->num_rows(); ++i) {
      ASSERT_EQ((*rows)[i], static_cast<int64_t>(static_cast<const arrow::UInt64Array&>(**order).Value(i)));
    }
  }
}

TEST(Sort, TheOrderLiesInThePool) {
  const auto table = RandomTable(SchemaOf({arrow::float64()}), {.rows = 50000});
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  Context context = Threads(1);
  context.pool = &pool;
  {
    const auto rows = SortIndices(*table, {{{0, true}}}, context).ValueOrDie();
    EXPECT_GE(pool.bytes_allocated(), rows.size() * 8);
  }
  EXPECT_EQ(pool.bytes_allocated(), 0);
}

TEST(Sort, TwoAndThreeKeys) {
  const auto types = test::KeyTypes();
  test::Random random(3);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::shared_ptr<arrow::DataType>> chosen;
    SortOptions options;
    for (int k = 0; k < 2 + round % 2; ++k) {
      chosen.push_back(types[static_cast<size_t>(random.Below(static_cast<int64_t>(types.size())))]);
      options.keys.push_back({k, random.Below(2) == 0});
    }
    options.nulls_first = random.Below(2) == 0;
    options.nan_is_null = random.Below(2) == 0;
    const auto table = RandomTable(
        SchemaOf(chosen),
        {.seed = static_cast<uint64_t>(round), .rows = 500, .cardinality = 9, .skew = round % 3 == 0 ? 1.0 : 0.0});
    SCOPED_TRACE(table->schema()->ToString());
    Check(table, options);
  }
}

std::shared_ptr<arrow::Table> Strings(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  for (const auto& value : values) EXPECT_TRUE((value == "null" ? builder.AppendNull() : builder.Append(value)).ok());
  return arrow::Table::Make(arrow::schema({arrow::field("s", arrow::utf8())}), {builder.Finish().ValueOrDie()});
}

TEST(Sort, StringsThatDifferLate) {
  test::Random random(5);
  for (const size_t prefix : {size_t{0}, size_t{3}, size_t{7}, size_t{30}, size_t{33}, size_t{1000}}) {
    std::vector<std::string> values;
    for (int i = 0; i < 3000; ++i) {
      std::string text(prefix, 'x');
      const auto length = static_cast<size_t>(random.Below(40));
      for (size_t j = 0; j < length; ++j)
        text += std::string("\0a\x7f\xff", 4)[static_cast<size_t>(random.Below(j < 30 ? 2 : 4))];
      values.push_back(random.Below(30) == 0 ? "null" : text);
    }
    for (const bool ascending : {true, false}) {
      for (const bool nulls_first : {true, false}) Check(Strings(values), {{{0, ascending}}, nulls_first, false});
    }
  }
}

TEST(Sort, EachStringThePrefixOfTheNext) {
  std::vector<std::string> values;
  for (size_t i = 0; i < 2000; ++i) values.push_back(std::string((i * 7919) % 2000, 'a'));
  Check(Strings(values), {{{0, true}}, false, false});
  Check(Strings(values), {{{0, false}}, false, false});
}

std::shared_ptr<arrow::Table> Numbers(const std::vector<std::vector<int64_t>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& values : columns) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.AppendValues(values).ok());
    arrays.push_back(builder.Finish().ValueOrDie());
    fields.push_back(arrow::field("n" + std::to_string(fields.size()), arrow::int64()));
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

// Long enough for the paths of several threads: full range, narrow range, skewed, two words, one value, strings.
TEST(Sort, ManyRows) {
  constexpr size_t kRows = 150000;
  test::Random random(11);
  std::vector<int64_t> full(kRows), narrow(kRows), skewed(kRows), ones(kRows, 1), second(kRows);
  std::vector<std::string> strings(kRows);
  for (size_t i = 0; i < kRows; ++i) {
    full[i] = static_cast<int64_t>(random.Next());
    narrow[i] = random.Below(100000) - 50000;
    skewed[i] = random.Below(10) < 9 ? 5 : static_cast<int64_t>(random.Next());
    second[i] = static_cast<int64_t>(random.Next());
    strings[i] = "https://example.org/a/rather/long/prefix/" + std::to_string(random.Below(70000));
  }
  Check(Numbers({full}), {{{0, true}}, false, false});
  Check(Numbers({narrow}), {{{0, false}}, false, false});
  Check(Numbers({skewed}), {{{0, true}}, false, false});
  Check(Numbers({ones}), {{{0, true}}, false, false});
  Check(Numbers({skewed, second}), {{{0, true}, {1, false}}, false, false});
  Check(Numbers({ones, second, full}), {{{0, true}, {1, false}, {2, true}}, false, false});
  Check(Strings(strings), {{{0, true}}, false, false});
}

TEST(Sort, TableOfEveryTypeFollowsTheOrder) {
  auto types = test::AllTypes();
  types.insert(types.begin(), arrow::int16());
  for (const int chunks : {1, 4}) {
    for (const int64_t rows : {0, 1, 777}) {
      for (const bool dictionary_nulls : {false, true}) {
        RandomTableOptions random{.seed = 5, .rows = rows, .cardinality = 50, .chunks = chunks, .ragged = true};
        random.dictionary_nulls = dictionary_nulls;
        const auto table = RandomTable(SchemaOf(types), random);
        const SortOptions options{{{0, true}}, false, false};
        const auto order = Oracle(*table, options);
        const auto text = test::RowsAsText(*table);
        for (const int threads : {1, 2}) {
          const auto sorted = Sort(table, options, Threads(threads));
          ASSERT_TRUE(sorted.ok()) << sorted.status();
          ASSERT_TRUE((*sorted)->ValidateFull().ok()) << (*sorted)->ValidateFull();
          ASSERT_TRUE((*sorted)->schema()->Equals(*table->schema()));
          const auto found = test::RowsAsText(**sorted);
          ASSERT_EQ(found.size(), order.size());
          for (size_t i = 0; i < order.size(); ++i) ASSERT_EQ(found[i], text[static_cast<size_t>(order[i])]);
        }
      }
    }
  }
}

TEST(Sort, TablesWithTextsGoByRanges) {
  constexpr int64_t kRows = 300000;
  test::Random random(21);
  // Of texts with a beginning in common all but a few have it.
  for (const std::string prefix : {"", "https://example.org/"}) {
    arrow::StringBuilder keys;
    arrow::LargeStringBuilder texts;
    arrow::DoubleBuilder values;
    arrow::Int16Builder small;
    for (int64_t i = 0; i < kRows; ++i) {
      std::string text = std::to_string(random.Below(250000) * 7919 % 1000003);
      text.append(static_cast<size_t>(random.Below(40)), 'x');
      const int64_t rare = random.Below(1000);
      const std::string begin = rare == 0 ? "a" : (rare == 1 ? "z" : (rare == 2 ? "" : prefix));
      ASSERT_TRUE(keys.Append(rare == 3 ? "" : begin + text).ok());
      ASSERT_TRUE(texts.Append(text + std::string(static_cast<size_t>(random.Below(50)), 't')).ok());
      ASSERT_TRUE(values.Append(static_cast<double>(i)).ok());
      ASSERT_TRUE(small.Append(static_cast<int16_t>(random.Below(300))).ok());
    }
    const auto schema = arrow::schema({arrow::field("k", arrow::utf8()), arrow::field("t", arrow::large_utf8()),
                                       arrow::field("v", arrow::float64()), arrow::field("s", arrow::int16())});
    const auto whole = arrow::Table::Make(schema, {keys.Finish().ValueOrDie(), texts.Finish().ValueOrDie(),
                                                   values.Finish().ValueOrDie(), small.Finish().ValueOrDie()});
    const auto table =
        arrow::ConcatenateTables({whole->Slice(3, 100001), whole->Slice(100004, 0), whole->Slice(100004)}).ValueOrDie();
    for (const std::vector<SortKey>& by : std::vector<std::vector<SortKey>>{
             {{0, true}}, {{0, false}, {1, true}}, {{3, true}, {0, false}}, {{1, false}}}) {
      const SortOptions options{by, false, false};
      const auto order = SortIndices(*table, options, Threads(2)).ValueOrDie();
      const auto expected = GatherRows(table, order.span(), Threads(2)).ValueOrDie();
      for (const int threads : {1, 2}) {
        const auto sorted = Sort(table, options, Threads(threads)).ValueOrDie();
        ASSERT_TRUE(sorted->ValidateFull().ok()) << sorted->ValidateFull();
        ASSERT_GT(sorted->column(0)->num_chunks(), 3);
        ASSERT_TRUE(sorted->Equals(*expected));
      }
    }
  }
}

TEST(Sort, DictionariesThatDoNotFitTheIndexTogether) {
  arrow::ArrayVector chunks;
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  for (int c = 0; c < 3; ++c) {
    arrow::StringBuilder values;
    arrow::Int8Builder indices;
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(values.Append("v" + std::to_string(c * 100 + i)).ok());
      ASSERT_TRUE((i == 50 ? indices.AppendNull() : indices.Append(static_cast<int8_t>(99 - i))).ok());
    }
    chunks.push_back(
        std::make_shared<arrow::DictionaryArray>(type, indices.Finish().ValueOrDie(), values.Finish().ValueOrDie()));
  }
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("d", type)}), {std::make_shared<arrow::ChunkedArray>(chunks)});
  const SortOptions options{{{0, true}}, false, false};
  const auto sorted = Sort(table, options, Threads(2)).ValueOrDie();
  ASSERT_TRUE(sorted->ValidateFull().ok()) << sorted->ValidateFull();
  const auto order = Oracle(*table, options);
  const auto text = test::RowsAsText(*table);
  const auto found = test::RowsAsText(*sorted);
  for (size_t i = 0; i < order.size(); ++i) ASSERT_EQ(found[i], text[static_cast<size_t>(order[i])]);
}

TEST(Sort, MergedTablesAreTheSortOfAllRows) {
  const auto schema =
      SchemaOf({arrow::int32(), arrow::utf8(), arrow::float64(), arrow::dictionary(arrow::int32(), arrow::utf8())});
  const SortOptions options{{{1, true}, {0, false}}, false, true};
  std::vector<std::shared_ptr<arrow::Table>> tables, sorted;
  for (uint64_t t = 0; t < 5; ++t) {
    tables.push_back(
        RandomTable(schema, {.seed = t, .rows = t == 2 ? 0 : 300 + static_cast<int64_t>(t), .cardinality = 12}));
    sorted.push_back(Sort(tables.back(), options, Threads(1)).ValueOrDie());
  }
  const auto all = Sort(arrow::ConcatenateTables(sorted).ValueOrDie(), options, Threads(1)).ValueOrDie();
  for (const int threads : {1, 2}) {
    const auto merged = MergeSorted(sorted, options, Threads(threads));
    ASSERT_TRUE(merged.ok()) << merged.status();
    EXPECT_TRUE(SameRowsInOrder(**merged, *all));
  }
}

TEST(Sort, RunsThatAreSortedAreMerged) {
  // One run, some, as many as are merged, and more; of every type of key and in every order.
  const auto check = [](const std::shared_ptr<arrow::DataType>& type, const SortOptions& options, int64_t rows,
                        int64_t runs) {
    const auto table = RandomTable(SchemaOf({type, arrow::int32(), arrow::utf8()}),
                                   {.seed = static_cast<uint64_t>(runs), .rows = rows, .cardinality = rows / 3});
    std::vector<std::shared_ptr<arrow::Table>> sorted;
    for (int64_t run = 0; run < runs; ++run) {
      const int64_t begin = rows * run / runs;
      const auto part = table->Slice(begin, rows * (run + 1) / runs - begin);
      std::vector<int64_t> order = Oracle(*part, options);
      arrow::Int64Builder builder;
      ASSERT_TRUE(builder.AppendValues(order).ok());
      sorted.push_back(arrow::compute::Take(part, *builder.Finish()).ValueOrDie().table());
    }
    const auto all = arrow::ConcatenateTables(sorted).ValueOrDie();
    Check(all, options);
    const auto order = Oracle(*all, options);
    EXPECT_EQ(IsSorted(*all, options, Threads(2)).ValueOrDie(), std::is_sorted(order.begin(), order.end()));
    if (runs == 1) {
      EXPECT_EQ(Sort(all, options, Threads(2)).ValueOrDie(), all);
    }
  };
  for (const auto& type : test::KeyTypes()) {
    if (type->id() == arrow::Type::NA) continue;
    SCOPED_TRACE(type->ToString());
    for (const bool nulls_first : {false, true}) check(type, {{{0, !nulls_first}}, nulls_first, nulls_first}, 400, 1);
    check(type, {{{0, true}, {1, false}}, false, true}, 400, 3);
  }
  const auto options = SortOptions{{{0, true}, {2, false}}, true, true};
  for (const int64_t runs : {1, 2, 3, 15, 16, 17, 40}) {
    for (const auto& type : {arrow::int64(), arrow::utf8(), arrow::float64()}) check(type, options, 3000, runs);
  }
  // Several tasks of threads.
  check(arrow::int64(), {{{0, true}}, false, false}, 300'000, 3);
  check(arrow::utf8(), {{{2, false}, {0, true}}, false, false}, 200'000, 2);
}

TEST(Sort, SplitsAreWhereTheOracleSeesThem) {
  for (const auto& type : test::KeyTypes()) {
    for (const bool nulls_first : {false, true}) {
      const SortOptions options{{{1, false}, {0, true}}, nulls_first, nulls_first};
      const auto schema = SchemaOf({type, arrow::int8(), arrow::utf8()});
      const auto sorted =
          Sort(RandomTable(schema, {.seed = 1, .rows = 400, .cardinality = 15}), options, Threads(1)).ValueOrDie();
      const auto splitters = RandomTable(SchemaOf({arrow::int8(), type}), {.seed = 9, .rows = 25, .cardinality = 15});
      const auto splits = FindSplits(*sorted, options, *splitters, Threads(1));
      ASSERT_TRUE(splits.ok()) << splits.status();
      const auto rows = KeyCells(*sorted, options);
      SortOptions of_splitters = options;
      of_splitters.keys = {{0, false}, {1, true}};
      const auto keys = KeyCells(*splitters, of_splitters);
      for (size_t s = 0; s < 25; ++s) {
        int64_t before = 0;
        int64_t through = 0;
        for (size_t i = 0; i < 400; ++i) {
          const int order = CompareRows(rows, i, keys, s, options);
          before += order < 0 ? 1 : 0;
          through += order <= 0 ? 1 : 0;
        }
        ASSERT_EQ((*splits)[s].before, before) << type->ToString();
        ASSERT_EQ((*splits)[s].through, through) << type->ToString();
      }
    }
  }
}

TEST(Sort, StringsBeyondTwoGibibytesComeInChunks) {
  if (std::getenv("WEFT_SOAK") == nullptr) GTEST_SKIP() << "WEFT_SOAK=1 runs it; needs 5 GiB of memory";
  constexpr int64_t kRows = 2200;
  arrow::ArrayVector strings;
  std::vector<int64_t> keys;
  for (int c = 0; c < 4; ++c) {
    arrow::StringBuilder builder;
    for (int64_t i = 0; i < kRows / 4; ++i) {
      ASSERT_TRUE(builder.Append(std::string(size_t{1} << 20, static_cast<char>('a' + keys.size() % 26))).ok());
      keys.push_back(-static_cast<int64_t>(keys.size()));
    }
    strings.push_back(builder.Finish().ValueOrDie());
  }
  const auto numbers = Numbers({keys});
  const auto table = arrow::Table::Make(arrow::schema({numbers->schema()->field(0), arrow::field("s", arrow::utf8())}),
                                        {numbers->column(0), std::make_shared<arrow::ChunkedArray>(strings)});
  const auto sorted = Sort(table, {{{0, true}}, false, false}, Threads(2)).ValueOrDie();
  ASSERT_TRUE(sorted->ValidateFull().ok()) << sorted->ValidateFull();
  EXPECT_GE(sorted->column(1)->num_chunks(), 2);
  int64_t row = kRows;
  for (const auto& chunk : sorted->column(1)->chunks()) {
    for (int64_t i = 0; i < chunk->length(); ++i) {
      const auto view = static_cast<const arrow::StringArray&>(*chunk).GetView(i);
      --row;
      ASSERT_EQ(view.size(), size_t{1} << 20);
      ASSERT_EQ(view.back(), static_cast<char>('a' + row % 26));
    }
  }
  EXPECT_EQ(row, 0);
}

TEST(Sort, SaysWhatIsWrong) {
  const auto table = RandomTable(SchemaOf({arrow::int32(), arrow::list(arrow::int32())}), {.rows = 10});
  EXPECT_TRUE(Sort(table, {}, {}).status().IsInvalid());
  EXPECT_TRUE(Sort(table, {{{2, true}}, false, false}, {}).status().IsInvalid());
  EXPECT_TRUE(Sort(table, {{{-1, true}}, false, false}, {}).status().IsInvalid());
  const auto status = Sort(table, {{{1, true}}, false, false}, {}).status();
  EXPECT_TRUE(status.IsTypeError());
  EXPECT_NE(status.message().find("c1"), std::string::npos) << status;
  EXPECT_NE(status.message().find("list<"), std::string::npos) << status;
  EXPECT_NE(status.message().find("sort"), std::string::npos) << status;
  const auto text = RandomTable(SchemaOf({arrow::utf8()}), {.rows = 2});
  EXPECT_TRUE(FindSplits(*table, {{{0, true}}, false, false}, *text, {}).status().IsTypeError());
}

TEST(Sort, StopsAndKeepsToThePool) {
  arrow::StopSource source;
  Context context;
  context.stop = source.token();
  source.RequestStop();
  const auto table = RandomTable(SchemaOf({arrow::int32()}), {.rows = 1000});
  EXPECT_TRUE(Sort(table, {{{0, true}}, false, false}, context).status().IsCancelled());
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  Context counted;
  counted.pool = &pool;
  const auto sorted = Sort(table, {{{0, true}}, false, false}, counted);
  ASSERT_TRUE(sorted.ok());
  EXPECT_GE(pool.max_memory(), 16 * 1000);
}

}  // namespace
}  // namespace weft::kernels
