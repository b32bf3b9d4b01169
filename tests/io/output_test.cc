#include "weft/io/output.h"

#include <arrow/compute/api.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/io_util.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "io/files.h"
#include "table/random_table.h"
#include "weft/io/read.h"

namespace weft::io {
namespace {

using test::CountingTable;
using test::JsonTable;
using test::TemporaryDirectory;
using Names = std::vector<std::string>;

WriteOptions CsvFormat() {
  WriteOptions options;
  options.format = FileFormat::kCsv;
  return options;
}

class OutputTest : public ::testing::Test {
 protected:
  std::unique_ptr<Output> Make(const std::string& name, const std::string& token = "job-3", bool overwrite = false) {
    auto made = Output::Make(directory_ / name, token, overwrite);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  /// Two ranks' parts of 0 ... 19, from `first` on.
  arrow::Status WriteWhole(const std::string& name, const std::string& token, bool overwrite, int64_t first = 0) {
    const auto zero = Make(name, token, overwrite);
    const auto one = Make(name, token, overwrite);
    ARROW_RETURN_NOT_OK(zero->Begin());
    ARROW_ASSIGN_OR_RAISE(const auto b, one->WritePart(1, *CountingTable(first + 10, 10), {}, Context()));
    ARROW_ASSIGN_OR_RAISE(const auto a, zero->WritePart(0, *CountingTable(first, 10), {}, Context()));
    return zero->Commit({a, b});
  }
  std::vector<int64_t> Ids(const std::string& name) {
    auto table = ReadParquet({directory_ / name}, {}, Context());
    EXPECT_TRUE(table.ok()) << table.status();
    return table.ok() ? test::Int64Values(**table, "id") : std::vector<int64_t>();
  }
  TemporaryDirectory directory_;
};

TEST_F(OutputTest, PartsAreSeenWhenAllAreThere) {
  const auto zero = Make("out");
  const auto one = Make("out");
  ASSERT_TRUE(zero->Begin().ok());
  EXPECT_EQ(directory_.Names(), (Names{".out.weft-job-3"}));
  const auto b = one->WritePart(1, *CountingTable(10, 10), {}, Context()).ValueOrDie();
  const auto a = zero->WritePart(0, *CountingTable(0, 10), {}, Context()).ValueOrDie();
  EXPECT_EQ(a, "part-00000.parquet");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out"));
  EXPECT_FALSE(ExpandPaths({directory_.path()}, ".parquet").ok());
  ASSERT_TRUE(zero->Commit({a, b}).ok());
  EXPECT_EQ(directory_.Names(), (Names{"out"}));
  EXPECT_EQ(directory_.Names("out"), (Names{"part-00000.parquet", "part-00001.parquet"}));
  EXPECT_EQ(Ids("out").size(), 20u);
  // Nothing of a committed output goes.
  zero->Abandon();
  one->Abandon();
  EXPECT_EQ(Ids("out").size(), 20u);
}

TEST_F(OutputTest, AbandonLeavesNothing) {
  const auto zero = Make("out");
  const auto one = Make("out");
  ASSERT_TRUE(zero->Begin().ok());
  ASSERT_TRUE(one->WritePart(1, *CountingTable(10, 10), {}, Context()).ok());
  ASSERT_TRUE(zero->WritePart(0, *CountingTable(0, 10), {}, Context()).ok());
  one->Abandon();
  EXPECT_EQ(directory_.Names(".out.weft-job-3"), (Names{"part-00000.parquet"}));
  zero->Abandon();
  EXPECT_TRUE(directory_.Names().empty());
  zero->Abandon();
}

TEST_F(OutputTest, AnExistingTargetIsRefusedBeforeAnythingIsWritten) {
  directory_.Write("out/part-00000.parquet", "old");
  directory_.Write("file", "old");
  for (const char* name : {"out", "file", "out/"}) {
    const auto output = Make(name);
    const auto status = output->Begin();
    EXPECT_STATUS_HAS(status, IsIOError, "exists already");
    EXPECT_EQ(arrow::internal::ErrnoFromStatus(status), EEXIST);
    EXPECT_EQ(directory_.Names(), (Names{"file", "out"}));
  }
}

TEST_F(OutputTest, ATargetThatAppearsMeanwhileIsNotReplaced) {
  const auto output = Make("out");
  ASSERT_TRUE(output->Begin().ok());
  const auto part = output->WritePart(0, *CountingTable(0, 10), {}, Context()).ValueOrDie();
  std::filesystem::create_directory(directory_ / "out");
  const auto status = output->Commit({part});
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(status), EEXIST) << status;
  output->Abandon();
  EXPECT_EQ(directory_.Names(), (Names{"out"}));
}

TEST_F(OutputTest, OverwriteReplacesAtCommit) {
  ASSERT_TRUE(WriteWhole("out", "job-3", true).ok());
  const auto output = Make("out", "job-4", true);
  ASSERT_TRUE(output->Begin().ok());
  const auto part = output->WritePart(0, *CountingTable(100, 5), {}, Context()).ValueOrDie();
  EXPECT_EQ(Ids("out").front(), 0);
  ASSERT_TRUE(output->Commit({part}).ok());
  EXPECT_EQ(Ids("out"), (std::vector<int64_t>{100, 101, 102, 103, 104}));
  EXPECT_EQ(directory_.Names(), (Names{"out"}));
  directory_.Write("plain.parquet", "one file");
  ASSERT_TRUE(WriteWhole("plain.parquet", "job-5", true).ok());
  EXPECT_EQ(directory_.Names("plain.parquet").size(), 2u);
}

TEST_F(OutputTest, OverwriteDoesNotReplaceWhatIsNoOutput) {
  directory_.Write("home/thesis.tex", "years of work");
  EXPECT_STATUS_HAS(Make("home", "job-3", true)->Begin(), IsIOError, "thesis.tex");
  directory_.Write("deep/x/part.parquet", "");
  EXPECT_STATUS_HAS(Make("deep", "job-3", true)->Begin(), IsIOError, "'x'");
  EXPECT_EQ(directory_.Names(), (Names{"deep", "home"}));
}

TEST_F(OutputTest, LeftoversOfEarlierAttemptsGo) {
  for (const char* name : {".out.weft-job-2/p", ".out.weft-job-3/p", ".out.weft-job-4/p", ".out.weft-other-1/p",
                           ".out.weft-job-2.removed/p", ".out2.weft-job-2/p", ".out.weft-job-x/p"}) {
    directory_.Write(name, "");
  }
  const auto output = Make("out");
  ASSERT_TRUE(output->Begin().ok());
  EXPECT_EQ(directory_.Names(),
            (Names{".out.weft-job-3", ".out.weft-job-4", ".out.weft-job-x", ".out.weft-other-1", ".out2.weft-job-2"}));
  EXPECT_TRUE(directory_.Names(".out.weft-job-3").empty());
}

TEST_F(OutputTest, EarlierAttempts) {
  EXPECT_TRUE(IsEarlierAttempt("a-b-9", "a-b-10"));
  EXPECT_FALSE(IsEarlierAttempt("a-b-10", "a-b-10"));
  EXPECT_FALSE(IsEarlierAttempt("a-b-11", "a-b-10"));
  EXPECT_FALSE(IsEarlierAttempt("a-c-1", "a-b-10"));
  EXPECT_FALSE(IsEarlierAttempt("a-b", "a-b-10"));
  EXPECT_FALSE(IsEarlierAttempt("a-b-", "a-b-10"));
  EXPECT_FALSE(IsEarlierAttempt("a-b-1x", "a-b-10"));
  EXPECT_FALSE(IsEarlierAttempt("", "ab"));
  EXPECT_TRUE(IsEarlierAttempt("a-9.5", "a-10.0"));
  EXPECT_FALSE(IsEarlierAttempt("a-10.0", "a-10.1"));
}

TEST_F(OutputTest, WrongTargets) {
  EXPECT_STATUS_HAS(Make("none/out")->Begin(), IsIOError, "there is no directory");
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(Make("none/out")->Begin()), ENOENT);
  EXPECT_TRUE(Output::Make("/", "t", false).status().IsInvalid());
  EXPECT_TRUE(Output::Make("a/..", "t", false).status().IsInvalid());
  EXPECT_TRUE(Output::Make("", "t", false).status().IsInvalid());
  EXPECT_TRUE(Output::Make("a", "../t", false).status().IsInvalid());
  const auto blind = Make("out")->WritePart(1, *CountingTable(0, 1), {}, Context());
  EXPECT_STATUS_HAS(blind.status(), IsIOError, "all ranks must see one file system");
}

TEST_F(OutputTest, AMissingPartIsNotCommitted) {
  const auto output = Make("out");
  ASSERT_TRUE(output->Begin().ok());
  EXPECT_STATUS_HAS(output->Commit({"part-00007.parquet"}), IsIOError, "part-00007.parquet");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out"));
  output->Abandon();
}

/// In a process of its own, where files may not grow beyond 4 KB: a disk that is full.
TEST_F(OutputTest, AFullDiskIsAnErrorAndLeavesNothing) {
  const auto output = Make("out");
  ASSERT_TRUE(output->Begin().ok());
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto part = output->WritePart(1, *CountingTable(0, 100000), {}, Context());
    const bool named = part.status().IsIOError() && part.status().message().find("part-00001") != std::string::npos;
    const auto single = WriteFile(directory_ / "one.parquet", *CountingTable(0, 100000), {}, Context());
    ::_exit(named && single.IsIOError() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(directory_.Names(".out.weft-job-3").empty());
  EXPECT_EQ(directory_.Names(), (Names{".out.weft-job-3"}));
  output->Abandon();
}

TEST_F(OutputTest, AKilledWriterLeavesNothingVisible) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto output = Make("out.parquet", "job-1");
    if (!output->Begin().ok()) ::_exit(1);
    (void)output->WritePart(0, *CountingTable(0, 1000), {}, Context());
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(directory_.Names(), (Names{".out.parquet.weft-job-1"}));
  EXPECT_FALSE(ExpandPaths({directory_ / "*"}, ".parquet").ok());
  ASSERT_TRUE(WriteWhole("out.parquet", "job-2", false).ok());
  EXPECT_EQ(directory_.Names(), (Names{"out.parquet"}));
}

class ObjectOutputTest : public ::testing::Test {
 protected:
  /// Arrow's file system in memory stands where an object store would: no rename, a name in the URI.
  std::string Uri(const std::string& key) {
    return std::string("mock://weft-") + ::testing::UnitTest::GetInstance()->current_test_info()->name() + "/" + key;
  }
  std::unique_ptr<Output> Make(const std::string& token, bool overwrite) {
    return Output::Make(Uri("out"), token, overwrite).ValueOrDie();
  }
  arrow::Status WriteWhole(const std::string& token, bool overwrite, int64_t first) {
    const auto zero = Make(token, overwrite);
    const auto one = Make(token, overwrite);
    ARROW_RETURN_NOT_OK(zero->Begin());
    ARROW_ASSIGN_OR_RAISE(const auto b, one->WritePart(1, *CountingTable(first + 10, 10), {}, Context()));
    ARROW_ASSIGN_OR_RAISE(const auto a, zero->WritePart(0, *CountingTable(first, 10), {}, Context()));
    const auto status = zero->Commit({a, b});
    if (!status.ok()) zero->Abandon(), one->Abandon();
    return status;
  }
  int64_t First() {
    auto table = ReadParquet({Uri("out")}, {}, Context());
    if (!table.ok()) return -1;
    EXPECT_EQ((*table)->num_rows(), 20);
    return test::Int64Values(**table, "id")[0];
  }
  size_t Objects() {
    const auto location = Locate(Uri("out")).ValueOrDie();
    arrow::fs::FileSelector selector;
    selector.base_dir = location.path;
    selector.allow_not_found = true;
    return location.file_system->GetFileInfo(selector).ValueOrDie().size();
  }
};

TEST_F(ObjectOutputTest, TheManifestCommits) {
  const auto zero = Make("job-1", false);
  const auto one = Make("job-1", false);
  ASSERT_TRUE(zero->Begin().ok());
  const auto b = one->WritePart(1, *CountingTable(10, 10), {}, Context()).ValueOrDie();
  const auto a = zero->WritePart(0, *CountingTable(0, 10), {}, Context()).ValueOrDie();
  EXPECT_EQ(a, "part-00000.weft-job-1.parquet");
  EXPECT_EQ(First(), -1);
  EXPECT_FALSE(ExpandPaths({Uri("out/*.parquet")}, ".parquet").ok());
  ASSERT_TRUE(zero->Commit({a, b}).ok());
  EXPECT_EQ(First(), 0);
  zero->Abandon();
  EXPECT_EQ(First(), 0);
  // Another job, another write of this one, an earlier attempt.
  for (const char* token : {"other-2", "job-2.1", "job-0", "job-1"}) {
    EXPECT_STATUS_HAS(Make(token, false)->Begin(), IsIOError, "exists already");
  }
}

TEST_F(ObjectOutputTest, TheSameWriteOfAnEarlierAttemptCounts) {
  ASSERT_TRUE(WriteWhole("job-1.3", false, 0).ok());
  ASSERT_TRUE(WriteWhole("job-2.3", false, 500).ok());
  EXPECT_EQ(First(), 0);
  EXPECT_EQ(Objects(), 3u);
}

TEST_F(ObjectOutputTest, ALateCommitOfAnEarlierAttemptIsWhole) {
  const auto late = Make("job-1.0", false);
  ASSERT_TRUE(late->Begin().ok());
  const auto part = late->WritePart(0, *CountingTable(0, 20), {}, Context()).ValueOrDie();
  // Another attempt begins, and what the first one has written must not go: it commits now.
  const auto next = Make("job-2.0", false);
  ASSERT_TRUE(next->Begin().ok());
  ASSERT_TRUE(late->Commit({part}).ok());
  const auto own = next->WritePart(0, *CountingTable(500, 20), {}, Context()).ValueOrDie();
  ASSERT_TRUE(next->Commit({own}).ok());
  EXPECT_EQ(First(), 0);
  EXPECT_EQ(Objects(), 2u);
}

TEST_F(ObjectOutputTest, AnEarlierAttemptNeverReplacesALaterOne) {
  ASSERT_TRUE(WriteWhole("other-1.0", false, 900).ok());
  const auto late = Make("job-1.0", true);
  ASSERT_TRUE(late->Begin().ok());
  const auto part = late->WritePart(0, *CountingTable(100, 20), {}, Context()).ValueOrDie();
  const auto next = Make("job-2.0", true);
  ASSERT_TRUE(next->Begin().ok());
  const auto own = next->WritePart(0, *CountingTable(500, 20), {}, Context()).ValueOrDie();
  // Whoever commits first, the later attempt's output is what is there in the end.
  ASSERT_TRUE(next->Commit({own}).ok());
  EXPECT_STATUS_HAS(late->Commit({part}), IsIOError, "a later attempt");
  late->Abandon();
  EXPECT_EQ(First(), 500);
  EXPECT_EQ(Objects(), 2u);
}

TEST_F(ObjectOutputTest, ALaterAttemptReplacesAnEarlierOneThatCommittedMeanwhile) {
  ASSERT_TRUE(WriteWhole("other-1.0", false, 900).ok());
  const auto late = Make("job-1.0", true);
  const auto next = Make("job-2.0", true);
  ASSERT_TRUE(late->Begin().ok());
  const auto part = late->WritePart(0, *CountingTable(100, 20), {}, Context()).ValueOrDie();
  ASSERT_TRUE(next->Begin().ok());
  const auto own = next->WritePart(0, *CountingTable(500, 20), {}, Context()).ValueOrDie();
  ASSERT_TRUE(late->Commit({part}).ok());
  EXPECT_EQ(First(), 100);
  ASSERT_TRUE(next->Commit({own}).ok());
  EXPECT_EQ(First(), 500);
  EXPECT_EQ(Objects(), 2u);
}

TEST_F(ObjectOutputTest, ALateCommitOfAnEarlierAttemptIsRefused) {
  const auto late = Make("job-1.0", false);
  ASSERT_TRUE(late->Begin().ok());
  const auto part = late->WritePart(0, *CountingTable(100, 20), {}, Context()).ValueOrDie();
  ASSERT_TRUE(WriteWhole("job-2.0", false, 0).ok());
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(late->Commit({part})), EEXIST);
  late->Abandon();
  EXPECT_EQ(First(), 0);
  EXPECT_EQ(Objects(), 3u);
}

TEST_F(ObjectOutputTest, OfTwoAttemptsTheFirstCommitCounts) {
  const auto late = Make("job-1", false);
  ASSERT_TRUE(late->Begin().ok());
  const auto part = late->WritePart(0, *CountingTable(100, 20), {}, Context()).ValueOrDie();
  ASSERT_TRUE(WriteWhole("other-7", false, 0).ok());
  const auto status = late->Commit({part});
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(status), EEXIST) << status;
  late->Abandon();
  EXPECT_EQ(First(), 0);
  EXPECT_EQ(Objects(), 3u);
}

TEST_F(ObjectOutputTest, OverwriteReplacesAtCommit) {
  ASSERT_TRUE(WriteWhole("job-1", false, 0).ok());
  ASSERT_TRUE(WriteWhole("job-2", true, 500).ok());
  EXPECT_EQ(First(), 500);
  EXPECT_EQ(Objects(), 3u);
}

TEST_F(ObjectOutputTest, LeftoversOfEarlierAttemptsGo) {
  const auto dead = Make("job-1", false);
  ASSERT_TRUE(dead->Begin().ok());
  ASSERT_TRUE(dead->WritePart(5, *CountingTable(0, 1), {}, Context()).ok());
  EXPECT_EQ(Objects(), 1u);
  ASSERT_TRUE(WriteWhole("job-2", false, 7).ok());
  EXPECT_EQ(First(), 7);
  EXPECT_EQ(Objects(), 3u);
}

TEST_F(ObjectOutputTest, AbandonRemovesAllOfTheAttempt) {
  const auto zero = Make("job-1", false);
  const auto one = Make("job-1", false);
  ASSERT_TRUE(zero->Begin().ok());
  ASSERT_TRUE(one->WritePart(1, *CountingTable(0, 1), {}, Context()).ok());
  ASSERT_TRUE(zero->WritePart(0, *CountingTable(0, 1), {}, Context()).ok());
  zero->Abandon();
  EXPECT_EQ(Objects(), 0u);
}

TEST_F(ObjectOutputTest, OneObject) {
  ASSERT_TRUE(WriteFile(Uri("a.csv"), *CountingTable(0, 3), CsvFormat(), Context()).ok());
  const auto table = ReadCsv({Uri("a.csv")}, {}, {}, Context()).ValueOrDie();
  EXPECT_EQ(test::Int64Values(*table, "id"), (std::vector<int64_t>{0, 1, 2}));
}

class WriteFileTest : public ::testing::Test {
 protected:
  std::string Csv(const arrow::Table& table, WriteOptions options = {}) {
    options.format = FileFormat::kCsv;
    const auto status = WriteFile(directory_ / "a.csv", table, options, Context());
    EXPECT_TRUE(status.ok()) << status;
    return test::ReadBytes(directory_ / "a.csv");
  }
  TemporaryDirectory directory_;
};

TEST_F(WriteFileTest, ReplacesAFile) {
  directory_.Write("a.parquet", "old");
  ASSERT_TRUE(WriteFile(directory_ / "a.parquet", *CountingTable(0, 3), {}, Context()).ok());
  EXPECT_EQ(ReadParquet({directory_ / "a.parquet"}, {}, Context()).ValueOrDie()->num_rows(), 3);
  EXPECT_EQ(directory_.Names(), (Names{"a.parquet"}));
  const auto status = WriteFile(directory_ / "a.parquet", *CountingTable(0, 4), {}, Context(), false);
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(status), EEXIST) << status;
  EXPECT_TRUE(WriteFile(directory_ / "b.parquet", *CountingTable(0, 4), {}, Context(), false).ok());
  EXPECT_EQ(ReadParquet({directory_ / "a.parquet"}, {}, Context()).ValueOrDie()->num_rows(), 3);
}

TEST_F(WriteFileTest, WrongTargets) {
  std::filesystem::create_directory(directory_ / "d");
  auto status = WriteFile(directory_ / "d", *CountingTable(0, 3), {}, Context());
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(status), EISDIR) << status;
  status = WriteFile(directory_ / "none/a.parquet", *CountingTable(0, 3), {}, Context());
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(status), ENOENT) << status;
  WriteOptions options;
  options.compression = "zpaq";
  EXPECT_STATUS_HAS(WriteFile(directory_ / "a", *CountingTable(0, 3), options, Context()), IsInvalid, "zpaq");
  options = {};
  options.row_group_rows = 0;
  EXPECT_STATUS_HAS(WriteFile(directory_ / "a", *CountingTable(0, 3), options, Context()), IsInvalid, "row_group_rows");
  EXPECT_EQ(directory_.Names(), (Names{"d"}));
}

TEST_F(WriteFileTest, TypesThatAFormatCannotHoldAreNamed) {
  const auto table = JsonTable({{"ok", arrow::int64(), "[1]"}, {"l", arrow::list(arrow::int64()), "[[1]]"}});
  EXPECT_STATUS_HAS(WriteFile(directory_ / "a.csv", *table, CsvFormat(), Context()), IsTypeError, "'l'");
  const auto empty = JsonTable({{"e", arrow::struct_(arrow::FieldVector{}), "[{}]"}});
  EXPECT_STATUS_HAS(WriteFile(directory_ / "a.parquet", *empty, {}, Context()), IsTypeError, "'e'");
  EXPECT_TRUE(directory_.Names().empty());
}

TEST_F(WriteFileTest, EveryTypeThatCsvCanHold) {
  std::vector<std::shared_ptr<arrow::DataType>> types;
  for (const auto& type : test::KeyTypes()) {
    if (type->id() != arrow::Type::DURATION) types.push_back(type);
  }
  test::RandomTableOptions random;
  random.rows = 200;
  const std::string text = Csv(*test::RandomTable(test::SchemaOf(types), random));
  EXPECT_GT(std::count(text.begin(), text.end(), '\n'), 200);
}

TEST_F(WriteFileTest, CsvText) {
  const auto table = JsonTable({{"i", arrow::int64(), "[1, null]"}, {"s", arrow::utf8(), R"(["a,\"b", null])"}});
  EXPECT_EQ(Csv(*table), "i,s\n1,\"a,\"\"b\"\n,\n");
  WriteOptions options;
  options.header = false;
  options.delimiter = '\t';
  EXPECT_EQ(Csv(*table, options), "1\t\"a,\"\"b\"\n\t\n");
  // A blank line would be no row.
  EXPECT_EQ(Csv(*table->SelectColumns({0}).ValueOrDie()), "i\n1\n\"\"\n");
  test::ExpectTable(ReadCsv({directory_ / "a.csv"}, {}, {}, Context()).ValueOrDie(),
                    {{"i", arrow::int64(), "[1, null]"}});
}

TEST_F(WriteFileTest, CsvDictionariesAreTheirValues) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  EXPECT_EQ(Csv(*JsonTable({{"a,b", arrow::int64(), "[1]"}, {"", arrow::int64(), "[2]"}})), "\"a,b\",\n1,2\n");
  EXPECT_EQ(Csv(*JsonTable({{"a", type, R"(["x", null, "x"])"}, {"b", arrow::int64(), "[1, 2, 3]"}})),
            "a,b\nx,1\n,2\nx,3\n");
}

TEST_F(WriteFileTest, CsvNumbersAreAsPythonHasThem) {
  const auto table = JsonTable(
      {{"d", arrow::float64(), "[0.1, 1, -0.0, 1e16, 123456789012345680, 1e-5, 0.0001, 1e300, 5e-324, null]"}});
  EXPECT_EQ(Csv(*table), "d\n0.1\n1.0\n-0.0\n1e+16\n1.2345678901234568e+17\n1e-05\n0.0001\n1e+300\n5e-324\n\"\"\n");
  WriteOptions options;
  options.float_format = "%.2f";
  options.null_text = "-";
  options.quoting = CsvQuoting::kNotNumbers;
  const auto some = JsonTable({{"d", arrow::float64(), "[0.125, null]"}, {"s", arrow::utf8(), R"(["x", "y"])"}});
  EXPECT_EQ(Csv(*some, options), "\"d\",\"s\"\n0.12,\"x\"\n\"-\",\"y\"\n");
}

TEST_F(WriteFileTest, RowGroupsAreAsLongAsAskedForWhateverTheChunks) {
  std::vector<std::shared_ptr<arrow::Table>> chunks;
  for (int i = 0; i < 30; ++i) chunks.push_back(CountingTable(i * 10, 10));
  const auto table = arrow::ConcatenateTables(chunks).ValueOrDie();
  for (const int threads : {1, 4}) {
    WriteOptions options;
    options.row_group_rows = 64;
    Context context;
    context.threads = threads;
    ASSERT_TRUE(WriteFile(directory_ / "a.parquet", *table, options, context).ok());
    int64_t rows = 0;
    for (int rank = 0; rank < 5; ++rank) {
      ReadOptions read;
      read.rank = rank;
      read.world_size = 5;
      const auto own = ReadParquet({directory_ / "a.parquet"}, read, context).ValueOrDie();
      EXPECT_EQ(own->num_rows(), rank < 4 ? 64 : 44);
      rows += own->num_rows();
    }
    EXPECT_EQ(rows, 300);
  }
}

}  // namespace
}  // namespace weft::io
