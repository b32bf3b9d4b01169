#include "weft/io/swept_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace weft::io {
namespace {

constexpr int kMost = 16;
constexpr size_t kLongest = 4096;
constexpr int kDeepest = 16;
/// Reading a directory while its entries go may miss some.
constexpr int kRounds = 8;

struct Place {
  std::atomic<pid_t> process{0};  // 0: free
  char path[kLongest];
  char gone[kLongest];
};

Place places[kMost];
std::mutex mutex;  // over the next two, and who takes a place
int taken = 0;
struct sigaction before;

// From here on to the handler: only what a signal handler may call.

void Remove(int parent, const char* name, int depth) {
  if (::unlinkat(parent, name, 0) == 0 || depth > kDeepest) return;
  for (int round = 0; round < kRounds && ::unlinkat(parent, name, AT_REMOVEDIR) != 0; ++round) {
    const int directory = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) return;
    alignas(dirent64) char entries[4096];
    for (;;) {
      const long bytes = ::syscall(SYS_getdents64, directory, entries, sizeof(entries));
      if (bytes <= 0) break;
      for (long at = 0; at < bytes;) {
        const auto* const entry = reinterpret_cast<const dirent64*>(entries + at);
        at += entry->d_reclen;
        if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
        Remove(directory, entry->d_name, depth + 1);
      }
    }
    ::close(directory);
  }
}

std::atomic_flag removing = ATOMIC_FLAG_INIT;

void OnTerminate(int signal) {
  // A launcher may say it twice, to the process and to its group, and another thread may hear it meanwhile.
  if (removing.test_and_set()) return;
  for (Place& place : places) {
    if (place.process.load(std::memory_order_acquire) != ::getpid()) continue;
    // Ranks of one host are ended together, and may have little time: all of them remove.
    (void)std::rename(place.path, place.gone);
    Remove(AT_FDCWD, place.gone, 0);
  }
  struct sigaction end = {};
  end.sa_handler = SIG_DFL;
  ::sigemptyset(&end.sa_mask);
  ::sigaction(SIGTERM, &end, nullptr);
  ::raise(signal);  // comes when this returns
}

bool Installed() {
  struct sigaction now = {};
  return ::sigaction(SIGTERM, nullptr, &now) == 0 && now.sa_handler == &OnTerminate;
}

void Install() {
  if (::sigaction(SIGTERM, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return;
  struct sigaction ours = {};
  ours.sa_handler = &OnTerminate;
  ::sigemptyset(&ours.sa_mask);
  ::sigaction(SIGTERM, &ours, nullptr);
}

}  // namespace

SweptDirectory::SweptDirectory(const std::string& path) {
  const std::string gone = path + ".gone";
  if (gone.size() >= kLongest) return;
  const std::lock_guard lock(mutex);
  for (int i = 0; i < kMost; ++i) {
    // A forked child has its parent's, which are not its own.
    if (places[i].process.load() == ::getpid()) continue;
    std::memcpy(places[i].path, path.c_str(), path.size() + 1);
    std::memcpy(places[i].gone, gone.c_str(), gone.size() + 1);
    places[i].process.store(::getpid(), std::memory_order_release);
    place_ = i;
    if (taken++ == 0) Install();
    return;
  }
}

SweptDirectory::~SweptDirectory() {
  if (place_ < 0 || places[place_].process.load() != ::getpid()) return;
  const std::lock_guard lock(mutex);
  places[place_].process.store(0);
  if (--taken == 0 && Installed()) ::sigaction(SIGTERM, &before, nullptr);
}

}  // namespace weft::io
