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

/// The fields of /proc/{pid}/stat from the state on; the program's name before them, in parentheses, may hold anything.
std::string ReadState(int32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t end = text.rfind(')');
  return end == std::string::npos ? std::string() : text.substr(end + 1);
}

}  // namespace

std::string HostIdentity() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return boot + " " + ReadLink("/proc/self/ns/pid") + " " + ReadLink("/proc/self/ns/ipc");
}

uint64_t ProcessStart(int32_t pid) {
  std::istringstream fields(ReadState(pid));
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

bool IsStopped(int32_t pid) {
  std::istringstream fields(ReadState(pid));
  std::string state;
  fields >> state;
  return state == "T" || state == "t";
}

int WatchProcess(int32_t pid, uint64_t start) {
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0) return -1;
  if (start != 0 && ProcessStart(pid) == start) return descriptor;
  ::close(descriptor);
  return -1;
}

}  // namespace weft::ucx
