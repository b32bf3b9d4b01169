// A temporary directory that SIGTERM does not leave behind.
#pragma once

#include <string>

namespace weft::io {

/// As long as it lives, a SIGTERM that ends this process removes the directory first: launchers (mpirun, srun, docker)
/// end so the ranks that are left when one has died. Only where SIGTERM has its default action; a program's own
/// handler, Python's too, stays. The directory is first given another name, `path`.gone, so that nobody who renames it
/// in its turn can make half of it visible. Thread-safe; of more than 16 at once those above are not removed.
class SweptDirectory {
 public:
  explicit SweptDirectory(const std::string& path);
  ~SweptDirectory();
  SweptDirectory(const SweptDirectory&) = delete;
  SweptDirectory& operator=(const SweptDirectory&) = delete;

 private:
  int place_ = -1;
};

}  // namespace weft::io
