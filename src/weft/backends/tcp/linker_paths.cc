// The ways to a connection: host addresses, simultaneous open at the server's word, the relay.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "weft/backends/tcp/linker.h"
#include "weft/backends/tcp/relinker.h"
#include "weft/base/fault_point.h"
#include "weft/base/logging.h"
#include "weft/base/open_files.h"

namespace weft::tcp {
namespace {

using rendezvous::Notice;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLongestPause = milliseconds(500);
constexpr Duration kLongestRelayPause = seconds(1);
/// A rank whose connection to the server has ended may come back over a new one.
constexpr Duration kComeBackWithin = seconds(1);
/// Connections of strangers beyond those that a world may have on the way.
constexpr size_t kSpareConnections = 64;
constexpr int kMostPairings = 1 + 3;
/// After an accept that failed because no more files can be opened.
constexpr Duration kAcceptPause = milliseconds(50);
/// A pair that was paired again. The NATs may still hold what is left of the connection that broke.
constexpr Duration kMendWithin = seconds(2);
/// A link that is made again has less time; a NAT that still holds the old connection does not let go of it by then.
constexpr Duration kRelayAgainAfter = seconds(1);
/// The relay is not called while a direct connection is in its handshake or probe and has moved within kMovedWithin: on
/// busy hosts the relay would only add to what is slow. Not for ever.
constexpr Duration kMovedWithin = seconds(1);
constexpr Duration kRelayHeldBack = seconds(8);
constexpr Duration kRelayLook = milliseconds(100);

}  // namespace

void Linker::TakeNotices() {
  if (options_.rendezvous == nullptr) return;
  for (const Notice& notice : options_.rendezvous->notices().Take()) {
    if (notice.kind == Notice::Kind::kLost) {
      if (!server_lost_) server_lost_ = Clock::now();
      if (relinker_ != nullptr) ReachServer();
      if (watch_.has_value()) watch_->Reconnect();
      continue;
    }
    if (notice.kind == Notice::Kind::kEntered) {
      server_lost_.reset();
      AskForAll();
      if (relinker_ != nullptr && missing_ == 0) options_.rendezvous->Rest();
      continue;
    }
    if (notice.peer >= peers_.size() || static_cast<Rank>(notice.peer) == identity_.rank) continue;
    PeerState& state = peers_[notice.peer];
    const auto peer = static_cast<Rank>(notice.peer);
    const bool wanted = notice.kind == Notice::Kind::kWanted;
    if (state.linked) {
      // The peer's end of a link that looks well from here may have broken.
      if (relinker_ != nullptr && (wanted || notice.kind == Notice::Kind::kGo)) {
        relinker_->Tell({Remade::Kind::kWanted, peer, Links(peer), {}, {}});
      }
      continue;
    }
    if (wanted) {
      if (relinker_ != nullptr && state.paired) options_.rendezvous->Ask({notice.peer});
      continue;
    }
    if (notice.kind == Notice::Kind::kGo) {
      TakeGo(notice);
    } else if (notice.kind == Notice::Kind::kHere) {
      state.gone_at.reset();
      if (state.paired)
        options_.rendezvous->Ask({notice.peer});  // an earlier ask may have been answered to one who left
    } else {
      const bool silent = notice.reason == rendezvous::GoneReason::kSilent;
      state.gone_at = Clock::now() + (silent ? Duration::zero() : kComeBackWithin);
      state.gone_why = silent ? "does not answer the rendezvous server any more: it is stopped, or cut off"
                              : "has left: its connection to the rendezvous server has ended";
    }
  }
}

void Linker::TakeGo(const Notice& notice) {
  PeerState& state = peers_[notice.peer];
  state.gone_at.reset();
  if (!state.paired) return;
  state.went = true;
  state.go = notice.at;
  if (!state.relay_at) {
    const Duration after = relinker_ == nullptr             ? options_.relay_after
                           : state.path == LinkPath::kRelay ? Duration::zero()
                                                            : std::min(options_.relay_after, kRelayAgainAfter);
    state.relay_at = notice.at + after;
  }
  const arrow::Result<Endpoint> mapped = Endpoint::Resolve(notice.go.host, notice.go.port);
  // A server on the peer's own host sees it at a loopback address, which leads nowhere from here.
  if (!mapped.ok() || IsLoopback(mapped->address()) || state.broken >= kMostPairings) return;
  state.mapped = *mapped;
  state.clock.emplace(notice.at, std::chrono::microseconds(notice.go.round_trip_microseconds), notice.go.seed);
}

void Linker::AskForAll() {
  std::vector<uint32_t> wanted;
  for (size_t peer = 0; peer < peers_.size(); ++peer) {
    if (peers_[peer].paired && !peers_[peer].linked) wanted.push_back(static_cast<uint32_t>(peer));
  }
  if (!wanted.empty()) options_.rendezvous->Ask(wanted);
}

/// When a connection is to be tried next; `latest` where that is later.
Clock::time_point Linker::NextTry(Clock::time_point latest) const {
  Clock::time_point next = latest;
  for (const PeerState& state : peers_) {
    if (state.linked) continue;
    for (const Route& route : state.routes) {
      if (!route.busy) next = std::min(next, route.next_try);
    }
    if (state.clock && !state.punching) next = std::min(next, state.clock->next());
    if (state.mend_by) next = std::min(next, *state.mend_by);
    if (state.relay_at && !state.relaying) next = std::min(next, *state.relay_at);
  }
  return next;
}

void Linker::StartDials() {
  const Clock::time_point now = Clock::now();
  for (Rank peer = 0; peer < identity_.world_size; ++peer) {
    PeerState& state = Peer(peer);
    if (state.linked) continue;
    for (size_t route = 0; route < state.routes.size(); ++route) {
      if (!state.routes[route].busy && now >= state.routes[route].next_try) DialHost(peer, route);
    }
    if (state.clock && now >= state.clock->next()) {
      state.clock->Advance(now);
      if (!state.punching) DialPunch(peer);
    }
    if (state.mend_by && now >= *state.mend_by) AfterBroken(peer);
    if (!state.relay_at || state.relaying || now < *state.relay_at || server_lost_) continue;
    if (now - state.go < options_.relay_after + kRelayHeldBack && DirectMoves(peer, now)) {
      state.relay_at = now + kRelayLook;
    } else {
      DialRelay(peer);
    }
  }
}

/// A direct connection to the peer is past its connect, and bytes have moved over it lately.
bool Linker::DirectMoves(Rank peer, Clock::time_point now) const {
  return std::any_of(connections_.begin(), connections_.end(), [&](const Connection& connection) {
    const bool direct = connection.way != LinkPath::kRelay && connection.handshake.path() != LinkPath::kRelay;
    const bool of_peer = connection.dialed == peer || connection.handshake.peer() == peer;
    return direct && of_peer && !connection.connecting && now - connection.moved < kMovedWithin;
  });
}

void Linker::DialHost(Rank peer, size_t route_number) {
  PeerState& state = Peer(peer);
  Route& route = state.routes[route_number];
  arrow::Result<Handshake> handshake =
      Handshake::Dial(identity_, peer, LinkPath::kHost, !IsPrivate(route.endpoint.address()));
  if (!handshake.ok()) {
    state.last_trouble = handshake.status().message();
    route.next_try = Clock::now() + kLongestPause;
    return;
  }
  ++state.tries;
  route.busy = true;
  Descriptor socket(::socket(route.endpoint.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  Open({std::move(socket), *std::move(handshake), route.endpoint.ToString(), LinkPath::kHost, peer, route_number},
       route.endpoint);
  FaultPoint(FaultPhase::kConnect);
}

void Linker::DialPunch(Rank peer) {
  PeerState& state = Peer(peer);
  arrow::Result<Handshake> handshake = Handshake::Dial(identity_, peer, LinkPath::kPunched, true);
  if (!handshake.ok()) return;
  ++state.tries;
  state.punching = true;
  const int family = state.mapped.storage.ss_family;
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // The one local port, so that the packets leave the NAT by the mapping that the server has seen.
  const int error = socket.valid() ? BindToPort(socket.get(), family, listener_->port()) : errno;
  Connection connection{std::move(socket), *std::move(handshake), state.mapped.ToString(), LinkPath::kPunched, peer, 0};
  if (error != 0) return Close(connection, ErrnoText(error), error);
  Open(std::move(connection), state.mapped);
}

void Linker::DialRelay(Rank peer) {
  PeerState& state = Peer(peer);
  state.relay_at = Clock::now() + state.relay_pause;
  state.relay_pause = std::min<Duration>(2 * state.relay_pause, kLongestRelayPause);
  const auto server = options_.rendezvous->server_address();
  if (!server.ok()) return;
  const arrow::Result<Endpoint> endpoint = Endpoint::Resolve(server->host, server->port);
  arrow::Result<Handshake> handshake = Handshake::Dial(identity_, peer, LinkPath::kRelay, true);
  auto call = rendezvous::RelayCall::Make(options_.rendezvous->admission_key(), *options_.room,
                                          static_cast<uint32_t>(identity_.rank), static_cast<uint32_t>(peer));
  if (!endpoint.ok() || !handshake.ok() || !call.ok()) return;
  ++state.tries;
  state.relaying = true;
  Descriptor socket(::socket(endpoint->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  Connection connection{
      std::move(socket), *std::move(handshake), "relay at " + endpoint->ToString(), LinkPath::kRelay, peer, 0};
  connection.relay = *std::move(call);
  if (!options_.rendezvous->tls()) return Open(std::move(connection), *endpoint);
  const arrow::Result<int> through = options_.rendezvous->DialThroughTls();
  if (!through.ok()) return Close(connection, through.status().message());
  connection.socket = Descriptor(*through);
  connection.connecting = true;
  connections_.push_back(std::move(connection));
}

void Linker::Open(Connection connection, const Endpoint& endpoint) {
  if (!connection.socket.valid()) return Close(connection, "no socket: " + ErrnoText(errno), errno);
  const int one = 1;
  ::setsockopt(connection.socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  connection.connecting = true;
  if (::connect(connection.socket.get(), endpoint.address(), endpoint.size) != 0 && errno != EINPROGRESS) {
    return Close(connection, ErrnoText(errno), errno);
  }
  connections_.push_back(std::move(connection));
}

void Linker::AcceptAll() {
  // Fewer at a time than there is room for: each has its chance to greet before it may have to make room.
  for (size_t count = 0; count < kSpareConnections / 2; ++count) {
    Endpoint remote;
    remote.size = sizeof(remote.storage);
    Descriptor socket(::accept4(listener_->fd(), reinterpret_cast<sockaddr*>(&remote.storage), &remote.size,
                                SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (OutOfFiles(errno)) {
        accept_trouble_ = ErrnoText(errno);
        accept_at_ = Clock::now() + kAcceptPause;
        MakeRoom();
      }
      return;
    }
    arrow::Result<Handshake> handshake = Handshake::Accept(identity_, !IsPrivate(remote.address()));
    if (!handshake.ok()) return;
    MakeRoom();
    const int one = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connections_.push_back({std::move(socket), *std::move(handshake), remote.ToString()});
  }
}

/// Closes the oldest connection that has not even greeted where too many have come in.
void Linker::MakeRoom() {
  size_t came_in = 0;
  auto oldest = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    if (it->dialed >= 0) continue;
    ++came_in;
    if (oldest == connections_.end() || (oldest->handshake.has_hello() && !it->handshake.has_hello())) oldest = it;
  }
  if (came_in < static_cast<size_t>(identity_.world_size) + kSpareConnections) return;
  Close(*oldest, {});
  connections_.erase(oldest);
}

/// Keeps in mind since when a port is closed.
void Linker::NoteConnect(Route& route, int error) {
  if (error != ECONNREFUSED) {
    route.refused_since.reset();
  } else if (!route.refused_since) {
    route.refused_since = Clock::now();
  }
}

void Linker::AfterDial(const Connection& connection, int error) {
  PeerState& state = Peer(connection.dialed);
  if (connection.way == LinkPath::kPunched) {
    state.punching = false;
    return;
  }
  if (connection.way == LinkPath::kRelay) {
    state.relaying = false;
    state.relay_at = Clock::now() + state.relay_pause;
    return;
  }
  Route& route = state.routes[connection.route];
  if (connection.connecting) NoteConnect(route, error);
  route.busy = false;
  const auto pause = static_cast<double>(route.pause.count()) * (0.5 + static_cast<double>(jitter_() % 1024) / 1024);
  route.next_try = Clock::now() + Duration(static_cast<Duration::rep>(pause));
  route.pause = std::min<Duration>(2 * route.pause, kLongestPause);
}

/// A punched connection did not hold: the pair asks for another go, or is relayed.
void Linker::AfterBroken(Rank peer) {
  PeerState& state = Peer(peer);
  if (state.linked || !state.paired) return;
  state.clock.reset();
  state.mend_by.reset();
  if (++state.broken < kMostPairings) {
    state.mend_by = Clock::now() + kMendWithin;
    options_.rendezvous->Ask({static_cast<uint32_t>(peer)});
  } else if (state.relay_at && !state.relaying) {
    state.relay_at = std::min(*state.relay_at, Clock::now());
  }
}

}  // namespace weft::tcp
