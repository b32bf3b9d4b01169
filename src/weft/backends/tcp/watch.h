// Looks at the store and at the rendezvous server while ranks link up. Both may be far: this is a thread of its own, so
// that nothing waits for them.
#pragma once

#include <arrow/status.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "weft/bootstrap/membership.h"
#include "weft/rendezvous/client.h"

namespace weft::tcp {

/// Name of the note of a rank that has failed to link, in the store.
inline constexpr const char* kNoteName = "tcp/failure";

/// Thread-safe. The destructor waits for the call that is under way.
class Watch {
 public:
  /// Either may be nullptr, and is not looked at then.
  Watch(Membership* membership, RendezvousClient* rendezvous);
  ~Watch();

  /// The note that a rank has left, if any.
  std::optional<std::string> note() const;
  /// kSuperseded where a higher epoch exists, else OK.
  arrow::Status superseded() const;
  /// Looks at once.
  void Hurry();
  /// Makes the connection to the rendezvous server anew, in the background.
  void Reconnect();

 private:
  void Run();
  void Look();

  Membership* const membership_;
  RendezvousClient* const rendezvous_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> note_;
  arrow::Status superseded_;
  bool hurry_ = false;
  bool reconnect_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace weft::tcp
