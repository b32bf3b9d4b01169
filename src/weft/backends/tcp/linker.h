// From a membership to one authenticated stream a pair of ranks.
#pragma once

#include <arrow/result.h>
#include <poll.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "weft/backends/tcp/address.h"
#include "weft/backends/tcp/byte_stream.h"
#include "weft/backends/tcp/handshake.h"
#include "weft/backends/tcp/punch_clock.h"
#include "weft/backends/tcp/tcp_transport.h"
#include "weft/backends/tcp/tls_channel.h"
#include "weft/backends/tcp/watch.h"
#include "weft/base/deadline.h"
#include "weft/bootstrap/membership.h"
#include "weft/communicator/process_watch.h"
#include "weft/rendezvous/client.h"
#include "weft/rendezvous/listener.h"
#include "weft/rendezvous/relay_call.h"

namespace weft::tcp {

class Relinker;

/// Each rank listens on one port and publishes where it can be reached. All pairs are linked at once, each by whatever
/// works first:
///   host     the higher rank dials the lower one at every address that it has published, and again after a while where
///            it failed; the lower rank dials too where it waits for long.
///   punched  where there is a rendezvous server: both ask it for each other, it tells both when to go, and both open a
///            connection to the place where the server sees the other, from the port on which they listen.
///   relay    where neither has led to a link in time: both open a connection to the server, which joins the two.
/// The lower rank nominates the first connection that both have authenticated, and waits with others until that one is
/// known to work. A punched one must carry a probe first; where it does not, the pair is paired again, three times, and
/// then relayed.
///
/// After that, Serve makes links again that broke, in the same ways; it needs neither the membership nor the store.
/// Both ends dial at once, whoever saw the break. HELLO tells how many links each end has had with the other, so that
/// an end whose own link looks well knows that the peer's does not.
///
/// What a stranger can do: open connections. They are bounded in number, oldest strangers first, and closed after
/// two seconds. No connection that comes in can fail the linking, whatever it says. What fails it: an answer at
/// an address that the peer itself has published, a peer that has left the room at the server, and the note that a
/// failed rank leaves in the store for the others.
class Linker {
 public:
  struct Options {
    std::string advertise;
    Deadline deadline = Deadline::After(std::chrono::seconds(60));
    std::function<arrow::Status()> check_interrupt;
    /// How long after "go" a pair that has no link is relayed.
    Duration relay_after = std::chrono::seconds(2);
    /// Where to listen; nullptr: the linker listens by itself.
    std::shared_ptr<Listener> listener;
    /// The server that pairs and relays, on a connection from the listener's port, and the room; or nullptr.
    std::shared_ptr<RendezvousClient> rendezvous;
    std::optional<rendezvous::RoomKey> room;
  };

  Linker(Membership* membership, LinkIdentity identity, Options options);

  /// Collective; once. The result is by rank; this rank's own entry has no stream.
  arrow::Result<std::vector<LinkedPeer>> Run();

  int world_size() const { return identity_.world_size; }

  /// After Run: keeps the port open and makes links again, until `relinker` says that it is over. linker_again.cc.
  void Serve(Relinker& relinker);

 private:
  /// A connection whose ends do not know each other yet.
  struct Connection {
    Descriptor socket;
    Handshake handshake;
    std::string remote;
    LinkPath way = LinkPath::kUnknown;  // kUnknown: it came in
    Rank dialed = -1;
    size_t route = 0;  // of kHost
    bool connecting = false;
    std::optional<rendezvous::RelayCall> relay = {};  // until the stream is the peer's
    std::string output = {};
    std::unique_ptr<TlsChannel> tls = {};  // over the socket, once the handshake has asked for it
    /// Something is to be written.
    bool writes() const { return connecting || !output.empty() || (tls != nullptr && tls->pending()); }
    Clock::time_point began = Clock::now();
    Clock::time_point moved = Clock::now();  // the last byte, either way
  };

  /// An address that the peer has published.
  struct Route {
    Endpoint endpoint;
    bool busy = false;
    Clock::time_point next_try;
    std::optional<Clock::time_point> refused_since;
    Duration pause = std::chrono::milliseconds(20);
  };

  struct PeerState {
    bool linked = false;
    int64_t tries = 0;
    std::string last_trouble;
    arrow::Status verdict;  // why no link can be made, where the peer's own address said so
    Clock::time_point verdict_at;
    std::vector<Route> routes;

    /// The rendezvous server can pair this peer with this rank.
    bool paired = false;
    bool went = false;  // the server has said go
    Endpoint mapped;    // where the server sees the peer
    std::optional<PunchClock> clock;
    bool punching = false;
    Clock::time_point go;
    int broken = 0;                            // punched connections that did not hold
    std::optional<Clock::time_point> mend_by;  // when the next pairing has failed as well
    bool nominating = false;                   // the lower rank's: a connection is being probed
    std::optional<Clock::time_point> relay_at;
    bool relaying = false;
    Duration relay_pause = std::chrono::milliseconds(100);
    std::optional<Clock::time_point> gone_at;  // when to give the peer up
    std::string gone_why;

    LinkPath path = LinkPath::kUnknown;  // of the latest link
    int64_t errors = 0;                  // tries that failed, since the latest link
  };

  arrow::Status Enter();
  arrow::Status ExchangeCandidates();
  arrow::Status TakePeer(Rank peer, const Candidates& own, const std::string& value);
  arrow::Status LinkAll();
  arrow::Status CheckTrouble();
  arrow::Status CheckRefused(Rank peer) const;
  arrow::Status CheckGone() const;
  arrow::Status CheckNote();
  void LeaveNote(const arrow::Status& status);
  arrow::Status TimedOut() const;
  CommunicationError Facts(CommunicationFailure failure, const char* phase, Rank peer) const;
  uint32_t& Links(Rank peer) { return (*identity_.links)[static_cast<size_t>(peer)]; }
  PeerState& Peer(Rank peer) { return peers_[static_cast<size_t>(peer)]; }

  /// Waits for connections, notices and whatever else is polled at most until `wait` is over, and handles them.
  void Turn(std::optional<Duration> wait);

  /// To those that are linked already, each second: this rank lives, and has others to link with.
  void SayAlive(Clock::time_point now);

  // Links again: linker_again.cc.
  void TakeBroken(Rank peer);
  void GiveVerdicts(Relinker& relinker);
  std::optional<std::string> Verdict(Rank peer) const;
  bool RefusedAgain(const PeerState& state) const;
  void ReachServer();

  // Ways to a connection: linker_paths.cc.
  void TakeNotices();
  void TakeGo(const rendezvous::Notice& notice);
  void AskForAll();
  void StartDials();
  Clock::time_point NextTry(Clock::time_point latest) const;
  bool DirectMoves(Rank peer, Clock::time_point now) const;
  void DialHost(Rank peer, size_t route);
  void DialPunch(Rank peer);
  void DialRelay(Rank peer);
  void Open(Connection connection, const Endpoint& endpoint);
  void AcceptAll();
  void MakeRoom();
  /// A dial of this rank's is over.
  void AfterDial(const Connection& connection, int error);
  void AfterBroken(Rank peer);
  static void NoteConnect(Route& route, int error);

  // Connections: linker_connections.cc.
  static std::optional<Clock::time_point> Patience(const Connection& connection);
  void CloseOverdue();
  void NominateWaiting();
  /// True when the connection is over, one way or the other.
  bool Drive(Connection& connection, short events);
  bool Read(Connection& connection);
  bool Write(Connection& connection);
  bool Finished(Connection& connection);
  // The same bytes with TLS around them where there is TLS: linker_tls.cc.
  bool DriveTls(Connection& connection);
  static IoResult Receive(Connection& connection, std::span<char> into);
  static IoResult Transmit(Connection& connection, std::string_view bytes);
  void Link(Connection& connection, Rank peer);
  bool Alive(Rank peer) const;
  void Close(Connection& connection, const std::string& trouble, int error = 0);
  void RecordVerdict(const Connection& connection);

  Membership* const membership_;
  LinkIdentity identity_;
  const Options options_;
  const Clock::time_point began_ = Clock::now();
  Clock::time_point link_began_;
  std::shared_ptr<Listener> listener_;
  std::optional<Watch> watch_;
  std::optional<Clock::time_point> server_lost_;  // since when
  bool nominate_waiting_ = false;
  Relinker* relinker_ = nullptr;  // while serving
  ProcessWatch processes_;
  std::vector<bool> ended_;       // by peer: its process
  Clock::time_point spoke_;       // to the server
  Clock::time_point said_alive_;  // to linked peers
  Clock::time_point accept_at_;   // again, after it has failed
  std::string accept_trouble_;
  std::vector<pollfd> polled_;
  std::list<Connection> connections_;
  std::vector<PeerState> peers_;
  std::vector<LinkedPeer> links_;
  int missing_ = 0;
  std::minstd_rand jitter_{std::random_device{}()};
};

}  // namespace weft::tcp
