// Pairing: which ranks of a room are there, and when two of them shall open a connection to each other. No sockets.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/room.h"

namespace weft::rendezvous {

struct Room;

/// One admitted client. It must be removed from the pairing before it dies.
class RoomMember {
 public:
  virtual ~RoomMember() = default;
  /// Queues a frame. It may end the client's connection, but not the client's life.
  virtual void Send(std::string frame) = 0;
  /// Ends the client's connection and says why.
  virtual void Drop(const std::string& why) = 0;
  /// The shortest round trip seen between the server and this client; zero where none is known.
  virtual Duration RoundTrip() const = 0;
  /// Where the server sees this client.
  virtual const Endpoint& observed() const = 0;
  /// What its rooms are counted by.
  virtual const std::string& address() const = 0;

 private:
  friend class Pairing;
  Room* room_ = nullptr;
  uint32_t rank_ = 0;
  bool resting_ = false;
  bool rested_ = false;  // has been linked with all once
  Clock::time_point heard_;
  Clock::time_point pinged_;
  std::vector<bool> asked_;  // by peer: wants to be paired and has not been told to go
};

struct PairingLimits {
  size_t rooms = 4096;
  size_t rooms_per_address = 1024;
  uint32_t world = 16384;
  /// Members that do not rest are pinged this often, and are gone after this much silence.
  Duration ping = std::chrono::seconds(1);
  Duration silence = std::chrono::seconds(5);
};

/// Not thread-safe. All times are given by the caller.
///
/// A member of a room may ask for others. When two have asked for each other, both are told to go: each to wait as much
/// less as its own way from the server is longer, so that they begin at one moment but for half the asymmetry of their
/// ways.
class Pairing {
 public:
  using Time = Clock::time_point;

  explicit Pairing(const PairingLimits& limits) : limits_(limits) {}

  /// The claim's signature has been checked. A rank that is there already is replaced: it has come anew. Errors are for
  /// a Reply: Status::Invalid, Status::CapacityError.
  arrow::Status Enter(RoomMember* member, const RoomClaim& claim, Time now);
  /// Of those asked for, who has left is told of as gone, and who is linked, as far as it knows, is told of the ask. An
  /// error means that the connection is to be closed.
  arrow::Status Ask(RoomMember* member, std::string_view body, Time now);
  /// Links are made: no more pings, and whoever was asked for is not wanted any more.
  arrow::Status Rest(RoomMember* member);
  void Heard(RoomMember* member, Time now) { member->heard_ = now; }
  /// The member's connection has ended.
  void Remove(RoomMember* member) { Leave(member, GoneReason::kEnded); }
  void Tick(Time now);

  size_t rooms() const { return rooms_.size(); }
  struct Counts {
    int64_t members = 0;
    int64_t asks = 0;    // pairs that one of the two has asked for, in all
    int64_t gos = 0;     // pairs that were told to go, in all
    int64_t ended = 0;   // members that have left, in all
    int64_t silent = 0;  // members that did not answer, in all
  };
  const Counts& counts() const { return counts_; }

 private:
  void Leave(RoomMember* member, GoneReason reason);
  void Forget(Room* room);
  void TellToGo(RoomMember* a, RoomMember* b);
  void Tell(Room* room, uint32_t but, const std::string& frame);

  const PairingLimits limits_;
  std::map<RoomName, std::unique_ptr<Room>> rooms_;
  std::unordered_map<std::string, size_t> by_address_;
  std::mt19937_64 random_{std::random_device{}()};
  Time last_tick_;
  Counts counts_;
};

/// One (job, epoch).
struct Room {
  RoomName name{};
  std::string address;  // who opened it
  uint32_t world = 0;
  uint32_t present = 0;
  std::vector<RoomMember*> members;  // by rank
  std::vector<bool> seen;            // ranks that have been here
  std::vector<uint32_t> left;        // of those, who is not here, in the order in which they left
};

}  // namespace weft::rendezvous
