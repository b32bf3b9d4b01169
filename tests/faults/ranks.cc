// Starts the ranks of one job after another and says how each of them ended.
//
// Reads a line of orders (job.h) for each job, with "|" between them; prints a line of JSON. Ranks are forked from this
// process, which has loaded all that they need; those of MPI are started by mpirun. What they leave behind is seen:
// this process has memory files and System V segments of its own, where it may (root), and orphans become its children.
//
//   fault_ranks            the mother
//   fault_ranks ORDERS     a rank that mpirun has started
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "faults/job.h"

namespace {

using weft::faults::Now;
using weft::faults::Orders;

constexpr const char* kMemoryFiles = "/dev/shm";
/// From the start of a job, and from the kill on; what hangs, hangs for ever.
constexpr long long kHang = 180'000'000'000;
constexpr long long kHangAfterKill = 20'000'000'000;
/// An end is known this much later at most.
constexpr useconds_t kLook = 2000;

Orders Parse(const std::string& line) {
  Orders orders;
  std::istringstream words(line);
  for (std::string word; std::getline(words, word, '|');) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) orders[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return orders;
}

/// False where this process may not.
bool HaveOwnMemory() {
  if (::unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0) return false;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return ::mount("faults", kMemoryFiles, "tmpfs", 0, "size=4g") == 0;
}

std::set<std::string> SharedMemory() {
  std::set<std::string> found;
  if (DIR* const directory = ::opendir(kMemoryFiles); directory != nullptr) {
    while (const dirent* const entry = ::readdir(directory)) {
      if (entry->d_name[0] != '.') found.insert(entry->d_name);
    }
    ::closedir(directory);
  }
  std::ifstream segments("/proc/sysvipc/shm");
  std::string line;
  std::getline(segments, line);  // the head
  while (std::getline(segments, line)) {
    std::istringstream words(line);
    std::string key;
    std::string id;
    words >> key >> id;
    found.insert("sysv " + id);
  }
  return found;
}

void Redirect(const std::string& path) {
  const int out = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  const int in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
}

/// A child, in which `body` gives the exit code.
template <typename Body>
pid_t Fork(const std::string& log, Body&& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Redirect(log);
  std::exit(body());
}

int BecomeMpirun(const std::string& line, const Orders& orders) {
  ::setenv("TMPDIR", (orders.at("folder") + "/tmp").c_str(), 1);
  const std::string ranks = orders.at("ranks");
  char program[] = "/proc/self/exe";
  char path[4096] = "";
  if (::readlink(program, path, sizeof(path) - 1) < 0) return 126;
  const char* const arguments[] = {
      "mpirun", "--allow-run-as-root", "--oversubscribe", "-n", ranks.c_str(), path, line.c_str(), nullptr};
  ::execvp("mpirun", const_cast<char* const*>(arguments));
  return 127;
}

struct Ends {
  std::map<int, std::string> how;  // by rank
  std::map<int, long long> when;   // by rank
  std::vector<int> hung;           // ranks
  int orphans = 0;
};

std::string Describe(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit " + std::to_string(WEXITSTATUS(status));
}

Ends Await(std::map<pid_t, int> running, const std::string& folder) {
  Ends ends;
  long long hangs_at = Now() + kHang;
  const std::string struck_path = folder + "/killed";
  bool struck = false;
  bool killed = false;
  while (!running.empty()) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);
    if (ended > 0) {
      const auto rank = running.find(ended);
      if (rank == running.end()) continue;  // an orphan that ended
      ends.when[rank->second] = Now();
      ends.how[rank->second] = Describe(status);
      running.erase(rank);
      continue;
    }
    if (!struck && ::access(struck_path.c_str(), F_OK) == 0) {
      struck = true;
      hangs_at = Now() + kHangAfterKill;
    }
    if (!killed && Now() > hangs_at) {
      killed = true;
      for (const auto& [pid, rank] : running) {
        ends.hung.push_back(rank);
        ::kill(pid, SIGKILL);
      }
    }
    ::usleep(kLook);
  }
  // Those that mpirun has told to end may take a moment more than it.
  const long long gone_by = Now() + 2'000'000'000;
  for (;;) {
    const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
    if (ended < 0) return ends;
    if (ended == 0 && Now() > gone_by) break;
    if (ended == 0) ::usleep(kLook);
  }
  std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (pid_t child = 0; children >> child;) {
    ++ends.orphans;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  return ends;
}

void Print(const Ends& ends, const std::set<std::string>& left) {
  std::ostringstream text;
  text << "{\"ends\": {";
  const char* comma = "";
  for (const auto& [rank, how] : ends.how) {
    text << comma << '"' << rank << "\": [\"" << how << "\", " << ends.when.at(rank) << ']';
    comma = ", ";
  }
  text << "}, \"hung\": [";
  comma = "";
  for (const int rank : ends.hung) {
    text << comma << rank;
    comma = ", ";
  }
  text << "], \"orphans\": " << ends.orphans << ", \"shared_memory\": [";
  comma = "";
  for (const std::string& name : left) {
    text << comma << '"' << name << '"';
    comma = ", ";
  }
  std::cout << text.str() << "]}" << std::endl;
}

void RunOne(const std::string& line) {
  const Orders orders = Parse(line);
  const std::string folder = orders.at("folder");
  const std::set<std::string> before = SharedMemory();
  std::map<pid_t, int> running;
  if (orders.at("backend") == "mpi") {
    running[Fork(folder + "/log", [&] { return BecomeMpirun(line, orders); })] = 0;
  } else {
    for (int rank = 0; rank < std::stoi(orders.at("ranks")); ++rank) {
      running[Fork(folder + "/log", [&] {
        ::setenv("TMPDIR", (folder + "/tmp").c_str(), 1);
        return weft::faults::RunJob(orders, rank);
      })] = rank;
    }
  }
  const Ends ends = Await(std::move(running), folder);
  std::set<std::string> left = SharedMemory();
  for (const std::string& name : before) left.erase(name);
  Print(ends, left);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) {
    const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
    return weft::faults::RunJob(Parse(argv[1]), rank == nullptr ? -1 : std::atoi(rank));
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::cout << (HaveOwnMemory() ? "{\"own_memory\": true}" : "{\"own_memory\": false}") << std::endl;
  for (std::string line; std::getline(std::cin, line);) RunOne(line);
  return 0;
}
