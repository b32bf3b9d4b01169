// What the rendezvous server says to a client unasked, on its way to whoever links this rank with others.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/rendezvous/protocol.h"
#include "weft/rendezvous/socket.h"

namespace weft::rendezvous {

struct Notice {
  enum class Kind : uint8_t {
    kGo,       // open a connection to the peer, see Go; `at` is the moment
    kGone,     // the peer has left the room
    kHere,     // it has come back
    kWanted,   // it asks for this rank, and this rank has not asked for it
    kLost,     // the connection to the server has ended
    kEntered,  // a new connection to the server is in the room; what was asked before is forgotten
  };
  Kind kind = Kind::kLost;
  uint32_t peer = 0;
  Go go;
  GoneReason reason = GoneReason::kEnded;
  Clock::time_point at;
};

/// Thread-safe.
class Notices {
 public:
  Notices();
  /// Readable while there are notices; -1 where the system gave none, then they are to be looked for.
  int fd() const { return ready_.fd(); }
  void Add(Notice notice);
  /// All, in order.
  std::vector<Notice> Take();
  /// Takes a frame that the server sent unasked; false where it is none of these.
  bool AddFrame(MessageType type, std::string_view body);

 private:
  Socket ready_;
  std::mutex mutex_;
  std::vector<Notice> list_;
};

}  // namespace weft::rendezvous
