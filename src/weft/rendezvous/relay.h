// The relay: two connections of a pair become one stream of bytes that the server carries and cannot read.
#pragma once

#include <arrow/status.h>

#include <asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "weft/base/deadline.h"
#include "weft/rendezvous/room.h"
#include "weft/rendezvous/server.h"
#include "weft/rendezvous/server_stream.h"

namespace weft::rendezvous {

/// One end of a pair: a connection that has asked to be relayed. It must be removed from the relay before it dies.
class RelayEnd {
 public:
  virtual ~RelayEnd() = default;
  virtual void Send(std::string frame) = 0;
  virtual void Drop(const std::string& why) = 0;
  /// Stops to read and write by itself: from now on the relay uses the stream.
  virtual void HandOver() = 0;
  virtual ServerStream& stream() = 0;
  virtual void Close() = 0;
};

using RelayEndRef = std::shared_ptr<RelayEnd>;
class RelayPair;

/// What a room has used; kept while it is in use and a while longer.
struct RelayAccount {
  int64_t bytes = 0;
  int64_t ends = 0;  // parked or joined
  double allowance = 0;
  Clock::time_point filled;
  Clock::time_point used;
};

/// Runs on the server's thread alone.
class Relay {
 public:
  using Time = Clock::time_point;
  struct Counts {
    int64_t parked = 0;
    int64_t pairs = 0;
    int64_t bytes = 0;  // carried so far
    int64_t pairs_in_all = 0;
  };

  Relay(asio::io_context* io, const RelayLimits& limits) : io_(io), limits_(limits) {}

  /// Parks the end until its peer's comes, or joins the two: both get the Reply `id` of their request, and from the
  /// next byte on each other's bytes. The claim's signature has been checked. An end of the same rank and peer that is
  /// parked already is dropped: the rank has come anew. Errors are for a Reply.
  arrow::Status Join(const RelayEndRef& end, uint64_t id, const RoomClaim& claim, Time now);
  /// The end's connection has ended.
  void Remove(RelayEnd* end);
  void Tick(Time now);
  Counts counts() const;

 private:
  friend class RelayPair;
  using Key = std::tuple<RoomName, uint32_t, uint32_t>;  // room, this rank, its peer
  struct Parked {
    RelayEndRef end;
    uint64_t id = 0;
    Time until;
  };

  arrow::Status CheckLimits(const RelayAccount& account) const;
  void Unpark(std::map<Key, Parked>::iterator parked);
  void Release(const RoomName& room);
  void Over(const std::shared_ptr<RelayPair>& pair);

  asio::io_context* const io_;
  const RelayLimits limits_;
  std::map<RoomName, RelayAccount> accounts_;
  std::map<Key, Parked> parked_;
  std::map<RelayEnd*, Key> parked_ends_;
  std::set<std::shared_ptr<RelayPair>> pairs_;
  int64_t bytes_ = 0;
  int64_t pairs_in_all_ = 0;
};

}  // namespace weft::rendezvous
