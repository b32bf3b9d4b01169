#include "weft/base/open_files.h"

#include <arrow/util/io_util.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

namespace weft {
namespace {

int64_t LimitOfThisProcess() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
  return static_cast<int64_t>(limit.rlim_cur);
}

}  // namespace

bool OutOfFiles(int error) { return error == EMFILE || error == ENFILE; }

std::string ErrnoText(int error) {
  std::string text = std::generic_category().message(error);
  if (error == EMFILE) {
    text += ": this process may have " + std::to_string(LimitOfThisProcess()) + "; raise its limit (ulimit -n)";
  } else if (error == ENFILE) {
    text += ": raise the host's limit (sysctl fs.file-max)";
  }
  return text;
}

std::string MessageWithErrno(const arrow::Status& status) {
  const int error = arrow::internal::ErrnoFromStatus(status);
  std::string text = status.message();
  if (error == 0 || text.find(std::generic_category().message(error)) != std::string::npos) return text;
  return text + ": " + ErrnoText(error);
}

arrow::Status RequireOpenFiles(std::string_view what, int64_t needed) {
  std::vector<int> held;
  int error = 0;
  for (int64_t i = 0; i < needed && error == 0; ++i) {
    const int file = i == 0 ? ::open("/dev/null", O_RDONLY | O_CLOEXEC) : ::fcntl(held[0], F_DUPFD_CLOEXEC, 0);
    if (file < 0) {
      error = errno;
    } else {
      held.push_back(file);
    }
  }
  for (const int file : held) ::close(file);
  if (error == 0) return arrow::Status::OK();
  return arrow::internal::IOErrorFromErrno(error, what, ": ", needed, " more files are needed, and ", held.size(),
                                           " can be opened: ", ErrnoText(error));
}

}  // namespace weft
