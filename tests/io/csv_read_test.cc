#include <arrow/util/io_util.h>

#include <cerrno>

#include "io/files.h"
#include "weft/io/read.h"

namespace weft::io {
namespace {

using arrow::boolean;
using arrow::float64;
using arrow::int64;
using arrow::utf8;
using test::ExpectTable;
using test::TemporaryDirectory;
using TablePtr = std::shared_ptr<arrow::Table>;

class ReadCsvTest : public ::testing::Test {
 protected:
  arrow::Result<TablePtr> Read(std::string_view text, const CsvOptions& csv = {}, const ReadOptions& options = {},
                               int threads = 1) {
    directory_.Write("a.csv", text);
    Context context;
    context.threads = threads;
    return ReadCsv({directory_ / "a.csv"}, csv, options, context);
  }
  arrow::Result<TablePtr> ReadAll(int rank = 0, int world_size = 1, int threads = 1) {
    Context context;
    context.threads = threads;
    ReadOptions options;
    options.rank = rank;
    options.world_size = world_size;
    return ReadCsv({directory_ / "d"}, {}, options, context);
  }
  TemporaryDirectory directory_;
};

TEST_F(ReadCsvTest, TypesAreInferred) {
  CsvOptions csv;
  csv.times = {"t"};
  for (const int threads : {1, 4}) {
    const auto table =
        Read("i,f,s,b,n,t\n1,1.5,a,true,,2013-01-01 05:00:00\n-2,2,\"b,\"\"c\",false,NA,\n", csv, {}, threads);
    ExpectTable(table.ValueOrDie(),
                {{"i", int64(), "[1, -2]"},
                 {"f", float64(), "[1.5, 2]"},
                 {"s", utf8(), R"(["a", "b,\"c"])"},
                 {"b", boolean(), "[true, false]"},
                 {"n", arrow::null(), "[null, null]"},
                 {"t", arrow::timestamp(arrow::TimeUnit::MICRO), R"(["2013-01-01 05:00:00", null])"}});
  }
}

TEST_F(ReadCsvTest, WhatPandasTakesForMissing) {
  std::string text = "a,s\n1,x\n";
  for (const char* null :
       {"",    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
        "N/A", "NA",   "NULL",     "NaN", "None",    "n/a",      "nan",  "null", "\"NA\"", "\"\""}) {
    text += std::string(null) + "," + null + "\n";
  }
  const auto table = Read(text).ValueOrDie();
  EXPECT_EQ(table->column(0)->type()->id(), arrow::Type::INT64);
  EXPECT_EQ(table->column(0)->null_count(), 21);
  EXPECT_EQ(table->column(1)->null_count(), 21);
  CsvOptions csv;
  csv.default_null_values = false;
  csv.null_values = {"-"};
  ExpectTable(Read("a,s\n1,NA\n-,-\n,\n", csv).ValueOrDie(),
              {{"a", utf8(), R"(["1", null, ""])"}, {"s", utf8(), R"(["NA", null, ""])"}});
}

TEST_F(ReadCsvTest, HeadersAndNames) {
  CsvOptions csv;
  csv.names = {"x", "y"};
  ExpectTable(Read("a,b\n1,2\n", csv).ValueOrDie(), {{"x", int64(), "[1]"}, {"y", int64(), "[2]"}});
  csv.header = false;
  ExpectTable(Read("1,2\n", csv).ValueOrDie(), {{"x", int64(), "[1]"}, {"y", int64(), "[2]"}});
  csv.names = {};
  ExpectTable(Read("1,2\n", csv).ValueOrDie(), {{"0", int64(), "[1]"}, {"1", int64(), "[2]"}});
  ExpectTable(Read("a,,a,a.1,a\n1,2,3,4,5\n").ValueOrDie(), {{"a", int64(), "[1]"},
                                                             {"Unnamed: 1", int64(), "[2]"},
                                                             {"a.2", int64(), "[3]"},
                                                             {"a.1", int64(), "[4]"},
                                                             {"a.3", int64(), "[5]"}});
  ExpectTable(Read("\xEF\xBB\xBF\n\n\"a\nb\",c\r\n\r\n1,2\r\n").ValueOrDie(),
              {{"a\nb", int64(), "[1]"}, {"c", int64(), "[2]"}});
  csv = {};
  csv.names = {"x"};
  EXPECT_STATUS_HAS(Read("a,b\n1,2\n", csv).status(), IsInvalid, "names=");
  csv.names = {"x", "x"};
  EXPECT_STATUS_HAS(Read("a,b\n1,2\n", csv).status(), IsInvalid, "twice");
}

TEST_F(ReadCsvTest, DelimiterAndQuote) {
  CsvOptions csv;
  csv.delimiter = ';';
  csv.quote = '\'';
  ExpectTable(Read("a;b\n1,5;'x;y'\n", csv).ValueOrDie(), {{"a", utf8(), R"(["1,5"])"}, {"b", utf8(), R"(["x;y"])"}});
  csv.quote = ';';
  EXPECT_TRUE(Read("a;b\n", csv).status().IsInvalid());
}

TEST_F(ReadCsvTest, GivenTypesAreKept) {
  CsvOptions csv;
  csv.types = {{"zip", utf8()}, {"n", arrow::int32()}};
  ExpectTable(Read("zip,n,m\n007,1,2\n", csv).ValueOrDie(),
              {{"zip", utf8(), R"(["007"])"}, {"n", arrow::int32(), "[1]"}, {"m", int64(), "[2]"}});
  csv.types = {{"zap", utf8()}};
  EXPECT_STATUS_HAS(Read("zip,n,m\n007,1,2\n", csv).status(), IsKeyError, "zap");
}

TEST_F(ReadCsvTest, ColumnsAndFilters) {
  ReadOptions options;
  options.columns = {"c", "a"};
  options.filter = arrow::compute::greater(arrow::compute::field_ref("b"), arrow::compute::literal(2));
  ExpectTable(Read("a,b,c\n1,2,x\n3,4,y\n5,,z\n", {}, options).ValueOrDie(),
              {{"a", int64(), "[3]"}, {"c", utf8(), R"(["y"])"}});
  options.columns = {"d"};
  EXPECT_STATUS_HAS(Read("a,b,c\n1,2,x\n", {}, options).status(), IsKeyError, "'d'");
  options.columns = {};
  options.filter = arrow::compute::greater(arrow::compute::field_ref("e"), arrow::compute::literal(2));
  EXPECT_STATUS_HAS(Read("a,b,c\n1,2,x\n", {}, options).status(), IsKeyError, "'e'");
}

TEST_F(ReadCsvTest, NothingButAHeader) {
  for (const char* text : {"a,b", "a,b\n", "a,b\r\n", "a,b\n\n\n"}) {
    ExpectTable(Read(text).ValueOrDie(), {{"a", arrow::null(), "[]"}, {"b", arrow::null(), "[]"}});
  }
  CsvOptions csv;
  csv.types = {{"b", int64()}};
  ExpectTable(Read("a,b\n", csv).ValueOrDie(), {{"a", arrow::null(), "[]"}, {"b", int64(), "[]"}});
  EXPECT_STATUS_HAS(Read("").status(), IsInvalid, "a.csv': the file is empty");
  EXPECT_STATUS_HAS(Read("\n\n").status(), IsInvalid, "empty");
}

TEST_F(ReadCsvTest, LineEndsWithinQuotesAndOfEveryKind) {
  const std::vector<test::JsonColumn> expected = {{"a", utf8(), "[\"x\\ny\", \"z\"]"}, {"b", int64(), "[1, 2]"}};
  ExpectTable(Read("a,b\n\"x\ny\",1\nz,2").ValueOrDie(), expected);
  ExpectTable(Read("a,b\r\"x\ny\",1\rz,2\r").ValueOrDie(), expected);
  ExpectTable(Read("a,b\r\n\"x\ny\",1\r\n\r\nz,2\r\n").ValueOrDie(), expected);
}

TEST_F(ReadCsvTest, QuotedLineEndsAcrossBlocks) {
  // Several of Arrow's blocks, whose cuts fall anywhere.
  std::string text = "id,s\n";
  std::string value;
  for (int i = 0; i < 200; ++i) value += i % 7 == 0 ? "\n" : i % 5 == 0 ? "\"\"" : "x,";
  for (int i = 0; i < 40000; ++i) text += std::to_string(i) + ",\"" + value + "\"\n";
  ASSERT_GT(text.size(), size_t{9} << 20);
  for (const int threads : {1, 4}) {
    const auto table = Read(text, {}, {}, threads).ValueOrDie();
    ASSERT_EQ(table->num_rows(), 40000);
    const auto ids = test::Int64Values(*table, "id");
    for (int i = 0; i < 40000; ++i) ASSERT_EQ(ids[static_cast<size_t>(i)], i);
  }
}

TEST_F(ReadCsvTest, ALateChangeOfTypeHoldsForAllRows) {
  std::string text = "n,z\n";
  for (int i = 0; i < 400000; ++i) text += std::to_string(i) + ",00" + std::to_string(i % 10) + "\n";
  text += "0.5,x\n";
  for (const int threads : {1, 4}) {
    const auto table = Read(text, {}, {}, threads).ValueOrDie();
    EXPECT_EQ(table->column(0)->type()->id(), arrow::Type::DOUBLE);
    EXPECT_EQ(table->column(1)->GetScalar(7).ValueOrDie()->ToString(), "007");
  }
}

TEST_F(ReadCsvTest, ARecordLongerThanABlock) {
  const std::string big(6 << 20, 'x');
  const auto table = Read("a,b\n1,s\n2," + big + "\n3,t\n").ValueOrDie();
  EXPECT_EQ(table->num_rows(), 3);
}

TEST_F(ReadCsvTest, ErrorsNameFileLineAndCause) {
  for (const int threads : {1, 4}) {
    const auto status = [&](std::string_view text, const CsvOptions& csv = {}) {
      return Read(text, csv, {}, threads).status();
    };
    EXPECT_STATUS_HAS(status("a,b\n1,2\n1,2,3\n"), IsInvalid,
                      "a.csv', line 3: CSV parse error: Expected 2 columns, got 3");
    EXPECT_STATUS_HAS(status("a,b\n1,2\n\n\"x\ny\",3\n1\n"), IsInvalid,
                      "a.csv', line 6: CSV parse error: Expected 2 columns, got 1");
    CsvOptions csv;
    csv.types = {{"b", int64()}};
    EXPECT_STATUS_HAS(status("a,b\n1,2\n\"3\n\",4\nq,r\n", csv), IsInvalid,
                      "a.csv', line 5, column 'b': 'r' as int64: not a value of the type");
    csv.header = false;
    csv.names = {"a", "b"};
    EXPECT_STATUS_HAS(status("\n1,2\nq,r\n", csv), IsInvalid, "a.csv', line 3, column 'b'");
    EXPECT_STATUS_HAS(status("a,b\n1,2\n3,\"4\n5,6\n"), IsInvalid, "line 3: a quoted field");
    EXPECT_STATUS_HAS(status("\"a,b\n1,2\n"), IsInvalid, "line 1: a quoted field");
    // A quote within a field that is not quoted stands for itself.
    EXPECT_TRUE(status("a,b\n1,2\"\n").ok());
  }
}

TEST_F(ReadCsvTest, TextThatIsNotUtf8) {
  EXPECT_STATUS_HAS(Read("a\n1\n\xff\n").status(), IsInvalid, "a.csv', line 3, column 'a': '?' as string: not UTF-8");
  CsvOptions csv;
  csv.type = arrow::binary();
  EXPECT_EQ(Read("a\n\xff\n", csv).ValueOrDie()->column(0)->type()->id(), arrow::Type::BINARY);
  csv = {};
  csv.encoding = "latin1";
  ExpectTable(Read("a\n\xe4\n", csv).ValueOrDie(), {{"a", utf8(), "[\"\u00e4\"]"}});
}

TEST_F(ReadCsvTest, FilesOfOneShareAgreeOnTypes) {
  directory_.Write("d/1.csv", "z,n,u\n007,1,\n");
  directory_.Write("d/2.csv", "n,u,z\n1.5,2013-01-01,x\n");
  directory_.Write("d/3.csv", "z,n,u\n010,,2013-01-01 05:00:00\n");
  directory_.Write("d/4.csv", "z,n,u\n");
  for (const int threads : {1, 2, 8}) {
    ExpectTable(ReadAll(0, 1, threads).ValueOrDie(), {{"z", utf8(), R"(["007", "x", "010"])"},
                                                      {"n", float64(), "[1, 1.5, null]"},
                                                      {"u", utf8(), R"([null, "2013-01-01", "2013-01-01 05:00:00"])"}});
  }
}

TEST_F(ReadCsvTest, FilesOfOtherColumnsAreNamed) {
  directory_.Write("d/1.csv", "a,b\n1,2\n");
  directory_.Write("d/2.csv", "a,c\n1,2\n");
  EXPECT_STATUS_HAS(ReadAll().status(), IsKeyError, "2.csv' has no column 'b'");
  directory_.Write("d/2.csv", "a,b,c\n1,2,3\n");
  EXPECT_STATUS_HAS(ReadAll().status(), IsKeyError, "2.csv' has a column 'c'");
}

TEST_F(ReadCsvTest, RanksShareWholeFiles) {
  for (int file = 0; file < 6; ++file) {
    std::string text = "id\n";
    for (int i = 0; i < 10; ++i) text += std::to_string(100 + 10 * file + i) + "\n";
    directory_.Write("d/" + std::to_string(file) + ".csv", text);
  }
  for (const int world : {1, 2, 3, 9}) {
    std::vector<int64_t> all;
    int with_files = 0;
    for (int rank = 0; rank < world; ++rank) {
      const auto table = ReadAll(rank, world).ValueOrDie();
      if (table == nullptr) continue;
      ++with_files;
      for (const int64_t id : test::Int64Values(*table, "id")) all.push_back(id);
    }
    EXPECT_EQ(with_files, std::min(world, 6));
    ASSERT_EQ(all.size(), 60u);
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], 100 + static_cast<int64_t>(i));
  }
}

TEST_F(ReadCsvTest, CompressedFiles) {
  WriteOptions options;
  options.format = FileFormat::kCsv;
  options.compression = "gzip";
  const auto table = test::CountingTable(0, 5000);
  ASSERT_TRUE(WriteFile(directory_ / "a.csv.gz", *table, options, Context()).ok());
  EXPECT_EQ(test::ReadBytes(directory_ / "a.csv.gz").substr(0, 2), "\x1f\x8b");
  const auto read = ReadCsv({directory_ / "a.csv.gz"}, {}, {}, Context()).ValueOrDie();
  EXPECT_TRUE(read->CombineChunks().ValueOrDie()->Equals(*table));
  const std::string bytes = test::ReadBytes(directory_ / "a.csv.gz");
  directory_.Write("cut.csv.gz", bytes.substr(0, bytes.size() / 2));
  EXPECT_STATUS_HAS(ReadCsv({directory_ / "cut.csv.gz"}, {}, {}, Context()).status(), IsIOError, "cut.csv.gz");
}

TEST_F(ReadCsvTest, MemoryAndStopping) {
  std::string text = "a\n";
  for (int i = 0; i < 100000; ++i) text += std::to_string(i) + "\n";
  directory_.Write("a.csv", text);
  arrow::CappedMemoryPool pool(arrow::default_memory_pool(), 300'000);
  Context context;
  context.pool = &pool;
  EXPECT_TRUE(ReadCsv({directory_ / "a.csv"}, {}, {}, context).status().IsOutOfMemory());
  arrow::StopSource source;
  source.RequestStop();
  Context stopped;
  stopped.stop = source.token();
  EXPECT_TRUE(ReadCsv({directory_ / "a.csv"}, {}, {}, stopped).status().IsCancelled());
}

TEST_F(ReadCsvTest, AMissingFile) {
  const auto status = ReadCsv({directory_ / "none.csv"}, {}, {}, Context()).status();
  EXPECT_STATUS_HAS(status, IsIOError, "none.csv");
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(status), ENOENT);
}

}  // namespace
}  // namespace weft::io
