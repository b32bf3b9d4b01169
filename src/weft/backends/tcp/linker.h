// From a membership to one authenticated stream a pair of ranks.
#pragma once

#include <arrow/result.h>
#include <poll.h>

#include <functional>
#include <list>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "weft/backends/tcp/address.h"
#include "weft/backends/tcp/byte_stream.h"
#include "weft/backends/tcp/handshake.h"
#include "weft/backends/tcp/tcp_transport.h"
#include "weft/base/deadline.h"
#include "weft/bootstrap/membership.h"

namespace weft::tcp {

/// Each rank listens on one port and publishes where it can be reached. The higher rank of a pair dials the lower one,
/// all pairs and all candidates at once, and again after a while where it failed; the lower rank takes the first
/// connection of a pair that both have authenticated and closes the others. The lower rank too knocks at the peer's
/// port where it waits for long: a port that is closed at every address means that the peer's process is gone.
///
/// What a stranger can do: open connections. They are bounded in number, oldest strangers first, and closed after
/// two seconds. No connection that comes in can fail the linking, whatever it says. What fails it: an answer at
/// an address that the peer itself has published, and the note that a failed rank leaves in the store for the others.
class Linker {
 public:
  struct Options {
    std::string advertise;
    Deadline deadline = Deadline::After(std::chrono::seconds(60));
    std::function<arrow::Status()> check_interrupt;
  };

  Linker(Membership* membership, LinkIdentity identity, Options options);

  /// Collective; once. The result is by rank; this rank's own entry has no stream.
  arrow::Result<std::vector<LinkedPeer>> Run();

 private:
  /// A connection whose ends do not know each other yet.
  struct Connection {
    Descriptor socket;
    Handshake handshake;
    std::string output;
    bool connecting = false;
    Clock::time_point since;
    std::string remote;
    size_t candidate = 0;  // of the peer that is dialed
    Rank dialed = -1;
    bool probe = false;
  };

  struct Route {
    Endpoint endpoint;
    bool busy = false;
    Clock::time_point next_try;
    std::optional<Clock::time_point> refused_since;
    Duration pause = std::chrono::milliseconds(20);
  };

  struct PeerState {
    std::vector<Route> routes;
    int64_t tries = 0;
    bool linked = false;
    std::string last_trouble;
    arrow::Status verdict;  // why no link can be made, where the peer's own address said so
    Clock::time_point verdict_at;
  };

  arrow::Status Listen();
  arrow::Status ExchangeCandidates();
  arrow::Status LinkAll();
  arrow::Status CheckTrouble();
  arrow::Status CheckRefused(Rank peer) const;
  arrow::Status ReadNote();
  void LeaveNote(const arrow::Status& status);
  arrow::Status TimedOut() const;

  void StartDials();
  static void NoteConnect(Route& route, int error);
  void Dial(Rank peer, size_t route);
  void AcceptAll();
  void MakeRoom();
  Duration NextWait() const;
  static std::optional<Duration> Patience(const Connection& connection);
  void CloseOverdue();
  /// True when the connection is over, one way or the other.
  bool Drive(Connection& connection, short events);
  bool Read(Connection& connection);
  bool Write(Connection& connection);
  bool Finished(Connection& connection);
  void Link(Connection& connection, Rank peer);
  bool Alive(Rank peer) const;
  void Close(Connection& connection, const std::string& trouble);
  void RecordVerdict(const Connection& connection);
  CommunicationError Facts(CommunicationFailure failure, const char* phase, Rank peer) const;

  Membership* const membership_;
  const LinkIdentity identity_;
  const Options options_;
  const Clock::time_point began_ = Clock::now();
  Clock::time_point link_began_;
  Clock::time_point next_note_;
  Descriptor listener_;
  uint16_t port_ = 0;
  std::list<Connection> connections_;
  std::vector<PeerState> peers_;
  std::vector<LinkedPeer> links_;
  int missing_ = 0;
  std::minstd_rand jitter_{std::random_device{}()};
};

}  // namespace weft::tcp
