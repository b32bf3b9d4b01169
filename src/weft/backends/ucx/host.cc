#include "weft/backends/ucx/host.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace weft::ucx {
namespace {

std::string ReadLink(const char* path) {
  char target[128];
  const ssize_t length = ::readlink(path, target, sizeof(target));
  return length <= 0 ? std::string() : std::string(target, static_cast<size_t>(length));
}

}  // namespace

std::string HostIdentity() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return boot + " " + ReadLink("/proc/self/ns/pid") + " " + ReadLink("/proc/self/ns/ipc");
}

uint64_t ProcessStart(int32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // The program's name, in parentheses, may hold anything; the start is the 20th field after it.
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream fields(text.substr(end + 1));
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

int WatchProcess(int32_t pid, uint64_t start) {
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0) return -1;
  if (start != 0 && ProcessStart(pid) == start) return descriptor;
  ::close(descriptor);
  return -1;
}

}  // namespace weft::ucx
