// Ends of processes on this host.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "weft/base/types.h"

namespace weft {

/// Tells when the processes of peers end: for libraries that do not say so themselves. Watches by pidfd (Linux 5.3);
/// where there is none, or a process is of another host or process namespace, it watches nothing. One thread at a time.
class ProcessWatch {
 public:
  ProcessWatch();
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  /// What a rank tells its peers, and takes from them in Add.
  static std::string Identity();
  void Add(Rank peer, const std::string& identity);

  /// The process of a peer that was added and is of this host, also when it has ended; else 0.
  pid_t process(Rank peer) const {
    return static_cast<size_t>(peer) < processes_.size() ? processes_[static_cast<size_t>(peer)] : 0;
  }
  /// Readable when a process that is watched has ended; -1 where none is watched.
  int descriptor() const { return descriptor_; }
  /// Peers whose processes have ended since the last call.
  std::vector<Rank> Ended();

 private:
  int descriptor_ = -1;
  std::vector<int> watched_;  // pidfds by peer, or -1
  std::vector<pid_t> processes_;
};

}  // namespace weft
