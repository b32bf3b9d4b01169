// Keeps a rank in its room: a connection to the server that has ended is made again, as long as it takes.
#pragma once

#include <arrow/status.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "weft/base/deadline.h"

namespace weft::rendezvous {

/// A thread of its own, asleep unless the connection has ended. Thread-safe.
class RoomKeeper {
 public:
  /// `reconnect` makes a new connection, in the room, where there is none; an error that another try cannot mend
  /// (authentication, what the server finds wrong with the rank) ends the keeping. `say_alive` lets the server know
  /// that this rank is there, and is called each `say_every`. Both must end soon once their owner is closing.
  RoomKeeper(std::function<arrow::Status()> reconnect, std::function<void()> say_alive, Duration say_every);
  /// Waits for the call that is under way.
  ~RoomKeeper();

  /// The connection has ended.
  void Lost();

 private:
  void Run();

  const std::function<arrow::Status()> reconnect_;
  const std::function<void()> say_alive_;
  const Duration say_every_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool lost_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace weft::rendezvous
