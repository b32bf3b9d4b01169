#include "weft/distributed/read.h"

#include <arrow/util/io_util.h>

#include <cerrno>

#include "distributed/ranks.h"
#include "io/files.h"
#include "table/random_table.h"

namespace weft::distributed {
namespace {

using test::CountingTable;
using test::ExpectTable;
using test::TableResult;
using test::TemporaryDirectory;
using test::Together;
using test::Worlds;
using test::WriteParquetFile;

class DistributedReadTest : public ::testing::Test {
 protected:
  std::vector<TableResult> Parquet(int world, const std::string& name, const io::ReadOptions& options = {}) {
    return test::OnRanks(world, [&](Communicator& communicator) {
      return ReadParquet(communicator, {{directory_ / name}}, options, true, Context());
    });
  }
  std::vector<TableResult> Csv(int world, const std::string& name, const io::ReadOptions& options = {},
                               const io::CsvOptions& csv = {}) {
    return test::OnRanks(world, [&](Communicator& communicator) {
      return ReadCsv(communicator, {{directory_ / name}}, csv, options, Context());
    });
  }
  TemporaryDirectory directory_;
};

TEST_F(DistributedReadTest, ParquetInEveryWorld) {
  WriteParquetFile(directory_, "d/a.parquet", *CountingTable(0, 450), 50);
  WriteParquetFile(directory_, "d/b.parquet", *CountingTable(450, 150), 50);
  for (const int world : Worlds()) {
    const auto results = Parquet(world, "d");
    const auto table = Together(results);
    ASSERT_NE(table, nullptr);
    EXPECT_TRUE(test::SameRowsInOrder(*table, *CountingTable(0, 600)));
    for (const auto& result : results) EXPECT_LE((*result)->num_rows(), 600 / world + 50);
  }
}

TEST_F(DistributedReadTest, ParquetColumnsAndFilter) {
  WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 1000));
  io::ReadOptions options;
  options.columns = {"half"};
  options.filter = arrow::compute::less(arrow::compute::field_ref("id"), arrow::compute::literal(333));
  for (const int world : Worlds()) {
    const auto table = Together(Parquet(world, "a.parquet", options));
    ASSERT_NE(table, nullptr);
    EXPECT_EQ(table->num_rows(), 333);
    EXPECT_EQ(table->num_columns(), 1);
  }
}

TEST_F(DistributedReadTest, AFileBrokenForOneRankIsAnErrorOnAll) {
  WriteParquetFile(directory_, "d/a.parquet", *CountingTable(0, 300));
  const std::string path = WriteParquetFile(directory_, "d/b.parquet", *CountingTable(300, 300));
  std::string bytes = test::ReadBytes(path);
  bytes[60] = static_cast<char>(bytes[60] ^ 0x10);
  directory_.Write("d/b.parquet", bytes);
  const auto results = Parquet(2, "d");
  for (size_t rank = 0; rank < results.size(); ++rank) {
    EXPECT_STATUS_HAS(results[rank].status(), IsIOError, "b.parquet', row group 0");
  }
  // A rank's own error needs no name of its own.
  EXPECT_STATUS_HAS(results[0].status(), IsIOError, "rank 1");
}

TEST_F(DistributedReadTest, AMissingFileIsAnErrorOnAll) {
  for (const auto& results : {Parquet(3, "none.parquet"), Csv(3, "none.csv")}) {
    for (const auto& result : results) EXPECT_STATUS_HAS(result.status(), IsIOError, "none.");
    EXPECT_EQ(arrow::internal::ErrnoFromStatus(results[0].status()), ENOENT);
  }
}

TEST_F(DistributedReadTest, CsvTypesAgree) {
  // Each of these would be of another type in a world where each rank has one file.
  directory_.Write("d/1.csv", "z,n,u,t,e\n007,1,,2013-01-01,\n");
  directory_.Write("d/2.csv", "z,n,u,t,e\nx,1.5,7,2013-01-01 05:00:00,\n");
  directory_.Write("d/3.csv", "z,n,u,t,e\n010,,8,,\n");
  directory_.Write("d/4.csv", "z,n,u,t,e\n0,4,9,2014-01-01,\n");
  for (const int world : Worlds()) {
    io::CsvOptions csv;
    csv.times = {"t"};
    ExpectTable(Together(Csv(world, "d", {}, csv)), {{"z", arrow::utf8(), R"(["007", "x", "010", "0"])"},
                                                     {"n", arrow::float64(), "[1, 1.5, null, 4]"},
                                                     {"u", arrow::int64(), "[null, 7, 8, 9]"},
                                                     {"t", arrow::timestamp(arrow::TimeUnit::MICRO),
                                                      R"(["2013-01-01", "2013-01-01 05:00:00", null, "2014-01-01"])"},
                                                     {"e", arrow::null(), "[null, null, null, null]"}});
  }
}

TEST_F(DistributedReadTest, CsvFiltersSeeTheAgreedTypes) {
  directory_.Write("d/1.csv", "z,n\n1,10\n2,20\n");
  directory_.Write("d/2.csv", "z,n\nx,30\n1,40\n");
  io::ReadOptions options;
  options.columns = {"n"};
  // Text in the whole, though numbers in the first file.
  options.filter = arrow::compute::equal(arrow::compute::field_ref("z"), arrow::compute::literal("1"));
  for (const int world : Worlds()) {
    ExpectTable(Together(Csv(world, "d", options)), {{"n", arrow::int64(), "[10, 40]"}});
  }
}

TEST_F(DistributedReadTest, CsvFilesOfOtherColumnsAreNamedOnAllRanks) {
  directory_.Write("d/1.csv", "a,b\n1,2\n");
  directory_.Write("d/2.csv", "b,a\n4,3\n");
  ExpectTable(Together(Csv(2, "d")), {{"a", arrow::int64(), "[1, 3]"}, {"b", arrow::int64(), "[2, 4]"}});
  directory_.Write("d/2.csv", "a,c\n1,2\n");
  for (const int world : {1, 2, 3}) {
    for (const auto& result : Csv(world, "d"))
      EXPECT_STATUS_HAS(result.status(), IsKeyError, "2.csv' has no column 'b'");
  }
}

TEST_F(DistributedReadTest, ABrokenLineIsAnErrorOnAllRanks) {
  directory_.Write("d/1.csv", "a,b\n1,2\n");
  directory_.Write("d/2.csv", "a,b\n1,2\n3\n");
  for (const int world : {1, 2, 4}) {
    for (const auto& result : Csv(world, "d")) {
      EXPECT_STATUS_HAS(result.status(), IsInvalid, "2.csv', line 3: CSV parse error: Expected 2 columns, got 1");
    }
  }
}

TEST_F(DistributedReadTest, OneCsvFileInAnyWorld) {
  directory_.Write("a.csv", "id,name\n1,x\n2,y\n");
  for (const int world : Worlds()) {
    ExpectTable(Together(Csv(world, "a.csv")),
                {{"id", arrow::int64(), "[1, 2]"}, {"name", arrow::utf8(), R"(["x", "y"])"}});
  }
}

TEST_F(DistributedReadTest, AWrongColumnIsAnErrorOnRanksWithoutAFileToo) {
  directory_.Write("a.csv", "id\n1\n");
  io::ReadOptions options;
  options.columns = {"idd"};
  for (const auto& result : Csv(3, "a.csv", options)) EXPECT_STATUS_HAS(result.status(), IsKeyError, "idd");
}

}  // namespace
}  // namespace weft::distributed
