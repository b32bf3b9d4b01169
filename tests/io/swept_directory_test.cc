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

TEST(SweptDirectory, GoesWithATerminatedProcess) {
  const test::TemporaryDirectory root;
  const files::path hidden = files::path(root.path()) / ".out.weft-1";
  Fill(hidden);
  const int status = StatusOf([&] {
    const SweptDirectory swept(hidden.string());
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_TRUE(files::is_empty(root.path()));
}

TEST(SweptDirectory, StaysOnceItIsLetGo) {
  const test::TemporaryDirectory root;
  const files::path hidden = files::path(root.path()) / ".out.weft-1";
  Fill(hidden);
  const int status = StatusOf([&] {
    {
      const SweptDirectory swept(hidden.string());
    }
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_TRUE(files::exists(hidden));
}

TEST(SweptDirectory, LeavesAProgramsOwnHandlerAlone) {
  const test::TemporaryDirectory root;
  const files::path hidden = files::path(root.path()) / ".out.weft-1";
  Fill(hidden);
  const int status = StatusOf([&] {
    ::signal(SIGTERM, [](int) { ::_exit(3); });
    const SweptDirectory swept(hidden.string());
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3) << status;
  EXPECT_TRUE(files::exists(hidden));
}

TEST(SweptDirectory, IsNotAForkedChilds) {
  const test::TemporaryDirectory root;
  const files::path hidden = files::path(root.path()) / ".out.weft-1";
  Fill(hidden);
  const SweptDirectory swept(hidden.string());
  const int status = StatusOf([] { ::raise(SIGTERM); });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_TRUE(files::exists(hidden));
}

}  // namespace
}  // namespace weft::io
