#include "weft/distributed/write.h"

#include <arrow/util/io_util.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "distributed/ranks.h"
#include "io/files.h"
#include "table/random_table.h"
#include "weft/io/read.h"

namespace weft::distributed {
namespace {

using test::CountingTable;
using test::TemporaryDirectory;
using test::Worlds;
using Names = std::vector<std::string>;

class DistributedWriteTest : public ::testing::Test {
 protected:
  /// Each rank writes its share of 0 ... 99; returns each rank's status.
  std::vector<arrow::Status> WriteAll(int world, const std::string& path, const io::WriteOptions& options = {},
                                      bool overwrite = false, int64_t first = 0) {
    const auto table = CountingTable(first, 100);
    const auto results = test::OnRanks(world, [&](Communicator& communicator) -> test::TableResult {
      const auto share = test::Share(table, communicator.rank(), world);
      ARROW_RETURN_NOT_OK(Write(communicator, path, share, options, "job-1", overwrite, Context()));
      return share;
    });
    std::vector<arrow::Status> statuses;
    for (const auto& result : results) statuses.push_back(result.status());
    return statuses;
  }
  static void ExpectAllOk(const std::vector<arrow::Status>& statuses) {
    for (const auto& status : statuses) EXPECT_TRUE(status.ok()) << status;
  }
  TemporaryDirectory directory_;
};

TEST_F(DistributedWriteTest, OnePartARankInOrder) {
  for (const int world : Worlds()) {
    const std::string name = "out" + std::to_string(world);
    ExpectAllOk(WriteAll(world, directory_ / name));
    EXPECT_EQ(directory_.Names(name).size(), static_cast<size_t>(world));
    const auto table = io::ReadParquet({directory_ / name}, {}, Context()).ValueOrDie();
    EXPECT_TRUE(test::SameRowsInOrder(*table, *CountingTable(0, 100)));
  }
  for (const auto& name : directory_.Names()) EXPECT_TRUE(name.starts_with("out")) << name;
}

TEST_F(DistributedWriteTest, Csv) {
  io::WriteOptions options;
  options.format = io::FileFormat::kCsv;
  options.compression = "gzip";
  ExpectAllOk(WriteAll(3, directory_ / "out", options));
  EXPECT_EQ(directory_.Names("out"), (Names{"part-00000.csv.gz", "part-00001.csv.gz", "part-00002.csv.gz"}));
  const auto table = io::ReadCsv({directory_ / "out"}, {}, {}, Context()).ValueOrDie();
  EXPECT_TRUE(test::SameRowsInOrder(*table, *CountingTable(0, 100)));
}

TEST_F(DistributedWriteTest, WithoutRename) {
  const std::string path = "mock://weft-distributed-write/out";
  ExpectAllOk(WriteAll(4, path));
  const auto table = io::ReadParquet({path}, {}, Context()).ValueOrDie();
  EXPECT_TRUE(test::SameRowsInOrder(*table, *CountingTable(0, 100)));
  for (const auto& status : WriteAll(2, path)) EXPECT_STATUS_HAS(status, IsIOError, "exists already");
  ExpectAllOk(WriteAll(2, path, {}, true, 500));
  EXPECT_EQ(test::Int64Values(*io::ReadParquet({path}, {}, Context()).ValueOrDie(), "id")[0], 500);
}

TEST_F(DistributedWriteTest, AnExistingTargetIsAnErrorOnAllRanks) {
  ExpectAllOk(WriteAll(2, directory_ / "out"));
  const auto statuses = WriteAll(3, directory_ / "out");
  for (const auto& status : statuses) EXPECT_STATUS_HAS(status, IsIOError, "exists already");
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(statuses[0]), EEXIST);
  EXPECT_EQ(directory_.Names(), (Names{"out"}));
  ExpectAllOk(WriteAll(3, directory_ / "out", {}, true));
  EXPECT_EQ(directory_.Names("out").size(), 3u);
}

TEST_F(DistributedWriteTest, PathsAndSchemasMustAgree) {
  const auto different_path = test::OnRanks(2, [&](Communicator& communicator) -> test::TableResult {
    const auto table = CountingTable(0, 1);
    ARROW_RETURN_NOT_OK(
        Write(communicator, directory_ / std::to_string(communicator.rank()), table, {}, "job-1", false, Context()));
    return table;
  });
  for (const auto& result : different_path) EXPECT_STATUS_HAS(result.status(), IsInvalid, "same on all ranks");
  const auto different_schema = test::OnRanks(2, [&](Communicator& communicator) -> test::TableResult {
    auto table = CountingTable(0, 1);
    if (communicator.rank() == 1) table = table->RemoveColumn(0).ValueOrDie();
    ARROW_RETURN_NOT_OK(Write(communicator, directory_ / "out", table, {}, "job-1", false, Context()));
    return table;
  });
  for (const auto& result : different_schema) EXPECT_TRUE(result.status().IsTypeError()) << result.status();
  EXPECT_TRUE(directory_.Names().empty());
}

TEST_F(DistributedWriteTest, WrongOptionsLeaveNothing) {
  io::WriteOptions options;
  options.compression = "zpaq";
  for (const auto& status : WriteAll(3, directory_ / "out", options)) EXPECT_STATUS_HAS(status, IsInvalid, "zpaq");
  for (const auto& status : WriteAll(3, directory_ / "none/out")) EXPECT_STATUS_HAS(status, IsIOError, "none");
  EXPECT_TRUE(directory_.Names().empty());
}

/// One rank's disk is full: in a process where files may not grow beyond 8 KB, only rank 1 has that much to write.
TEST_F(DistributedWriteTest, OneRanksFullDiskIsAnErrorOnAllAndLeavesNothing) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer has no threads after a fork";
#endif
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {8192, 8192};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto results = test::OnRanks(3, [&](Communicator& communicator) -> test::TableResult {
      const auto table = CountingTable(0, communicator.rank() == 1 ? 50000 : 5);
      ARROW_RETURN_NOT_OK(Write(communicator, directory_ / "out", table, {}, "job-1", false, Context()));
      return table;
    });
    int wrong = 0;
    for (size_t rank = 0; rank < results.size(); ++rank) {
      const std::string text = results[rank].status().ToString();
      // A rank's own error needs no name of its own.
      const bool right = results[rank].status().IsIOError() &&
                         (rank == 1 || text.find("rank 1") != std::string::npos) &&
                         text.find("part-00001.parquet") != std::string::npos;
      if (!right) std::fprintf(stderr, "%s\n", text.c_str());
      wrong += right ? 0 : 1;
    }
    ::_exit(wrong);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(directory_.Names().empty());
}

/// A rank that is lost while others write: no output, and what the others wrote is gone.
TEST_F(DistributedWriteTest, ALostRankLeavesNothing) {
  const auto results = test::OnRanks(3, [&](Communicator& communicator) -> test::TableResult {
    const auto table = CountingTable(0, 5);
    if (communicator.rank() == 2) {
      communicator.Abort(arrow::Status::IOError("power cut"));
      return arrow::Status::IOError("power cut");
    }
    ARROW_RETURN_NOT_OK(Write(communicator, directory_ / "out", table, {}, "job-1", false, Context()));
    return table;
  });
  for (const auto& result : results) EXPECT_STATUS_HAS(result.status(), IsIOError, "power cut");
  EXPECT_TRUE(directory_.Names().empty());
}

}  // namespace
}  // namespace weft::distributed
