#include "weft/table/spill_file.h"
#include "weft/table/tables.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/spill_directory.h"
#include "table/random_table.h"

namespace weft::table {
namespace {

using test::RandomTable;
using test::SpillDirectory;
using test::SpillingContext;

std::vector<std::shared_ptr<arrow::RecordBatch>> Batches(const std::shared_ptr<arrow::Table>& table, int64_t rows) {
  arrow::TableBatchReader reader(table);
  reader.set_chunksize(rows);
  return *reader.ToRecordBatches();
}

TEST(SpillFile, EveryTypeComesBack) {
  const SpillDirectory directory;
  const Context context = SpillingContext(directory, 1 << 20, 1 << 20);
  test::RandomTableOptions options;
  options.rows = 5000;
  options.ragged = true;
  const auto table = RandomTable(test::SchemaOf(test::AllTypes()), options);
  for (const int64_t segment_bytes : {int64_t{1}, int64_t{64} << 10, int64_t{1} << 40}) {
    auto file = SpillFile::Make(table->schema(), 3, segment_bytes, 1 << 20, context);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    std::vector<std::vector<std::shared_ptr<arrow::RecordBatch>>> given(3);
    int part = 0;
    for (const auto& batch : Batches(table, 300)) {
      given[static_cast<size_t>(part)].push_back(batch);
      const auto status = (*file)->Append(part, batch);
      ASSERT_TRUE(status.ok()) << status.ToString();
      part = (part + 1) % 3;
    }
    ASSERT_TRUE((*file)->FlushAll().ok());
    for (int p = 0; p < 3; ++p) {
      const auto read = (*file)->Take(p, 0, (*file)->segments(p));
      ASSERT_TRUE(read.ok()) << read.status().ToString();
      EXPECT_TRUE((*read)->ValidateFull().ok());
      const auto expected = *arrow::Table::FromRecordBatches(table->schema(), given[static_cast<size_t>(p)]);
      EXPECT_TRUE((*read)->schema()->Equals(*expected->schema(), true));
      EXPECT_TRUE(test::SameRowsInOrder(**read, *expected)) << "part " << p;
      EXPECT_EQ((*file)->rows(p), expected->num_rows());
    }
  }
  EXPECT_GT(context.spill->space().bytes_spilled(), 0);
  EXPECT_EQ(directory.names(), 0);
}

TEST(SpillFile, CopiesHaveMemoryOfTheirOwn) {
  const SpillDirectory directory;
  const Context context = SpillingContext(directory, 0, 1 << 20);
  test::RandomTableOptions options;
  options.rows = 3000;
  options.ragged = true;
  auto table = RandomTable(test::SchemaOf(test::AllTypes()), options);
  const auto rows = test::RowsAsText(*table);
  const auto copy = CopyTable(*table, context.spill->tables());
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  table.reset();
  EXPECT_EQ(test::RowsAsText(**copy), rows);
  EXPECT_GT(context.spill->disk_bytes(), 0);
}

TEST(SpillFile, TablesWithoutColumnsKeepTheirRows) {
  const auto schema = arrow::schema(arrow::FieldVector{});
  const auto one = arrow::Table::Make(schema, arrow::ChunkedArrayVector{}, 7);
  EXPECT_EQ(StackTables(schema, {one, one})->num_rows(), 14);
}

TEST(SpillFile, AFullDiskIsMemoryLimitExceeded) {
  const SpillDirectory directory(1 << 20);
  if (!directory.ok()) GTEST_SKIP() << "no file system can be mounted here";
  const Context context = SpillingContext(directory, 64 << 20, 64 << 20);
  test::RandomTableOptions options;
  options.rows = 400'000;
  options.cardinality = options.rows;
  const auto table = RandomTable(test::SchemaOf({arrow::int64(), arrow::float64()}), options);
  auto file = SpillFile::Make(table->schema(), 1, 256 << 10, 1 << 20, context);
  ASSERT_TRUE(file.ok());
  arrow::Status status;
  for (const auto& batch : Batches(table, 10'000)) {
    status = (*file)->Append(0, batch);
    if (!status.ok()) break;
  }
  EXPECT_TRUE(status.IsOutOfMemory()) << status.ToString();
  EXPECT_EQ(status.message().rfind("MemoryLimitExceeded", 0), 0U) << status.message();
  // An error does not keep the room.
  const int64_t free_then = directory.free_bytes();
  file->reset();
  EXPECT_GT(directory.free_bytes(), free_then + (512 << 10));
}

}  // namespace
}  // namespace weft::table
