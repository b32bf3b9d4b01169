// The connections of a linker, from the first packet to the link.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "weft/backends/tcp/linker.h"
#include "weft/base/communication_error.h"
#include "weft/base/logging.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A connection that comes in and has not authenticated by then is closed.
constexpr Duration kAuthenticateWithin = seconds(2);
/// A dialer is more patient: the peer may be busy, or still be waiting for other ranks' addresses.
constexpr Duration kConnectWithin = seconds(3);
constexpr Duration kAnswerWithin = seconds(10);
/// Connections of strangers beyond those that a world may have on the way.
constexpr size_t kSpareConnections = 64;
constexpr Duration kLongestPause = milliseconds(500);

}  // namespace

void Linker::StartDials() {
  const Clock::time_point now = Clock::now();
  for (Rank peer = 0; peer < identity_.world_size; ++peer) {
    PeerState& state = peers_[static_cast<size_t>(peer)];
    if (state.linked) continue;
    for (size_t route = 0; route < state.routes.size(); ++route) {
      if (!state.routes[route].busy && now >= state.routes[route].next_try) Dial(peer, route);
    }
  }
}

void Linker::Dial(Rank peer, size_t route_number) {
  PeerState& state = peers_[static_cast<size_t>(peer)];
  Route& route = state.routes[route_number];
  arrow::Result<Handshake> handshake = Handshake::Dial(identity_, peer);
  if (!handshake.ok()) {
    state.last_trouble = handshake.status().message();
    route.next_try = Clock::now() + kLongestPause;
    return;
  }
  const bool probe = peer > identity_.rank;
  if (!probe) ++state.tries;
  route.busy = true;
  Connection connection{
      Descriptor(::socket(route.endpoint.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
      *std::move(handshake),
      {},
      true,
      Clock::now(),
      route.endpoint.ToString(),
      route_number,
      peer};
  const int one = 1;
  ::setsockopt(connection.socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  connection.output = connection.handshake.TakeOutput();
  const int failed = ::connect(connection.socket.get(), route.endpoint.address(), route.endpoint.size);
  if (failed != 0 && errno != EINPROGRESS) {
    NoteConnect(route, errno);
    Close(connection, std::strerror(errno));
    return;
  }
  connections_.push_back(std::move(connection));
}

void Linker::AcceptAll() {
  // Fewer at a time than there is room for: each has its chance to greet before it may have to make room.
  for (size_t count = 0; count < kSpareConnections / 2; ++count) {
    Endpoint remote;
    remote.size = sizeof(remote.storage);
    Descriptor socket(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&remote.storage), &remote.size,
                                SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (errno == EMFILE || errno == ENFILE) MakeRoom();
      return;
    }
    arrow::Result<Handshake> handshake = Handshake::Accept(identity_);
    if (!handshake.ok()) return;
    MakeRoom();
    const int one = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connections_.push_back(
        {std::move(socket), *std::move(handshake), {}, false, Clock::now(), remote.ToString(), 0, -1, false});
  }
}

/// Closes the oldest connection that has not even greeted where there are too many.
void Linker::MakeRoom() {
  if (connections_.size() < static_cast<size_t>(identity_.world_size) + kSpareConnections) return;
  auto oldest = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    if (it->dialed >= 0) continue;
    if (oldest == connections_.end() || (oldest->handshake.has_hello() && !it->handshake.has_hello())) oldest = it;
  }
  if (oldest != connections_.end()) connections_.erase(oldest);
}

/// How long a connection may stay in its state; nothing: as long as it lasts. A dialer that has shown its proof must
/// wait for what the peer says: the peer may have taken the connection for the link already.
std::optional<Duration> Linker::Patience(const Connection& connection) {
  if (connection.dialed < 0) return kAuthenticateWithin;
  if (connection.connecting) return kConnectWithin;
  if (connection.handshake.state() == Handshake::State::kAwaitNomination) return std::nullopt;
  return kAnswerWithin;
}

void Linker::CloseOverdue() {
  const Clock::time_point now = Clock::now();
  for (auto it = connections_.begin(); it != connections_.end();) {
    const bool pointless = it->dialed >= 0 && peers_[static_cast<size_t>(it->dialed)].linked;
    const std::optional<Duration> patience = Patience(*it);
    if (!pointless && (!patience || now - it->since < *patience)) {
      ++it;
      continue;
    }
    Close(*it, it->connecting ? "no answer" : "connected, but no proof came in time");
    it = connections_.erase(it);
  }
}

/// Keeps in mind since when a port is closed.
void Linker::NoteConnect(Route& route, int error) {
  if (error != ECONNREFUSED) {
    route.refused_since.reset();
  } else if (!route.refused_since) {
    route.refused_since = Clock::now();
  }
}

bool Linker::Drive(Connection& connection, short events) {
  if (connection.connecting) {
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(connection.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0 || (events & POLLOUT) != 0) {
      NoteConnect(peers_[static_cast<size_t>(connection.dialed)].routes[connection.candidate], error);
    }
    if (error != 0) {
      Close(connection, std::strerror(error));
      return true;
    }
    if ((events & POLLOUT) == 0) return false;
    connection.connecting = false;
    if (connection.probe) {
      Close(connection, {});
      return true;
    }
  }
  if (!Write(connection)) return true;
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !Read(connection)) return true;
  return Finished(connection);
}

bool Linker::Write(Connection& connection) {
  connection.output += connection.handshake.TakeOutput();
  while (!connection.output.empty()) {
    const ssize_t sent =
        ::send(connection.socket.get(), connection.output.data(), connection.output.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN || errno == EINTR) return true;
      Close(connection, std::strerror(errno));
      return false;
    }
    connection.output.erase(0, static_cast<size_t>(sent));
  }
  return true;
}

bool Linker::Read(Connection& connection) {
  char buffer[512];
  while (connection.handshake.wanted() > 0) {
    const size_t wanted = std::min(sizeof(buffer), connection.handshake.wanted());
    const ssize_t got = ::recv(connection.socket.get(), buffer, wanted, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) {
      Close(connection, got == 0 ? "the connection was closed during the handshake" : std::strerror(errno));
      return false;
    }
    connection.handshake.Consume({buffer, static_cast<size_t>(got)});
    if (!Write(connection)) return false;
  }
  return true;
}

bool Linker::Finished(Connection& connection) {
  Handshake& handshake = connection.handshake;
  const Rank peer = handshake.peer();
  switch (handshake.state()) {
    case Handshake::State::kAwaitHello:
    case Handshake::State::kAwaitProof:
    case Handshake::State::kAwaitNomination:
      return false;
    case Handshake::State::kAuthenticated:
      if (peers_[static_cast<size_t>(peer)].linked && Alive(peer)) return true;
      handshake.Nominate();
      if (!Write(connection)) return true;
      [[fallthrough]];
    case Handshake::State::kDone:
      if (!connection.output.empty()) return false;
      Link(connection, peer);
      return true;
    case Handshake::State::kFailed:
      RecordVerdict(connection);
      Close(connection, handshake.failure_text());
      return true;
  }
  return true;
}

void Linker::Link(Connection& connection, Rank peer) {
  PeerState& state = peers_[static_cast<size_t>(peer)];
  if (!state.linked) --missing_;
  state.linked = true;
  if (connection.dialed < 0) ++state.tries;
  LinkedPeer& link = links_[static_cast<size_t>(peer)];
  link.info.peer = peer;
  link.info.path = "host";
  link.info.remote_address = connection.remote;
  link.info.link_seconds = Seconds(Clock::now() - link_began_);
  link.info.tries = state.tries;
  link.stream = MakeSocketStream(std::move(connection.socket));
}

/// False where the connection that was taken for the link has ended: its dialer may not have heard of it, and tries
/// again.
bool Linker::Alive(Rank peer) const {
  char byte = 0;
  const int socket = links_[static_cast<size_t>(peer)].stream->descriptor();
  const ssize_t got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void Linker::Close(Connection& connection, const std::string& trouble) {
  WEFT_LOG(kDebug, "connection with " << connection.remote << " closed: " << trouble);
  const Rank peer = connection.dialed >= 0 ? connection.dialed : connection.handshake.peer();
  if (peer < 0) return;
  PeerState& state = peers_[static_cast<size_t>(peer)];
  if (!trouble.empty()) state.last_trouble = connection.remote + ": " + trouble;
  if (connection.dialed < 0) return;
  Route& route = state.routes[connection.candidate];
  route.busy = false;
  const auto pause = static_cast<double>(route.pause.count()) * (0.5 + static_cast<double>(jitter_() % 1024) / 1024);
  route.next_try = Clock::now() + Duration(static_cast<Duration::rep>(pause));
  route.pause = std::min<Duration>(2 * route.pause, kLongestPause);
}

/// What a peer answers at its own published address counts; what a connection that came in says does not.
void Linker::RecordVerdict(const Connection& connection) {
  if (connection.dialed < 0) return;
  PeerState& state = peers_[static_cast<size_t>(connection.dialed)];
  CommunicationFailure failure;
  switch (connection.handshake.failure()) {
    case HandshakeFailure::kWrongProof:
      failure = CommunicationFailure::kAuthenticationFailed;
      break;
    case HandshakeFailure::kVersion:
    case HandshakeFailure::kWorld:
      failure = CommunicationFailure::kMismatch;
      break;
    case HandshakeFailure::kEpoch:
      next_note_ = Clock::now();  // the store says whether this epoch is over
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
