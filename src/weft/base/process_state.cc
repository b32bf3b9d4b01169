#include "weft/base/process_state.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace weft {

namespace {

/// The fields of /proc/{process}/stat from the state on; the program's name before them, in parentheses, may hold
/// anything.
std::istringstream ReadState(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t end = text.rfind(')');
  return std::istringstream(end == std::string::npos ? std::string() : text.substr(end + 1));
}

}  // namespace

uint64_t ProcessStart(pid_t process) {
  std::istringstream fields = ReadState(process);
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

bool ProcessIsStopped(pid_t process) {
  std::string state;
  ReadState(process) >> state;
  return state == "T" || state == "t";
}

int OpenProcessEnd(pid_t process, uint64_t start) {
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  if (descriptor < 0) return -1;
  if (start != 0 && ProcessStart(process) == start) return descriptor;
  ::close(descriptor);
  return -1;
}

}  // namespace weft
