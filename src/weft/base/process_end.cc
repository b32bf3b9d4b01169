#include "weft/base/process_end.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace weft {

uint64_t ProcessStart(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
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

int OpenProcessEnd(pid_t process, uint64_t start) {
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  if (descriptor < 0) return -1;
  if (start != 0 && ProcessStart(process) == start) return descriptor;
  ::close(descriptor);
  return -1;
}

}  // namespace weft
