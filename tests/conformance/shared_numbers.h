// Numbers that all ranks of a test see, whether they are threads of this process or processes of this host.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace weft::testing {

/// Memory with zeros: of the file WEFT_TEST_SHARED, which whoever starts the processes makes for them, else of this
/// process.
inline std::atomic<int>* SharedMemory(size_t count) {
  const char* const path = std::getenv("WEFT_TEST_SHARED");
  int flags = MAP_SHARED | MAP_ANONYMOUS;
  int file = -1;
  if (path != nullptr) {
    flags = MAP_SHARED;
    file = ::open(path, O_RDWR | O_CLOEXEC);
    if (file < 0 || ::ftruncate(file, static_cast<off_t>(count * sizeof(int))) != 0) {
      std::perror(path);
      std::_Exit(2);
    }
  }
  void* const memory = ::mmap(nullptr, count * sizeof(int), PROT_READ | PROT_WRITE, flags, file, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::_Exit(2);
  }
  return static_cast<std::atomic<int>*>(memory);
}

/// The next number, 0 at first. Every process runs the same tests in the same order, and so comes to the same ones.
inline std::atomic<int>& SharedNumber() {
  static constexpr size_t kCount = 1 << 16;
  static std::atomic<int>* const all = SharedMemory(kCount);
  static size_t next = 0;
  if (next == kCount) {
    std::fprintf(stderr, "more numbers are shared than there are\n");
    std::_Exit(2);
  }
  return all[next++];
}

/// Ranks of one test pass it together, without the communicator that is to fail. Good for one passage.
class Gate {
 public:
  explicit Gate(int ranks) : ranks_(ranks), arrived_(SharedNumber()) {}
  void Pass() {
    ++arrived_;
    while (arrived_ < ranks_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

 private:
  const int ranks_;
  std::atomic<int>& arrived_;
};

}  // namespace weft::testing
