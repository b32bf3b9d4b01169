#include "weft/base/open_files.h"

#include <arrow/util/io_util.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace weft {
namespace {

/// This process may have `most` files; as before afterwards.
class Limited {
 public:
  explicit Limited(rlim_t most) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit less{most, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &less), 0);
  }
  ~Limited() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(OpenFiles, AsManyAsThereAreRoomFor) {
  const Limited limited(64);
  std::vector<int> held;
  for (int file = ::open("/dev/null", O_RDONLY); file >= 0; file = ::open("/dev/null", O_RDONLY)) held.push_back(file);
  EXPECT_TRUE(OutOfFiles(errno));
  EXPECT_TRUE(RequireOpenFiles("x", 0).ok());
  for (int64_t room = 0; room < 5; ++room) {
    EXPECT_TRUE(RequireOpenFiles("x", room).ok()) << room;
    const arrow::Status status = RequireOpenFiles("links", room + 1);
    EXPECT_EQ(arrow::internal::ErrnoFromStatus(status), EMFILE);
    EXPECT_EQ(status.message(), "links: " + std::to_string(room + 1) + " more files are needed, and " +
                                    std::to_string(room) +
                                    " can be opened: Too many open files: this process may have 64; raise its limit "
                                    "(ulimit -n)");
    ::close(held.back());
    held.pop_back();
  }
  for (const int file : held) ::close(file);
}

TEST(OpenFiles, MessagesSayWhatTheErrnoMeansOnce) {
  EXPECT_EQ(ErrnoText(ENOENT), "No such file or directory");
  EXPECT_NE(ErrnoText(ENFILE).find("fs.file-max"), std::string::npos);
  EXPECT_FALSE(OutOfFiles(ENOSPC));
  const arrow::Status plain = arrow::Status::IOError("nothing");
  EXPECT_EQ(MessageWithErrno(plain), "nothing");
  const arrow::Status full = arrow::internal::IOErrorFromErrno(ENOSPC, "cannot write 'x'");
  EXPECT_EQ(MessageWithErrno(full), "cannot write 'x': No space left on device");
  const arrow::Status said = arrow::internal::IOErrorFromErrno(ENOSPC, "x: No space left on device");
  EXPECT_EQ(MessageWithErrno(said), "x: No space left on device");
}

}  // namespace
}  // namespace weft
