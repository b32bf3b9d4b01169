// The connections of a linker, from the first byte to the link.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "weft/backends/tcp/linker.h"
#include "weft/backends/tcp/relinker.h"
#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"
#include "weft/base/logging.h"
#include "weft/base/open_files.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A connection that comes in and has not authenticated by then is closed.
constexpr Duration kAuthenticateWithin = seconds(2);
/// A dialer is more patient: the peer may be busy, or still be waiting for other ranks' addresses.
constexpr Duration kConnectWithin = seconds(3);
constexpr Duration kAnswerWithin = seconds(10);
/// A hole is open to both at the same time or not at all. One retransmission of the first packet is waited for.
constexpr Duration kPunchWithin = milliseconds(1300);
constexpr Duration kPunchedAnswerWithin = seconds(2);
/// A probe that stands still for so long has been swallowed.
constexpr Duration kProbeWithin = milliseconds(1200);
constexpr Duration kNominationWithin = seconds(4);

bool Authenticated(Handshake::State state) {
  return state == Handshake::State::kAwaitNomination || state == Handshake::State::kAuthenticated ||
         state == Handshake::State::kProbing;
}

/// The other side has closed its end, or the connection is broken; also where bytes that came before are to be read.
bool HasEnded(int socket) {
  pollfd one = {socket, POLLRDHUP, 0};
  return ::poll(&one, 1, 0) > 0 && (one.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/// Frees the pair of addresses for the next try, and tells the other end at once.
void ResetOnClose(int socket) {
  const linger now = {1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

}  // namespace

/// When a connection has been in its state for too long; nothing: it may stay as long as it lasts. A rank that has
/// shown its proof must wait for what the lower one says: that may have taken the connection for the link already. Not
/// so on a punched path, where nothing is taken before the probe.
std::optional<Clock::time_point> Linker::Patience(const Connection& connection) {
  const Handshake::State state = connection.handshake.state();
  const bool punched = connection.handshake.path() == LinkPath::kPunched;
  if (connection.connecting) return connection.began + (punched ? kPunchWithin : kConnectWithin);
  if (connection.relay.has_value()) {
    if (connection.relay->state() == rendezvous::RelayCall::State::kAwaitPeer) return std::nullopt;
    return connection.began + kAnswerWithin;
  }
  if (state == Handshake::State::kProbing) return connection.moved + kProbeWithin;
  if (state == Handshake::State::kAuthenticated) return connection.moved + kAnswerWithin;
  if (state == Handshake::State::kAwaitNomination) {
    if (punched) return connection.moved + kNominationWithin;
    return std::nullopt;
  }
  if (connection.dialed < 0) return connection.began + kAuthenticateWithin;
  return connection.moved + (punched ? kPunchedAnswerWithin : kAnswerWithin);
}

void Linker::CloseOverdue() {
  const Clock::time_point now = Clock::now();
  for (auto it = connections_.begin(); it != connections_.end();) {
    const bool pointless = it->dialed >= 0 && Peer(it->dialed).linked;
    const std::optional<Clock::time_point> patience = Patience(*it);
    if (!pointless && (!patience || now < *patience)) {
      ++it;
      continue;
    }
    const bool probing = it->handshake.state() == Handshake::State::kProbing;
    Close(*it, it->connecting ? "no answer"
               : probing      ? "the path swallowed the probe"
                              : "connected, but no proof came in time");
    it = connections_.erase(it);
  }
}

bool Linker::Drive(Connection& connection, short events) {
  if (connection.connecting) {
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(connection.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      Close(connection, ErrnoText(error), error);
      return true;
    }
    if ((events & POLLOUT) == 0) return false;
    connection.connecting = false;
    FaultPoint(FaultPhase::kConnect);
    connection.moved = Clock::now();
    if (connection.way == LinkPath::kHost) NoteConnect(Peer(connection.dialed).routes[connection.route], 0);
    if (connection.way == LinkPath::kPunched) {
      WEFT_LOG(kDebug, "punched to rank " << connection.dialed << " "
                                          << Seconds(connection.moved - Peer(connection.dialed).go) * 1e3
                                          << " ms after go");
    }
  }
  if (!Write(connection)) return true;
  const bool begins_tls = connection.handshake.state() == Handshake::State::kAwaitTls && connection.tls == nullptr;
  if ((begins_tls || (events & (POLLIN | POLLHUP | POLLERR)) != 0) && !Read(connection)) return true;
  return Finished(connection);
}

bool Linker::Write(Connection& connection) {
  connection.output += connection.relay ? connection.relay->TakeOutput() : connection.handshake.TakeOutput();
  size_t done = 0;
  IoResult result;
  do {
    result = Transmit(connection, std::string_view(connection.output).substr(done));
    if (result.kind == IoResult::Kind::kFailed) {
      Close(connection, FailureText(result));
      return false;
    }
    if (result.kind != IoResult::Kind::kMoved) break;
    done += static_cast<size_t>(result.bytes);
    connection.moved = Clock::now();
  } while (done < connection.output.size());
  connection.output.erase(0, done);
  return true;
}

bool Linker::Read(Connection& connection) {
  char buffer[8192];
  for (;;) {
    // No byte beyond the message that is waited for: what follows the last one is the link's.
    if (!connection.relay && !DriveTls(connection)) return false;
    const size_t asked = connection.relay ? connection.relay->wanted() : connection.handshake.wanted();
    if (asked == 0) return true;
    const IoResult result = Receive(connection, std::span(buffer).first(std::min(sizeof(buffer), asked)));
    if (result.kind == IoResult::Kind::kWouldBlock) return true;
    if (result.kind != IoResult::Kind::kMoved) {
      const bool ended = result.kind == IoResult::Kind::kEnd;
      Close(connection, ended ? "the connection was closed during the handshake" : FailureText(result));
      return false;
    }
    connection.moved = Clock::now();
    const std::string_view bytes(buffer, static_cast<size_t>(result.bytes));
    if (!connection.relay) {
      connection.handshake.Consume(bytes);
    } else {
      connection.relay->Consume(bytes);
      if (connection.relay->state() == rendezvous::RelayCall::State::kFailed) {
        Close(connection, connection.relay->cause());
        return false;
      }
      if (connection.relay->state() == rendezvous::RelayCall::State::kJoined) connection.relay.reset();
    }
    if (!Write(connection)) return false;
  }
}

bool Linker::Finished(Connection& connection) {
  if (connection.relay) return false;
  Handshake& handshake = connection.handshake;
  const Rank peer = handshake.peer();
  switch (handshake.state()) {
    case Handshake::State::kAwaitHello:
    case Handshake::State::kAwaitProof:
    case Handshake::State::kAwaitTls:
    case Handshake::State::kAwaitNomination:
    case Handshake::State::kProbing:
      return false;
    case Handshake::State::kAuthenticated: {
      PeerState& state = Peer(peer);
      // A link that looks well from here is anew where the peer says that it has had this one, and it broke.
      const bool stale = handshake.own_links() != Links(peer);
      if (stale || (state.linked && handshake.peer_links() < Links(peer) && Alive(peer))) {
        Close(connection, {});
        return true;
      }
      if (state.nominating) {  // until it is known what becomes of the other one
        if (!HasEnded(connection.socket.get())) return false;
        Close(connection, "the connection was closed during the handshake");
        return true;
      }
      handshake.Nominate();
      state.nominating = handshake.state() == Handshake::State::kProbing;
      WEFT_LOG(kDebug, "nominated a connection to rank " << peer << " " << Seconds(Clock::now() - state.go) * 1e3
                                                         << " ms after go");
      if (!Write(connection)) return true;
      if (state.nominating) return false;
      [[fallthrough]];
    }
    case Handshake::State::kDone:
      if (connection.writes()) return false;
      Link(connection, peer);
      return true;
    case Handshake::State::kFailed:
      RecordVerdict(connection);
      Close(connection, handshake.failure_text());
      return true;
  }
  return true;
}

/// Those that waited for a nominated connection which is gone.
void Linker::NominateWaiting() {
  if (!std::exchange(nominate_waiting_, false)) return;
  for (auto it = connections_.begin(); it != connections_.end();) {
    const bool waits = !it->relay && it->handshake.state() == Handshake::State::kAuthenticated;
    it = waits && Finished(*it) ? connections_.erase(it) : std::next(it);
  }
}

void Linker::Link(Connection& connection, Rank peer) {
  PeerState& state = Peer(peer);
  if (!state.linked) --missing_;
  state.linked = true;
  state.nominating = false;
  state.path = connection.handshake.path();
  Links(peer) = std::max(Links(peer), connection.handshake.peer_links()) + 1;
  if (connection.dialed < 0) ++state.tries;
  LinkedPeer made;
  LinkedPeer& link = relinker_ == nullptr ? links_[static_cast<size_t>(peer)] : made;
  link.info.peer = peer;
  link.info.path = PathName(connection.handshake.path());
  link.info.remote_address = connection.remote;
  link.info.link_seconds = Seconds(Clock::now() - link_began_);
  link.info.tries = std::exchange(state.tries, 0);
  link.info.errors = std::exchange(state.errors, 0);
  link.info.last_error = std::exchange(state.last_trouble, {});
  if (connection.tls != nullptr) {
    link.info.cipher = connection.tls->cipher();
    link.stream = MakeTlsStream(std::move(connection.socket), std::move(connection.tls));
  } else {
    link.stream = MakeSocketStream(std::move(connection.socket));
  }
  WEFT_LOG(kDebug, "linked to rank " << peer << " by " << link.info.path << " (" << connection.remote << ", "
                                     << (link.info.cipher.empty() ? "in the clear" : link.info.cipher) << ") after "
                                     << link.info.link_seconds * 1e3 << " ms, "
                                     << (state.went ? Seconds(Clock::now() - state.go) * 1e3 : 0) << " ms after go");
  if (relinker_ == nullptr) return;
  relinker_->Tell({Remade::Kind::kLinked, peer, Links(peer), std::move(made), {}});
  if (missing_ == 0 && options_.rendezvous != nullptr) options_.rendezvous->Rest();
}

/// False where the connection that was taken for the link has ended: its dialer may not have heard of it, and tries
/// again.
bool Linker::Alive(Rank peer) const {
  return relinker_ != nullptr || !HasEnded(links_[static_cast<size_t>(peer)].stream->descriptor());
}

void Linker::Close(Connection& connection, const std::string& trouble, int error) {
  WEFT_LOG(kDebug, "connection with " << connection.remote << " closed: " << trouble);
  if (connection.dialed >= 0) AfterDial(connection, error);
  const Rank peer = connection.dialed >= 0 ? connection.dialed : connection.handshake.peer();
  if (peer < 0) return;
  PeerState& state = Peer(peer);
  if (!trouble.empty()) {
    state.last_trouble = connection.remote + ": " + trouble;
    ++state.errors;
  }
  if (connection.handshake.path() != LinkPath::kPunched || connection.connecting) return;
  ResetOnClose(connection.socket.get());
  if (state.nominating && connection.handshake.state() == Handshake::State::kProbing) {
    state.nominating = false;
    nominate_waiting_ = true;
  }
  // A connection that has shown no proof may be a stranger's; what this rank has dialed itself is the peer's hole.
  if (connection.dialed >= 0 || Authenticated(connection.handshake.state())) AfterBroken(peer);
}

/// What a peer answers at its own published address counts; what a connection that came in says does not.
void Linker::RecordVerdict(const Connection& connection) {
  if (connection.dialed < 0) return;
  PeerState& state = Peer(connection.dialed);
  CommunicationFailure failure;
  switch (connection.handshake.failure()) {
    case HandshakeFailure::kWrongProof:
      failure = CommunicationFailure::kAuthenticationFailed;
      break;
    case HandshakeFailure::kVersion:
    case HandshakeFailure::kWorld:
    case HandshakeFailure::kEncryption:
      failure = CommunicationFailure::kMismatch;
      break;
    case HandshakeFailure::kEpoch:
      if (watch_.has_value()) watch_->Hurry();  // the store says whether this epoch is over
      return;
    default:
      return;  // somebody else lives at that address; another candidate, or a later try, may lead to the peer
  }
  if (!state.verdict.ok()) return;
  state.verdict = MakeCommunicationError(Facts(failure, "handshake", connection.dialed),
                                         "rank " + std::to_string(connection.dialed) + " at " + connection.remote +
                                             ": " + connection.handshake.failure_text());
  state.verdict_at = Clock::now();
}

}  // namespace weft::tcp
