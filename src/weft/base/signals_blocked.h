// Threads that are not the program's.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace weft {

/// For the length of a block: what threads are started in it inherit a mask of all signals, which belong to the
/// program's own threads (Ctrl-C must reach the main one).
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace weft
