#include "weft/kernels/gather.h"

#include <arrow/api.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <gtest/gtest.h>

#include <numeric>

#include "table/random_table.h"
#include "weft/base/capped_pool.h"

namespace weft::kernels {
namespace {

namespace ac = arrow::compute;
using test::RandomTable;
using test::SchemaOf;

Context Threads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

std::vector<int64_t> RandomRows(int64_t count, int64_t bound) {
  test::Random random(11);
  std::vector<int64_t> rows(static_cast<size_t>(count));
  for (int64_t& row : rows) row = random.Below(bound);
  return rows;
}

TEST(Gather, FewAndManyRowsOfManyChunks) {
  constexpr int64_t kRows = 8000;
  for (const double nulls : {0.0, 0.2}) {
    for (const int chunks : {1, 2, 7, 100}) {
      const auto table = RandomTable(SchemaOf(test::AllTypes()),
                                     {.rows = kRows, .null_share = nulls, .chunks = chunks, .ragged = true});
      const auto text = test::RowsAsText(*table);
      for (const int64_t count : {int64_t{1}, int64_t{400}, kRows}) {
        auto rows = RandomRows(count, kRows);
        for (const bool sorted : {false, true}) {
          if (sorted) std::sort(rows.begin(), rows.end());
          std::vector<std::string> expected;
          for (const int64_t row : rows) expected.push_back(text[static_cast<size_t>(row)]);
          const auto gathered = GatherRows(table, rows, Threads(2));
          ASSERT_TRUE(gathered.ok()) << gathered.status();
          ASSERT_TRUE((*gathered)->ValidateFull().ok());
          EXPECT_EQ(test::RowsAsText(**gathered), expected) << chunks << " chunks, " << count << " rows";
        }
      }
    }
  }
}

/// 0, 1, 2 ... in chunks.
std::shared_ptr<arrow::ChunkedArray> Numbers(int64_t rows, int64_t chunks) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < rows; ++i) EXPECT_TRUE(builder.Append(i).ok());
  const auto all = builder.Finish().ValueOrDie();
  arrow::ArrayVector cut;
  for (int64_t c = 0; c < chunks; ++c) cut.push_back(all->Slice(rows / chunks * c, rows / chunks));
  return std::make_shared<arrow::ChunkedArray>(cut);
}

TEST(Gather, MemoryOfTheRowsAloneWhereTheyAreFew) {
  const auto column = Numbers(1'000'000, 50);
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  Context context;
  context.pool = &pool;
  const auto rows = RandomRows(100, column->length());
  const auto gathered = GatherColumn(column, rows, context).ValueOrDie();
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(static_cast<const arrow::Int64Array&>(*gathered->chunk(0)).Value(static_cast<int64_t>(i)), rows[i]);
  }
  EXPECT_LT(pool.max_memory(), 10'000);
}

TEST(Gather, AllRowsWhereNoSecondColumnFits) {
  const auto column = Numbers(1'000'000, 50);
  Context context;
  context.pool = MakeCappedPool(arrow::default_memory_pool(), 12'000'000);
  std::vector<int64_t> rows(1'000'000);
  std::iota(rows.rbegin(), rows.rend(), 0);
  const auto gathered = GatherColumn(column, rows, context);
  ASSERT_TRUE(gathered.ok()) << gathered.status();
  for (int64_t i = 0; i < 1'000'000; ++i) {
    ASSERT_EQ(static_cast<const arrow::Int64Array&>(*(*gathered)->chunk(0)).Value(i), 999'999 - i);
  }
}

TEST(Gather, ADictionaryThatChunksShareStays) {
  // With values that Arrow's unification refuses or drops: null, and one twice.
  arrow::StringBuilder builder;
  ASSERT_TRUE(builder.AppendValues({"a", "b", "a"}).ok() && builder.AppendNull().ok());
  const auto dictionary = builder.Finish().ValueOrDie();
  const auto type = arrow::dictionary(arrow::int16(), arrow::utf8());
  arrow::ArrayVector chunks;
  for (int16_t c = 0; c < 4; ++c) {
    arrow::Int16Builder indices;
    ASSERT_TRUE(indices.AppendValues({c, 0, 1}).ok());
    chunks.push_back(std::make_shared<arrow::DictionaryArray>(type, indices.Finish().ValueOrDie(), dictionary));
  }
  const std::vector<int64_t> rows{9, 0, 8, 6, 3};
  const auto gathered = GatherColumn(std::make_shared<arrow::ChunkedArray>(chunks), rows, Threads(1)).ValueOrDie();
  ASSERT_EQ(gathered->num_chunks(), 1);
  const auto& array = static_cast<const arrow::DictionaryArray&>(*gathered->chunk(0));
  EXPECT_EQ(array.dictionary()->data(), dictionary->data());
  const std::vector<int64_t> expected{3, 0, 1, 2, 1};
  for (int64_t i = 0; i < array.length(); ++i) EXPECT_EQ(array.GetValueIndex(i), expected[static_cast<size_t>(i)]);
}

}  // namespace
}  // namespace weft::kernels
