#include "weft/distributed/read.h"

#include <arrow/util/io_util.h>

#include <cerrno>
#include <random>

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
      return ReadParquet(communicator, {{directory_ / name}}, options, io::Hive::kColumns, Context());
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

TEST_F(DistributedReadTest, CsvIsCutAnywhereAndStaysTheSame) {
  std::mt19937_64 random(3);
  const char* const texts[] = {"", "a", "\"q\"\"q\"", "\"two\nlines\"", "\"\r\n,\"", "pla\"in", "\"\n\n\n\""};
  io::CsvOptions csv;
  csv.split_bytes = 1;
  for (int round = 0; round < 60; ++round) {
    const std::string end = round % 3 == 0 ? "\r\n" : round % 3 == 1 ? "\n" : "\r";
    std::string text = "\"he\nad\",s" + end;
    const auto rows = random() % 25;
    for (size_t i = 0; i < rows; ++i) {
      text += (random() % 30 == 0 ? "x" : std::to_string(random() % 1000)) + "," + texts[random() % 7];
      if (i + 1 < rows || random() % 2 == 0) text += end;
      if (random() % 5 == 0) text += end;
    }
    directory_.Write("cut.csv", text);
    const auto whole = Together(Csv(1, "cut.csv", {}, csv));
    ASSERT_NE(whole, nullptr);
    ASSERT_EQ(whole->num_rows(), static_cast<int64_t>(rows));
    const int world = 2 + static_cast<int>(random() % 7);
    const auto cut = Together(Csv(world, "cut.csv", {}, csv));
    ASSERT_NE(cut, nullptr) << text;
    ASSERT_TRUE(cut->Equals(*whole)) << world << "\n" << text << cut->ToString() << whole->ToString();
  }
}

TEST_F(DistributedReadTest, ACutFileIsBalanced) {
  std::string text = "id,s\n";
  for (int i = 0; i < 4000; ++i) text += std::to_string(i) + ",\"some text\"\n";
  directory_.Write("a.csv", text);
  io::CsvOptions csv;
  csv.split_bytes = 1000;
  const auto results = Csv(4, "a.csv", {}, csv);
  const auto table = Together(results);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->num_rows(), 4000);
  for (const auto& result : results) EXPECT_NEAR(static_cast<double>((*result)->num_rows()), 1000, 60);
  // A line's number counts from the file's beginning.
  directory_.Write("a.csv", text + "x\n" + text);
  for (const auto& result : Csv(4, "a.csv", {}, csv)) {
    EXPECT_STATUS_HAS(result.status(), IsInvalid, "a.csv', line 4002: CSV parse error");
  }
}

TEST_F(DistributedReadTest, JsonLinesAreCutAnywhere) {
  std::mt19937_64 random(4);
  io::JsonOptions json;
  json.split_bytes = 1;
  for (int round = 0; round < 40; ++round) {
    std::string text;
    const auto rows = 1 + random() % 20;
    for (size_t i = 0; i < rows; ++i) {
      text += "{\"i\": " + std::to_string(i) + (random() % 9 == 0 ? ".5" : "") + ", \"s\": \"2013-01-0" +
              std::to_string(1 + i % 9) + "\"" + (random() % 3 == 0 ? ", \"l\": [{\"x\": 1}]" : "") + "}\n";
      if (random() % 5 == 0) text += "\n";
    }
    directory_.Write("a.jsonl", text);
    const auto whole = io::ReadJson({directory_ / "a.jsonl"}, json, Context()).ValueOrDie();
    ASSERT_EQ(whole->num_rows(), static_cast<int64_t>(rows));
    EXPECT_EQ(whole->GetColumnByName("s")->type()->id(), arrow::Type::STRING);
    const int world = 1 + static_cast<int>(random() % 8);
    const auto cut = Together(test::OnRanks(world, [&](Communicator& communicator) {
      return ReadJson(communicator, {{directory_ / "a.jsonl"}}, json, Context());
    }));
    ASSERT_NE(cut, nullptr);
    // Names come in the order in which ranks first have them, which is the file's.
    ASSERT_TRUE(cut->Equals(*whole)) << text << cut->ToString() << whole->ToString();
  }
}

TEST_F(DistributedReadTest, RecordBatchesAreSharedOut) {
  io::WriteOptions options;
  options.row_group_rows = 70;
  for (const auto format : {io::FileFormat::kIpcFile, io::FileFormat::kIpcStream}) {
    options.format = format;
    const auto table = CountingTable(0, 500);
    ASSERT_TRUE(io::WriteFile(directory_ / "a.feather", *table, options, Context()).ok());
    for (const int world : Worlds()) {
      const auto results = test::OnRanks(world, [&](Communicator& communicator) {
        return ReadIpc(communicator, {{directory_ / "a.feather"}}, {}, Context());
      });
      const auto together = Together(results);
      ASSERT_NE(together, nullptr);
      EXPECT_TRUE(test::SameRowsInOrder(*together, *table));
      if (format == io::FileFormat::kIpcStream) continue;
      for (const auto& result : results) EXPECT_NEAR(static_cast<double>((*result)->num_rows()), 500.0 / world, 70);
    }
  }
}

TEST_F(DistributedReadTest, RanksWithTheirOwnFiles) {
  directory_.Write("0.csv", "a,b\n1,x\n");
  directory_.Write("1.csv", "a,b\n2.5,y\n");
  const auto results = test::OnRanks(3, [&](Communicator& communicator) {
    Sources sources;
    sources.own = true;
    if (communicator.rank() != 1) sources.paths = {directory_ / (communicator.rank() == 0 ? "1.csv" : "0.csv")};
    return ReadCsv(communicator, sources, {}, {}, Context());
  });
  ExpectTable(Together(results), {{"a", arrow::float64(), "[2.5, 1]"}, {"b", arrow::utf8(), R"(["y", "x"])"}});
  EXPECT_EQ((*results[1])->num_rows(), 0);
  for (const auto& result : test::OnRanks(2, [&](Communicator& communicator) {
         return ReadParquet(communicator, {{}, true}, {}, io::Hive::kColumns, Context());
       })) {
    EXPECT_STATUS_HAS(result.status(), IsInvalid, "no rank has a path");
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
