#include "weft/backends/tcp/linker.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/base/communication_error.h"
#include "weft/base/logging.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kAddressName = "tcp/address";
constexpr const char* kNoteName = "tcp/failure";
/// An answer that rules a link out stands when no other candidate has made one meanwhile.
constexpr Duration kVerdictGrace = milliseconds(300);
/// How often the others' notes are looked for, and how long a rank that fails stays to have its own read.
constexpr Duration kNoteEvery = milliseconds(250);
constexpr Duration kNoteLinger = seconds(1);
/// When the lower rank of a pair begins to look whether the higher one is still there, and how long a port must be
/// closed for its owner to be gone.
constexpr Duration kProbeAfter = seconds(1);
constexpr Duration kGoneAfter = seconds(1);
constexpr int kLeastBacklog = 1024;
constexpr Duration kLongestPoll = milliseconds(50);

arrow::Status SystemError(const char* what) {
  return arrow::Status::IOError("tcp: ", what, ": ", std::strerror(errno));
}

}  // namespace

Linker::Linker(Membership* membership, LinkIdentity identity, Options options)
    : membership_(membership), identity_(std::move(identity)), options_(std::move(options)) {
  const auto world = static_cast<size_t>(identity_.world_size);
  peers_.resize(world);
  links_.resize(world);
  missing_ = identity_.world_size - 1;
}

CommunicationError Linker::Facts(CommunicationFailure failure, const char* phase, Rank peer) const {
  CommunicationError error;
  error.failure = failure;
  error.operation = "init";
  error.phase = phase;
  error.rank = identity_.rank;
  error.peer = peer;
  error.elapsed = Clock::now() - began_;
  return error;
}

arrow::Result<std::vector<LinkedPeer>> Linker::Run() {
  ARROW_RETURN_NOT_OK(Listen());
  ARROW_RETURN_NOT_OK(ExchangeCandidates());
  const arrow::Status status = LinkAll();
  if (!status.ok()) {
    LeaveNote(status);
    return status;
  }
  return std::move(links_);
}

arrow::Status Linker::Listen() {
  const int one = 1;
  const int zero = 0;
  for (const int family : {AF_INET6, AF_INET}) {
    listener_ = Descriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener_.valid()) continue;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    Endpoint any;
    any.storage.ss_family = static_cast<sa_family_t>(family);
    any.size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (family == AF_INET6) ::setsockopt(listener_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (::bind(listener_.get(), any.address(), any.size) != 0) continue;
    if (::listen(listener_.get(), std::max(kLeastBacklog, 2 * identity_.world_size)) != 0) continue;
    if (::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&any.storage), &any.size) != 0) continue;
    port_ = ntohs(family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&any.storage)->sin6_port
                                     : reinterpret_cast<const sockaddr_in*>(&any.storage)->sin_port);
    return arrow::Status::OK();
  }
  return SystemError("cannot listen on any port");
}

arrow::Status Linker::ExchangeCandidates() {
  ARROW_ASSIGN_OR_RAISE(const Candidates own, GatherCandidates(port_, options_.advertise));
  const auto exchanged =
      membership_->ExchangeAll(kAddressName, own.Encode(), options_.deadline, options_.check_interrupt);
  // A rank that gives up takes its name back: not before the others, which give up now too, have looked who is missing.
  if (IsCommunicationError(exchanged.status(), CommunicationFailure::kTimedOut)) {
    std::this_thread::sleep_for(kVerdictGrace);
  }
  ARROW_ASSIGN_OR_RAISE(const auto values, exchanged);
  link_began_ = Clock::now();
  next_note_ = link_began_ + kNoteEvery;
  for (Rank peer = 0; peer < identity_.world_size; ++peer) {
    if (peer == identity_.rank) continue;
    const arrow::Result<Candidates> theirs = Candidates::Decode(values[static_cast<size_t>(peer)]);
    if (!theirs.ok()) {
      return MakeCommunicationError(Facts(CommunicationFailure::kMismatch, "rendezvous", peer),
                                    "rank " + std::to_string(peer) + " " + theirs.status().message());
    }
    const Clock::time_point first_try = peer > identity_.rank ? link_began_ + kProbeAfter : link_began_;
    PeerState& state = peers_[static_cast<size_t>(peer)];
    for (const Candidate& candidate : Dialable(own, *theirs)) {
      const arrow::Result<Endpoint> endpoint = Endpoint::Resolve(candidate.host, candidate.port);
      if (endpoint.ok()) {
        state.routes.push_back({*endpoint, false, first_try, std::nullopt});
      } else {
        state.last_trouble = endpoint.status().message();
      }
    }
    if (state.routes.empty() && peer < identity_.rank) {
      return MakeCommunicationError(
          Facts(CommunicationFailure::kPeerLost, "connect", peer),
          "rank " + std::to_string(peer) + " has no address that can be used; " + state.last_trouble);
    }
  }
  return arrow::Status::OK();
}

arrow::Status Linker::LinkAll() {
  std::vector<pollfd> polled;
  Clock::time_point interrupt_at = Clock::now();
  while (missing_ > 0) {
    const Clock::time_point now = Clock::now();
    if (options_.check_interrupt && now >= interrupt_at) {
      ARROW_RETURN_NOT_OK(options_.check_interrupt());
      interrupt_at = now + milliseconds(50);
    }
    ARROW_RETURN_NOT_OK(CheckTrouble());
    StartDials();
    polled.assign(1, {listener_.get(), POLLIN, 0});
    for (const Connection& connection : connections_) {
      const bool writes = connection.connecting || !connection.output.empty();
      polled.push_back({connection.socket.get(), static_cast<short>(writes ? POLLOUT | POLLIN : POLLIN), 0});
    }
    const auto wait = std::chrono::ceil<milliseconds>(NextWait()).count();
    ::poll(polled.data(), polled.size(), static_cast<int>(wait));
    size_t at = 1;
    for (auto it = connections_.begin(); it != connections_.end(); ++at) {
      const bool over = polled[at].revents != 0 && Drive(*it, polled[at].revents);
      it = over ? connections_.erase(it) : std::next(it);
    }
    if (polled[0].revents != 0) AcceptAll();
    CloseOverdue();
  }
  // Others of the same pairs that were under way are not needed, and their peers know.
  connections_.clear();
  return arrow::Status::OK();
}

Duration Linker::NextWait() const {
  const Clock::time_point now = Clock::now();
  Duration wait = options_.deadline.LeftUpTo(kLongestPoll);
  for (const PeerState& state : peers_) {
    if (state.linked) continue;
    for (const Route& route : state.routes) {
      if (!route.busy) wait = std::min(wait, std::max(route.next_try - now, Duration::zero()));
    }
  }
  return wait;
}

/// What ends the linking without a link.
arrow::Status Linker::CheckTrouble() {
  const Clock::time_point now = Clock::now();
  for (const PeerState& state : peers_) {
    if (!state.linked && !state.verdict.ok() && now - state.verdict_at >= kVerdictGrace) return state.verdict;
  }
  for (Rank peer = 0; peer < identity_.world_size; ++peer) ARROW_RETURN_NOT_OK(CheckRefused(peer));
  if (options_.deadline.Passed()) return TimedOut();
  if (now < next_note_) return arrow::Status::OK();
  next_note_ = now + kNoteEvery;
  return ReadNote();
}

arrow::Status Linker::CheckRefused(Rank peer) const {
  const PeerState& state = peers_[static_cast<size_t>(peer)];
  if (state.linked || state.routes.empty()) return arrow::Status::OK();
  const Clock::time_point since = Clock::now() - kGoneAfter;
  for (const Route& route : state.routes) {
    if (!route.refused_since || *route.refused_since > since) return arrow::Status::OK();
  }
  return MakeCommunicationError(Facts(CommunicationFailure::kPeerLost, "connect", peer),
                                "nobody listens any more at " + state.routes.front().endpoint.ToString() +
                                    ", where rank " + std::to_string(peer) +
                                    " was; look at its log, or for a firewall that rejects connections");
}

arrow::Status Linker::TimedOut() const {
  for (Rank peer = 0; peer < identity_.world_size; ++peer) {
    const PeerState& state = peers_[static_cast<size_t>(peer)];
    if (peer == identity_.rank || state.linked) continue;
    std::string text = "no link to rank " + std::to_string(peer);
    text += peer > identity_.rank ? ", which was to dial this rank at port " + std::to_string(port_)
                                  : " after " + std::to_string(state.tries) + " tries";
    if (!state.routes.empty()) text += " of " + state.routes.front().endpoint.ToString();
    if (!state.last_trouble.empty()) text += " (" + state.last_trouble + ")";
    text += "; does a firewall close the port, or is another address to be given by WEFT_ADVERTISE?";
    return MakeCommunicationError(Facts(CommunicationFailure::kTimedOut, "connect", peer), text);
  }
  return arrow::Status::OK();
}

/// The note of a rank that has failed, so that the others do not wait for it. It comes from the store, which only the
/// job's own workers write; what strangers say to the port does not count.
arrow::Status Linker::ReadNote() {
  const auto note = membership_->WaitFor(kNoteName, Deadline::After(milliseconds(1)));
  if (!note.ok()) {
    // After the exchange nobody needs the store; all that matters is whether this epoch is over.
    const bool over = IsCommunicationError(note.status(), CommunicationFailure::kSuperseded);
    return over ? note.status() : arrow::Status::OK();
  }
  ByteReader reader(*note);
  const auto from = reader.Get<Rank>();
  const auto failure = reader.Get<CommunicationFailure>();
  const auto peer = reader.Get<Rank>();
  const auto text = reader.GetString();
  if (!from.ok() || !failure.ok() || !peer.ok() || !text.ok() || *from == identity_.rank) return arrow::Status::OK();
  const bool keep = *failure == CommunicationFailure::kAuthenticationFailed ||
                    *failure == CommunicationFailure::kTimedOut || *failure == CommunicationFailure::kPeerLost;
  const Rank culprit = keep && *peer >= 0 && *peer != identity_.rank ? *peer : *from;
  return MakeCommunicationError(Facts(keep ? *failure : CommunicationFailure::kAborted, "handshake", culprit),
                                "rank " + std::to_string(*from) + " could not link up: " + std::string(*text));
}

void Linker::LeaveNote(const arrow::Status& status) {
  const CommunicationError* facts = GetCommunicationError(status);
  if (facts != nullptr && facts->failure == CommunicationFailure::kSuperseded) return;
  if (membership_->WaitFor(kNoteName, Deadline::After(milliseconds(1))).ok()) return;  // the first one tells the cause
  const std::string note = ByteWriter()
                               .Put(identity_.rank)
                               .Put(facts == nullptr ? CommunicationFailure::kOther : facts->failure)
                               .Put(facts == nullptr ? Rank{-1} : facts->peer)
                               .PutString(status.ToString().substr(0, 2048))
                               .Take();
  if (membership_->Publish(kNoteName, note).ok()) std::this_thread::sleep_for(kNoteLinger);
}

}  // namespace weft::tcp
