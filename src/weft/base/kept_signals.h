// Libraries that catch signals without being asked.
#pragma once

#include <signal.h>

#include <array>
#include <cstddef>

namespace weft {

/// For the length of a block: at its end every signal has the action again that it had at its beginning.
class KeptSignals {
 public:
  KeptSignals() {
    for (size_t number = 1; number < actions_.size(); ++number) {
      ::sigaction(static_cast<int>(number), nullptr, &actions_[number]);
    }
  }
  ~KeptSignals() {
    for (size_t number = 1; number < actions_.size(); ++number) {
      struct sigaction now = {};
      ::sigaction(static_cast<int>(number), nullptr, &now);
      if (now.sa_handler != actions_[number].sa_handler) {
        ::sigaction(static_cast<int>(number), &actions_[number], nullptr);
      }
    }
  }
  KeptSignals(const KeptSignals&) = delete;
  KeptSignals& operator=(const KeptSignals&) = delete;

 private:
  std::array<struct sigaction, 32> actions_{};  // those above are for the C library's threads
};

}  // namespace weft
