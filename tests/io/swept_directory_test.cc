#include "weft/io/swept_directory.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "io/files.h"

namespace weft::io {
namespace {

namespace files = std::filesystem;

/// How a child ends that runs `body`.
template <typename Body>
int StatusOf(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(7);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

void Fill(const files::path& directory) {
  files::create_directories(directory / "year=2013" / "month=1");
  std::ofstream(directory / "year=2013" / "month=1" / "part-00000.parquet") << "data";
  for (int i = 0; i < 300; ++i) std::ofstream(directory / ("part-" + std::to_string(i) + std::string(80, 'x'))) << i;
}

class SweptDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override { Fill(hidden_); }

  const test::TemporaryDirectory root_;
  const files::path hidden_ = files::path(root_.path()) / ".out.weft-1";
};

TEST_F(SweptDirectoryTest, GoesWithATerminatedProcess) {
  const int status = StatusOf([&] {
    const SweptDirectory swept(hidden_.string());
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_TRUE(files::is_empty(root_.path()));
}

TEST_F(SweptDirectoryTest, StaysOnceItIsLetGo) {
  const int status = StatusOf([&] {
    {
      const SweptDirectory swept(hidden_.string());
    }
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_TRUE(files::exists(hidden_));
}

TEST_F(SweptDirectoryTest, LeavesAProgramsOwnHandlerAlone) {
  const int status = StatusOf([&] {
    ::signal(SIGTERM, [](int) { ::_exit(3); });
    const SweptDirectory swept(hidden_.string());
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3) << status;
  EXPECT_TRUE(files::exists(hidden_));
}

TEST_F(SweptDirectoryTest, IsNotAForkedChilds) {
  const SweptDirectory swept(hidden_.string());
  const int status = StatusOf([] { ::raise(SIGTERM); });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_TRUE(files::exists(hidden_));
}

}  // namespace
}  // namespace weft::io
